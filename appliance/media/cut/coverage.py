"""Requested video that is not in a clip, with the reason.

Owns: the difference between a window and the spans shown in it. Must not know: samples, segments, clocks. All
times are capture times, int us.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from appliance.media.index.spans import Gap
from appliance.media.index.spans import Reason as Why

Reason = Literal["no_footage", "gap", "format_change", "no_entry"] | Why


_OF_THE_CLIP = frozenset({"format_change", "no_entry"})  # there is video, but the clip cannot show it
_WORTH_NAMING_US = 40_000  # between two spans shown: less is rounding and jitter
# The last picture is shown whole when it ends at most this late after the requested end: a frame at 25 fps. A
# longer one, of a camera with a low frame rate, is cut at the requested end.
_WHOLE_US = 40_000
# If the window begins inside a frame that is not shown, less than this share of a frame is only the end of
# that frame, which was captured before the window and is not missing. Less than 1: times are rounded.
_FRAME_SHARE = 0.9


class MissingSpan(NamedTuple):
    """`no_footage`: before the first or after the last frame; `gap`: between; `format_change`: left out
    because of another size, profile, chroma or depth; `no_entry`: no picture before it at which decoding can
    begin. The first two are replaced by the timeline's reason (`explained`)."""

    start_us: int
    end_us: int
    reason: Reason


class Shown(NamedTuple):
    """Video without a hole, up to the end of its last frame."""

    start_us: int
    end_us: int


def ends_us(picture_ends_us: int, end_us: int) -> int:
    """Where the last picture ends in a clip whose window ends at `end_us`; `picture_ends_us` is its own
    end."""
    return end_us if picture_ends_us - end_us > _WHOLE_US else picture_ends_us


def explained(
    missing: Sequence[MissingSpan], gaps: Sequence[Gap], latency_us: int
) -> tuple[MissingSpan, ...]:
    """`missing` with the reasons of the gaps it lies in, so that one outage has one reason everywhere.

    `gaps` are the timeline's, in wall time; a span in none of them keeps its own reason. Reasons that came
    from the timeline are replaced too: the reason of an outage may be known only after a while.
    """

    def overlap_us(span: MissingSpan, gap: Gap) -> int:
        end_us = span.end_us if gap.end_us is None else min(span.end_us, gap.end_us - latency_us)
        return end_us - max(span.start_us, gap.start_us - latency_us)

    def explain(span: MissingSpan) -> MissingSpan:
        if span.reason in _OF_THE_CLIP:
            return span
        widest = max(gaps, key=lambda gap: overlap_us(span, gap), default=None)
        return span._replace(reason=widest.reason) if widest and overlap_us(span, widest) > 0 else span

    return tuple(map(explain, missing))


def absent_us(missing: Iterable[tuple[int, int]], start_us: int, end_us: int) -> int:
    """How much of start_us..end_us lies in `missing` (start, end), us; overlaps count once."""
    total, reached = 0, start_us
    for begin_us, stop_us in sorted(missing):
        begin_us, stop_us = max(begin_us, reached), min(stop_us, end_us)
        total += max(0, stop_us - begin_us)
        reached = max(reached, stop_us)
    return total


def missing_spans(
    shown: Sequence[Shown],
    refused: Sequence[MissingSpan],
    start_us: int,
    end_us: int,
    nominal_us: int,
    *,
    continues: bool,
    follows: bool,
) -> tuple[MissingSpan, ...]:
    """Parts of start_us..end_us not in `shown`, in order. `refused` spans exist but are not shown.

    A window usually begins and ends between two frames, which is not a gap: `continues` is True if the frame
    before the window and the first one shown follow each other without a hole, `follows` if the same holds
    for the last one shown and the one after it.
    """
    pieces: list[tuple[int, int, Reason | None]] = [(*span, None) for span in shown]
    pieces += [(start, end, reason) for start, end, reason in refused]
    missing: list[MissingSpan] = []
    position = start_us
    for begin_us, stop_us, reason in sorted(pieces, key=lambda piece: piece[:2]):
        first = position == start_us
        slack = 1.5 * nominal_us if first else min(nominal_us, _WORTH_NAMING_US)
        if begin_us - position > slack and not (first and continues and reason is None):
            missing.append(
                MissingSpan(position, begin_us, "gap" if missing or position > start_us else "no_footage")
            )
        if reason is not None and (begin_us > start_us or stop_us - start_us >= _FRAME_SHARE * nominal_us):
            missing.append(MissingSpan(max(begin_us, start_us), min(stop_us, end_us), reason))
        position = max(position, stop_us)
    if not follows and end_us - position > nominal_us / 2:
        missing.append(MissingSpan(position, end_us, "no_footage"))
    return tuple(missing)
