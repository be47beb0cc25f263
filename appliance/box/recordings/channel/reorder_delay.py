"""How early the start times are that MediaMTX writes into files with B-frames.

Its NTP of a file's first picture follows the time at which that is shown, on a line through the pictures that
arrive furthest ahead of it: with B-frames a key picture arrives some frames later (MediaMTX 1.20.1 without
sound, measured: 67 ms with two B-frames at 30 fps, 95 with three). The start times of a run do not show this:
those of a recorder that counts by decode times look the same, and a fast or slow source moves them by more.

The disk shows it: a file is written last when the first picture of the next one arrives. That instant and the
next file's NTP belong to one picture, so no skew lies between them. Of a recorder that counts by decode times
they are equal, or differ by how long the picture waits to be shown if it arrives only then. With one B-frame
that is as long as MediaMTX's delay, and the start times are left as they are.

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
    from appliance.box.recordings.channel.channel_index import Channel

_WRITTEN_US: Final = 500_000  # a file that was written later than this after the next one began is a copy
_SHARE: Final = 0.75  # of the delay; times on the disk are cut to its tick, 10 ms at worst
_PAIRS: Final = 2  # borders between files, at least: one write may have waited for a busy disk


def early_us(channel: Channel, segment: Segment) -> int:
    """By how much the start times of a run's files near this one are early, us: its pictures' reorder delay,
    or 0 where the file does not begin with a picture, or where the disk does not show that delay."""
    index = segment.index
    mtxi = index.init.mtxi if index is not None and index.init is not None else None
    if index is None or mtxi is None or is_own(mtxi.stream_id) or not index.keys or index.parts[0].video_tfdt:
        return 0
    delay_us = _delay_us(index)
    late_us = [each for each in _late_us(channel, segment, mtxi.stream_id) if abs(each) <= _WRITTEN_US]
    return delay_us if delay_us and len(late_us) >= _PAIRS and min(late_us) >= delay_us * _SHARE else 0


def _late_us(channel: Channel, segment: Segment, stream_id: bytes) -> Iterator[int]:
    """For each file beside this one whose next file is known: how long after its NTP it was written."""
    near = [segment, *channel.near(segment, NEIGHBOURS)]
    files = [(mtxi, each) for each in near if (mtxi := mtxi_of(each)) and mtxi.stream_id == stream_id]
    written_us = {mtxi.number: each.written_us for mtxi, each in files}
    for mtxi, _ in files:
        if (before_us := written_us.get(mtxi.number - 1)) is not None:
            yield before_us - mtxi.ntp_ns // 1000


def _delay_us(index: SegmentIndex) -> int:
    """How much further than a key picture other pictures arrive ahead of the time at which they are shown; 0
    if a key picture waits about as long to be shown."""
    key = index.keys[min(1, len(index.keys) - 1)]
    ahead = key.pts - index.parts[key.part].video_tfdt - key.sample * index.cursor.pace.nominal
    ticks = index.cursor.pace.reorder - ahead
    return ticks_to_ns(ticks, index.timescale) // 1000 if ticks > max(0, ahead) * 3 // 2 else 0
