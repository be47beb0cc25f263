"""How early the start times are that MediaMTX writes into files with B-frames.

Its NTP of a file's first picture follows the time at which that is shown, on a line through the pictures that
arrive furthest ahead of it (in its source every NTP is estimated from a PTS): with B-frames a key picture
arrives some frames later. Measured with MediaMTX 1.20.1 and x264 without sound, 25 fps: 47 ms with one
B-frame, 76 with two; 60 fps: 22 with one, 75 with three and a pyramid of B-frames. The start times of a run
do not show this: those of a recorder that counts by decode times look the same, and a fast or slow source
moves them by more.

The disk shows it: a file is written last when the first picture of the next one arrives. That instant and the
next file's NTP belong to one picture, so no skew lies between them. Of a recorder that counts by decode times
they are equal. (Or, if its pictures arrived only when they are shown, apart by how long that picture waits.
No such recorder writes `mtxi`.)

MediaMTX takes the PTS of a run's first picture for its DTS, and later ones are decoded ahead of their PTS:
the first file is earlier by that.

Owns: that comparison. Must not know: clocks.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from appliance.box.recordings.clocks.file_times import mtxi_of
from appliance.box.recordings.segment_state import Segment
from appliance.media.clock.claims import NEIGHBOURS
from appliance.media.index.index import SegmentIndex, ticks_to_ns
from appliance.media.mp4.fragment import is_own

if TYPE_CHECKING:
    from appliance.box.recordings.channel.channel_index import ChannelIndex

_WRITTEN_US: Final = 500_000  # a file that was written later than this after the next one began is a copy
_SHARE: Final = 0.75  # of the delay; times on the disk are cut to its tick, 10 ms at worst
_PAIRS: Final = 2  # borders between files, at least: one write may have waited for a busy disk


def early_us(channel: ChannelIndex, segment: Segment) -> tuple[int, int]:
    """By how much the start times of a run's files near this one are early, us: its pictures' reorder delay,
    or 0 where the file does not begin with a picture, or where the disk does not show that delay. And by how
    much more the file's own is."""
    index = segment.index
    mtxi = index.init.mtxi if index is not None and index.init is not None else None
    if index is None or mtxi is None or is_own(mtxi.stream_id) or not index.keys or index.parts[0].video_tfdt:
        return 0, 0
    delay_us = _delay_us(index)
    late_us = [each for each in _late_us(channel, segment, mtxi.stream_id) if abs(each) <= _WRITTEN_US]
    if not delay_us or len(late_us) < _PAIRS or min(late_us) < delay_us * _SHARE:
        return 0, 0
    first, later = (_ahead(index, number) for number in (0, -1))
    return delay_us, ticks_to_ns(max(0, later - first), index.timescale) // 1000 if mtxi.number == 0 else 0


def _late_us(channel: ChannelIndex, segment: Segment, stream_id: bytes) -> Iterator[int]:
    """For each file beside this one whose next file is known: how long after its NTP it was written."""
    near = [segment, *channel.near(segment, NEIGHBOURS)]
    files = [(mtxi, each) for each in near if (mtxi := mtxi_of(each)) and mtxi.stream_id == stream_id]
    written_us = {mtxi.number: each.written_us for mtxi, each in files}
    for mtxi, _ in files:
        if (before_us := written_us.get(mtxi.number - 1)) is not None:
            yield before_us - mtxi.ntp_ns // 1000


def _delay_us(index: SegmentIndex) -> int:
    """How much further than a key picture other pictures arrive ahead of the time at which they are shown."""
    ticks = index.cursor.pace.reorder - _ahead(index, min(1, len(index.keys) - 1))
    return max(0, ticks_to_ns(ticks, index.timescale) // 1000)


def _ahead(index: SegmentIndex, number: int) -> int:
    """How long a key picture waits from its decoding until it is shown, ticks."""
    key = index.keys[number]
    return key.pts - index.parts[key.part].video_tfdt - key.sample * index.cursor.pace.nominal
