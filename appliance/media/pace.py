"""The pace of a segment's video: frame length, reordering, and the holes in media time.

Owns: seeing, part by part, where more than three frames are missing. Must not know: files, boxes, wall time.
All times are video ticks. Frames are decoded out of order, so a hole is certain only once no later sample can
be shown inside it; MediaMTX spreads a leap of pts over the durations of several samples (measured: +3 s over
three samples and three parts), so durations alone do not show where it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from operator import add, sub
from typing import Final, NamedTuple

from appliance.media.fmp4 import TrackRun

HOLE_FRAMES: Final = 3  # a pause of more than this many frames is a hole (facts/mediamtx.md 1.8)


class Hole(NamedTuple):
    """No frame is shown between `before` (end of the last one) and `after` (pts of the next), in ticks."""

    before: int
    after: int


class PartNote(NamedTuple):
    """What only the clock of the run needs of a part, in video ticks.

    `reached`: media time in decode order when the part was written, -1 without video. `leap`: a hole first
    seen with this part, (`before`, `floor`, `after`): no sample still to come is shown before `floor`, the
    first one known is shown at `after`.
    """

    reached: int
    leap: tuple[int, int, int] | None


@dataclass(frozen=True, slots=True)
class Pace:
    """What must be remembered of the video so far to see a hole in it."""

    nominal: int = 0  # ticks of one frame
    opening: int = 0  # the same as the first part had it
    reorder: int = 0  # greatest pts-dts of an undisturbed part
    lowest_cto: int = 0
    reached: int = -1  # dts after the last sample
    settled: int | None = None  # greatest pts that no later sample can come before
    pending: tuple[int, ...] = ()  # pts above it, sorted
    leapt_at: int | None = None  # `settled` of the newest leap told


class Frames(NamedTuple):
    """Times of one part's video: first dts, least and greatest pts, end of the last frame shown."""

    tfdt: int
    pts_min: int
    pts_max: int
    end: int


def next_part(pace: Pace, runs: Sequence[TrackRun]) -> tuple[Frames, PartNote, Pace, list[Hole]]:
    """Take in the video runs of the next part (at least one sample)."""
    durations = [duration for run in runs for duration in run.durations]
    dts = [at for run in runs for at in accumulate(run.durations[:-1], initial=run.tfdt)]
    ctos = [cto for run in runs for cto in (run.ctos or bytes(len(run.sizes)))]
    pts = list(map(add, dts, ctos))
    middle = sorted(durations)[len(durations) // 2]
    nominal = middle if not pace.nominal or (len(durations) >= 5 and middle) else pace.nominal
    limit = HOLE_FRAMES * max(nominal, pace.nominal)
    is_even = max(durations) <= limit
    pts_max = max(pts)
    last = durations[pts.index(pts_max)]
    reached = dts[-1] + durations[-1]
    # When the next sample lies beyond a hole, decode time says nothing about when this part was written.
    arrived = reached if durations[-1] <= limit else pts_max - pace.reorder + nominal
    pace = replace(
        pace,
        nominal=nominal,
        opening=pace.opening or nominal,
        reorder=max(pace.reorder, *ctos) if is_even else pace.reorder,
        lowest_cto=min(pace.lowest_cto, *ctos),
        reached=reached,
    )
    pace, holes, leap = _settle(pace, pts, limit)
    frames = Frames(dts[0], min(pts), pts_max, pts_max + (last if last <= limit else nominal))
    return frames, PartNote(arrived, leap), pace, holes


def _settle(pace: Pace, pts: list[int], limit: int) -> tuple[Pace, list[Hole], tuple[int, int, int] | None]:
    """Move `settled` on and find the holes: frames are decoded out of order, so only what no later sample
    can fill is one."""
    known = sorted([*pace.pending, *pts])
    floor = pace.reached + pace.lowest_cto  # nothing later is shown before this
    settled = [at for at in known if at <= floor]
    pending = known[len(settled) :]
    if pace.settled is not None:
        settled = [pace.settled, *(at for at in settled if at > pace.settled)]
    holes: list[Hole] = []
    leap: tuple[int, int, int] | None = None
    if len(settled) > 1 and max(map(sub, settled[1:], settled)) > limit:
        for left, right in pairwise(settled):
            if right - left > limit:
                holes.append(Hole(left + pace.nominal, right))
                if left != pace.leapt_at:
                    leap = (left + pace.nominal, right, right)
    leapt_at = pace.leapt_at
    if settled and pending and floor - settled[-1] > limit and settled[-1] != leapt_at:
        leapt_at = settled[-1]
        leap = (leapt_at + pace.nominal, max(floor, pending[0] - pace.reorder), pending[0])
    newest = settled[-1] if settled else pace.settled
    return replace(pace, settled=newest, pending=tuple(pending), leapt_at=leapt_at), holes, leap
