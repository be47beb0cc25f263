"""When each run of a channel is shown where runs overlap: the input of media/index/overlap.py.

Owns: which segments are compared, and their keys. Must not know: files; missing keys are loaded by walks.py.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from appliance.box.recordings.segment_state import Segment
from appliance.media.index.index import ticks_to_ns
from appliance.media.index.overlap import Stretch, Windows, overlapping, windows_of
from appliance.media.index.view import Key

if TYPE_CHECKING:
    from appliance.box.recordings.channel.channel_index import ChannelIndex


def windows(channel: ChannelIndex, segments: Sequence[Segment]) -> Mapping[str, Windows]:
    """When the runs of these segments are shown; empty where no run overlaps another."""
    return windows_of(_stretches(channel, sharing(channel, segments), with_keys=True))


def sharing(channel: ChannelIndex, segments: Sequence[Segment]) -> list[Segment]:
    """The segments that determine which run is shown; none where no run overlaps another."""
    stretches = _stretches(channel, segments, with_keys=False)
    if not overlapping(stretches):
        return []
    # with those that begin later, where the last of them is not finished yet
    start_us, end_us = stretches[0].start_us, max(stretch.end_us for stretch in stretches)
    return channel.touching(start_us, end_us)


def keys_of(segment: Segment) -> Sequence[int]:
    """Media times of a segment's keys; empty while they must be loaded."""
    index = segment.index
    if index is None:
        return segment.keys_ns
    return _key_times(index.keys, index.base_ns, index.timescale)


def remember_keys(segment: Segment, keys: Sequence[Key], timescale: int) -> None:
    """Store the keys of a segment that overlaps another run."""
    assert segment.facts is not None
    segment.keys_ns = _key_times(keys, segment.facts.base_ns, timescale)


def _stretches(channel: ChannelIndex, segments: Sequence[Segment], *, with_keys: bool) -> list[Stretch]:
    """What is shown of the segments, in order."""
    stretches = []
    for segment in segments:
        clock, facts = channel.clock_of(segment), segment.facts
        if clock is None or facts is None or facts.first_ns is None or facts.end_ns is None:
            continue
        keys_ns = keys_of(segment) if with_keys else ()
        start_us, end_us = clock.wall_us(facts.first_ns), clock.wall_us(facts.end_ns)
        began_us = channel.clocks.began_us(facts.run_id)
        frame_us = (facts.frame_ns or facts.first_frame_ns) // 1000
        stretches.append(Stretch(facts.run_id, began_us, start_us, end_us, clock, keys_ns, frame_us))
    return stretches


def _key_times(keys: Sequence[Key], base_ns: int, timescale: int) -> Sequence[int]:
    """Media times of the keys at which a run may be entered in the middle of a clip."""
    clean = [key for key in keys if key.resets and not key.recovery] or keys
    return array("q", (base_ns + ticks_to_ns(key.pts, timescale) for key in clean))
