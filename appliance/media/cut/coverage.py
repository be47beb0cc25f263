"""What was asked for and is not in a clip, with the reason.

Owns: the difference between a window and the spans shown in it. Must not know: samples, segments, clocks.
All times are capture times, int us.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from appliance.media.index.spans import Gap
from appliance.media.index.spans import Reason as Why

Reason = Literal["no_footage", "gap", "format_change", "no_entry"] | Why


_OF_THE_CLIP = frozenset({"format_change", "no_entry"})  # there is video, the clip cannot show it
_WORTH_NAMING_US = 40_000  # between two stretches shown: less is rounding and jitter
# The last picture is shown whole when it ends at most this late after the end asked for: a frame at 25 fps. A
# longer one, of a camera that sends few, ends where it was asked.
_WHOLE_US = 40_000
# The window begins in a frame refused: less than this share of a frame is the end of that one alone. It was
# captured before the window and is not wanted. Less than 1: times are rounded to ticks and us.
_FRAME_SHARE = 0.9


class Missing(NamedTuple):
    """`no_footage`: before the first or after the last frame; `gap`: between; `format_change`: left out,
    another size, profile, chroma or depth; `no_entry`: no picture to begin decoding at before it. The first
    two become the timeline's word for why there is none (`explained`)."""

    start_us: int
    end_us: int
    reason: Reason


class Shown(NamedTuple):
    """Video without a hole, to the end of its last frame."""

    start_us: int
    end_us: int


def ends_us(picture_ends_us: int, end_us: int) -> int:
    """Where the last picture of a window that ends at `end_us` ends in the clip, when its own end is this."""
    return end_us if picture_ends_us - end_us > _WHOLE_US else picture_ends_us


def explained(missing: Sequence[Missing], gaps: Sequence[Gap], latency_us: int) -> tuple[Missing, ...]:
    """`missing` with the reason of the gap it lies in, so that one outage has one word everywhere.

    `gaps` are the timeline's, in wall time; what lies in none keeps its own word. A reason of the timeline is
    replaced too: of an outage that has just begun it may be known a moment later only.
    """

    def overlap_us(one: Missing, gap: Gap) -> int:
        end_us = one.end_us if gap.end_us is None else min(one.end_us, gap.end_us - latency_us)
        return end_us - max(one.start_us, gap.start_us - latency_us)

    def explain(one: Missing) -> Missing:
        if one.reason in _OF_THE_CLIP:
            return one
        widest = max(gaps, key=lambda gap: overlap_us(one, gap), default=None)
        return one._replace(reason=widest.reason) if widest and overlap_us(one, widest) > 0 else one

    return tuple(map(explain, missing))


def absent_us(missing: Iterable[tuple[int, int]], start_us: int, end_us: int) -> int:
    """How much of start_us..end_us lies in `missing` (start, end), us; what overlaps counts once."""
    total, reached = 0, start_us
    for begin_us, stop_us in sorted(missing):
        begin_us, stop_us = max(begin_us, reached), min(stop_us, end_us)
        total += max(0, stop_us - begin_us)
        reached = max(reached, stop_us)
    return total


def missing_spans(
    shown: Sequence[Shown],
    refused: Sequence[Missing],
    start_us: int,
    end_us: int,
    nominal_us: int,
    *,
    continues: bool,
    follows: bool,
) -> tuple[Missing, ...]:
    """Parts of start_us..end_us not in `shown`, in order. `refused` spans exist but are not shown.

    A window begins and ends between two frames, and that is no absence: `continues` says that a frame before
    the window and the first one shown follow each other without a hole, `follows` that one after it follows
    the last so.
    """
    pieces: list[tuple[int, int, Reason | None]] = [(*one, None) for one in shown]
    pieces += [(start, end, reason) for start, end, reason in refused]
    found: list[Missing] = []
    position = start_us
    for begin_us, stop_us, reason in sorted(pieces, key=lambda piece: piece[:2]):
        first = position == start_us
        slack = 1.5 * nominal_us if first else min(nominal_us, _WORTH_NAMING_US)
        if begin_us - position > slack and not (first and continues and reason is None):
            found.append(Missing(position, begin_us, "gap" if found or position > start_us else "no_footage"))
        if reason is not None and (begin_us > start_us or stop_us - start_us >= _FRAME_SHARE * nominal_us):
            found.append(Missing(max(begin_us, start_us), min(stop_us, end_us), reason))
        position = max(position, stop_us)
    if not follows and end_us - position > nominal_us / 2:
        found.append(Missing(position, end_us, "no_footage"))
    return tuple(found)
