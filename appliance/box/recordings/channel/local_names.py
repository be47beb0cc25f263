"""Which of two hours a name means: local time without zone, where the end of summer time repeats an hour.

Owns: the evidence, in this order: the file's last write, a file that it continues or that continues it, files
that it would overlap. Must not know: the zone, mtxi (which needs no name).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from appliance.box.recordings.clocks.file_times import start_us
from appliance.box.recordings.segment_state import Segment
from appliance.media.clock.names import nearest
from appliance.media.index.index import SegmentIndex
from appliance.media.index.segment import SegmentFacts
from appliance.media.index.spans import SegmentEntry

if TYPE_CHECKING:
    from appliance.box.recordings.channel.channel_index import ChannelIndex

# A recording is last written when it ends, a copy at any time. Less than half an hour.
_WRITTEN_US: Final = 20 * 60 * 1_000_000
_TOUCH_US: Final = 2_000_000  # names have whole seconds
_HOUR_US: Final = 3_600_000_000


def guess_us(times_us: Sequence[int], written_us: int) -> int | None:
    """The start of a file of which only name and last write are known."""
    if len(times_us) < 2:
        return times_us[0] if times_us else None
    before = [each for each in times_us if 0 <= written_us + _TOUCH_US - each <= _HOUR_US]
    return max(before, default=times_us[0])


def own_start_us(channel: ChannelIndex, segment: Segment, index: SegmentIndex, facts: SegmentFacts) -> int:
    """Wall time of media time `base_ns` by the file's own data; without any, it ended when it was last
    written."""
    if (begin_us := start_us(segment)) is not None:
        return begin_us
    end_ns = facts.end_ns or 0
    segment.name_us = _begin_us(channel, segment, (end_ns - index.named_ns) // 1000)
    if segment.name_us is None:
        return segment.written_us - end_ns // 1000
    return segment.name_us - (index.named_ns - index.base_ns) // 1000


def _begin_us(channel: ChannelIndex, segment: Segment, length_us: int) -> int | None:
    """The start of a file of `length_us` by its name; None: the name contains no time."""
    times_us = segment.name_times_us
    if len(times_us) < 2:
        return segment.name_us
    written_us = segment.written_us - length_us
    if abs(nearest(times_us, written_us) - written_us) <= _WRITTEN_US:
        return nearest(times_us, written_us)
    others = [
        channel.entry(other)
        for other in channel.touching(times_us[0] - _HOUR_US, times_us[-1] + length_us + _HOUR_US)
        if other is not segment
    ]
    touching = [each for each in times_us if _touches(others, each, each + length_us)]
    if len(touching) == 1:
        return touching[0]
    free = [each for each in times_us if not _overlaps(others, each, each + length_us)]
    return free[0] if free else times_us[0]


def _touches(others: Iterable[SegmentEntry], start_us: int, end_us: int) -> bool:
    """Whether another file ends where this one would begin, or begins where it would end."""
    spans = [(entry.start_us, entry.end_us) for entry in others]
    edges = [(low, high) for low, high in spans if low is not None and high is not None]
    return any(abs(high - start_us) <= _TOUCH_US or abs(low - end_us) <= _TOUCH_US for low, high in edges)


def _overlaps(others: Iterable[SegmentEntry], start_us: int, end_us: int) -> bool:
    spans = [(entry.start_us, entry.end_us) for entry in others]
    edges = [(low, high) for low, high in spans if low is not None and high is not None]
    return any(low + _TOUCH_US < end_us and start_us + _TOUCH_US < high for low, high in edges)
