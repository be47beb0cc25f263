"""The pace of a segment's video: frame length, reordering, and the holes in media time.

Owns: detecting, part by part, where more than two frames are missing. Must not know: files, boxes, wall time.
All times are video ticks. Frames are decoded out of order, so a hole is certain only once no later sample can
be shown inside it; MediaMTX spreads a leap of pts over the durations of several samples (measured: +3 s over
three samples and three parts), so durations alone do not show where it is.

A long interval between two frames is either a loss or a camera that has lowered its frame rate (30 to 6 fps
in low light). It is the source's own pace when it is no longer than three of the usual frames before it, or
when it is one of three intervals in a row that are all at least a third of it. So an interval may have to be
judged by the two frames after it; until then nothing beyond it is published (`held`), because published times
never change.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate, pairwise
from operator import add, sub
from typing import Final, NamedTuple

from appliance.media.mp4.moof import TrackRun

HOLE_FRAMES: Final = 3  # an interval longer than this many frames is a hole
_MOST_REORDER: Final = 17  # frames: the most that H.264 and HEVC allow, plus one
_USUAL_OF: Final = 5  # the usual frame is the median of so many
# Wall time that remains of a hole that a leap of the source's clock made in media time: jitter, less than
# this.
_SQUEEZED_US: Final = 40_000


class Hole(NamedTuple):
    """No frame is shown between `before` (end of the last one) and `after` (pts of the next), in ticks."""

    before: int
    after: int


class PartNote(NamedTuple):
    """What only the clock of the run needs of a part, in video ticks.

    `reached`: media time in decode order when the part was written, -1 without video. `leap`: a hole, or what
    may prove to be one, first seen with this part, (`before`, `floor`, `after`): no sample still to come is
    shown before `floor`, the first known one is shown at `after`.
    """

    reached: int
    leap: tuple[int, int, int] | None


class FramePace(NamedTuple):
    """The state that is needed to detect a hole in the video."""

    nominal: int = 0  # ticks of one frame
    opening: int = 0  # the same at the first part
    recent: tuple[int, ...] = ()  # the newest intervals between frames that are no holes
    reorder: int = 0  # greatest pts-dts of an undisturbed part
    lowest_cto: int = 0
    reached: int = -1  # dts after the last sample
    settled: tuple[int, ...] = ()  # the last pts that no later sample can come before, rising
    judged: int = 0  # how many of the intervals between them have been judged
    pending: tuple[int, ...] = ()  # pts above them, sorted
    leapt_at: int | None = None  # the frame before the newest leap reported

    @property
    def held(self) -> int | None:
        """End of the last frame before an interval that is not judged yet; None: all are."""
        if self.judged < len(self.settled) - 1:
            return self.settled[self.judged] + self.nominal
        return None

    @property
    def certain_end(self) -> int | None:
        """End of the last frame before an interval that may be a hole, or may still be filled; None: there is
        none."""
        known = (*self.settled, *self.pending)
        for at in range(self.judged, len(known) - 1):
            if not is_pace(known[: at + 1], known[at + 1] - known[at], self.nominal):
                return known[at] + self.nominal
        return None

    @property
    def floor(self) -> int:
        """No later sample is shown before this."""
        return self.reached + self.lowest_cto


class Frames(NamedTuple):
    """Times of one part's video: first dts, least and greatest pts, end of the last frame shown."""

    tfdt: int
    pts_min: int
    pts_max: int
    end: int


def next_part(pace: FramePace, runs: Sequence[TrackRun]) -> tuple[Frames, PartNote, FramePace, list[Hole]]:
    """Process the video runs of the next part (at least one sample)."""
    durations, ctos, dts = _joined(runs)
    reached = dts.pop()
    pts = list(map(add, dts, ctos)) if ctos else dts
    if not pace.nominal:
        middle = sorted(durations)[len(durations) // 2]
        pace = pace._replace(nominal=middle, opening=middle, recent=(middle,) if middle else ())
    before, is_known = pace.nominal, bool(pace.settled)
    pts_min, pts_max = min(pts), max(pts)
    last = durations[pts.index(pts_max)]
    lowest_cto, reorder = (min(pace.lowest_cto, *ctos), max(ctos)) if ctos else (pace.lowest_cto, 0)
    pace, holes, leap = _settle(pace, pts, reached, lowest_cto)
    usual = max(before, pace.nominal)
    if reorder > pace.reorder and max(durations) <= HOLE_FRAMES * usual:
        # a frame decoded ahead, beyond a leap, does not show how far frames are reordered
        most = pace.reorder + HOLE_FRAMES * usual if is_known else _MOST_REORDER * usual
        pace = pace._replace(reorder=max([pace.reorder, *(cto for cto in ctos or () if cto <= most)]))
    # When the next sample is beyond a hole, decode time does not show when this part was written.
    is_usual = is_pace(pace.settled, durations[-1], usual)
    arrived = reached if is_usual else pts_max - pace.reorder + pace.nominal
    length = last if is_pace(pace.settled, last, usual) else pace.nominal
    return Frames(dts[0], pts_min, pts_max, pts_max + length), PartNote(arrived, leap), pace, holes


def _joined(runs: Sequence[TrackRun]) -> tuple[Sequence[int], Sequence[int] | None, list[int]]:
    """Durations, composition offsets (None: all 0), and decode times with one more after the last."""
    if len(runs) == 1:
        run = runs[0]
        return run.durations, run.ctos, list(accumulate(run.durations, initial=run.tfdt))
    durations = [duration for run in runs for duration in run.durations]
    ctos = [cto for run in runs for cto in (run.ctos or bytes(len(run.sizes)))]
    dts = [at for run in runs for at in accumulate(run.durations[:-1], initial=run.tfdt)]
    return durations, ctos, [*dts, dts[-1] + durations[-1]]


def last_holes(pace: FramePace) -> list[Hole]:
    """The holes among the intervals not judged yet, once no more frames can arrive."""
    return _judge(pace, final=True)[1]


def is_join(gap: int, frame: int) -> bool:
    """Whether nothing is missing between two segments, `gap` from the end of a frame to the next one.

    Any unit. One frame less than an interval from frame to frame; half a frame more for times truncated to
    ticks.
    """
    return gap <= (2 * HOLE_FRAMES - 1) * frame // 2


def is_gap(wall_us: int, frame_us: int) -> bool:
    """Whether a hole is `wall_us` of wall time without pictures, or one in media time only."""
    return wall_us > min(_SQUEEZED_US, 2 * frame_us)


def is_pace(pts: Sequence[int], wait: int, usual: int) -> bool:
    """Whether an interval after the last of these frames is as long as usual, or as the two before it
    were."""
    if wait <= HOLE_FRAMES * usual:
        return True
    return len(pts) > 2 and wait <= HOLE_FRAMES * min(pts[-1] - pts[-2], pts[-2] - pts[-3])


def median_wait(waits: Sequence[int], otherwise: int) -> int:
    """The median of the newest of these intervals."""
    recent = [wait for wait in waits[-_USUAL_OF:] if wait]
    return _median(recent) if recent else otherwise


def _settle(
    pace: FramePace, pts: list[int], reached: int, lowest_cto: int
) -> tuple[FramePace, list[Hole], tuple[int, int, int] | None]:
    """Advance `settled` and find the holes: frames are decoded out of order, so only an interval that no
    later sample can fill is one."""
    known = sorted([*pace.pending, *pts])
    nominal, opening, recent, reorder, _, _, settled, judged, _, leapt_at = pace
    end = bisect_right(known, reached + lowest_cto)
    start = bisect_right(known, settled[-1]) if settled else 0
    fresh, pending = tuple(known[start:end]), tuple(known[end:])
    if recent and judged == len(settled) - 1 and start <= end:
        line = (*settled[-1:], *known[start:])
        waits = list(map(sub, line[1:], line))
        if waits and max(waits) <= HOLE_FRAMES * min(*waits, *recent):  # as nearly always
            if fresh:
                settled = (*settled, *fresh)[-3:]
                recent = (*recent, *waits[: len(fresh)])[-_USUAL_OF:]
                nominal, judged = _median(recent), len(settled) - 1
            even = FramePace(
                nominal, opening, recent, reorder, lowest_cto, reached, settled, judged, pending, leapt_at
            )
            return even, [], None
    settled = (*settled, *fresh)
    pace = FramePace(
        nominal, opening, recent, reorder, lowest_cto, reached, settled, judged, pending, leapt_at
    )
    pace, holes, suspects = _judge(pace, final=False)
    leap: tuple[int, int, int] | None = None
    for left, right in suspects:
        if leapt_at is None or left > leapt_at:
            leapt_at, leap = left, (left + pace.nominal, right, right)
    if pace.settled and pending and (leapt_at is None or pace.settled[-1] > leapt_at):
        last = pace.settled[-1]
        if not is_pace(pace.settled, pace.floor - last, pace.nominal):
            leapt_at = last
            leap = (last + pace.nominal, max(pace.floor, pending[0] - pace.reorder), pending[0])
    if leap is None and pace.settled and pending:
        leapt_at, leap = _ahead(pace, (pace.settled[-1], *pending))
    return pace if leapt_at == pace.leapt_at else pace._replace(leapt_at=leapt_at), holes, leap


def _ahead(pace: FramePace, known: Sequence[int]) -> tuple[int | None, tuple[int, int, int] | None]:
    """A leap that is visible from a frame decoded ahead of those shown before it.

    Some of those may still arrive, on both sides of the leap; the interval between contains no frame.
    """
    for left, right in pairwise(known):
        is_new = pace.leapt_at is None or left > pace.leapt_at
        if is_new and right - left > HOLE_FRAMES * pace.nominal + 2 * pace.reorder:
            return left, (left + pace.reorder + pace.nominal, right - pace.reorder, right)
    return pace.leapt_at, None


def _judge(pace: FramePace, *, final: bool) -> tuple[FramePace, list[Hole], list[tuple[int, int]]]:
    """Judge the intervals between settled frames in their order, as far as possible.

    Returns the holes, and all that may be one: (frame before, frame after). `final`: no more frames arrive.
    """
    pts = pace.settled
    waits = list(map(sub, pts[1:], pts))
    new = waits[pace.judged :]
    holes: list[Hole] = []
    suspects: list[tuple[int, int]] = []
    at, recent, nominal = pace.judged, pace.recent, pace.nominal
    if new and (not recent or max(new) <= HOLE_FRAMES * min(*new, *recent)):  # as nearly always
        at, recent = len(waits), (*recent, *new)[-_USUAL_OF:]
    while at < len(waits):
        wait = waits[at]
        if wait > HOLE_FRAMES * nominal:
            verdict = _verdict(waits, at, _next_wait(pace), final=final)
            if verdict is not True:
                suspects.append((pts[at], pts[at + 1]))
            if verdict is None:
                break
            if not verdict:
                holes.append(Hole(pts[at] + nominal, pts[at + 1]))
                at += 1
                continue
        recent = (*recent, wait)[-_USUAL_OF:]
        nominal = _median(recent)
        at += 1
    if at < len(waits):
        suspects += [pair for pair in pairwise(pts[at + 1 :]) if pair[1] - pair[0] > HOLE_FRAMES * nominal]
    first = max(0, at - 2)
    nominal = _median(recent) if recent else nominal
    _, opening, _, reorder, lowest_cto, reached, _, _, pending, leapt_at = pace
    settled, judged = pts[first:], at - first
    after = FramePace(
        nominal, opening, recent, reorder, lowest_cto, reached, settled, judged, pending, leapt_at
    )
    return after, holes, suspects


def _median(values: Sequence[int]) -> int:
    return sorted(values)[len(values) // 2]


def _next_wait(pace: FramePace) -> tuple[int, int | None]:
    """The interval after the last settled frame: its minimum, and its maximum where a frame beyond is
    known."""
    last = pace.settled[-1]
    return pace.floor - last, pace.pending[0] - last if pace.pending else None


def _verdict(waits: Sequence[int], at: int, after: tuple[int, int | None], *, final: bool) -> bool | None:
    """Whether a long interval is the source's own pace; None: not known yet. `after` as from _next_wait."""
    need = -(-waits[at] // HOLE_FRAMES)
    before = [wait >= need for wait in waits[max(0, at - 2) : at][::-1]]
    if before == [True, True]:
        return True
    follow: list[bool | None] = [wait >= need for wait in waits[at + 1 : at + 3]]
    if len(follow) < 2:
        least, most = after
        follow.append(True if least >= need else False if most is not None and most < need else None)
    if follow[0] is not True:
        return False if final else follow[0]
    if before[:1] == [True]:
        return True
    if len(follow) > 1 and follow[1] is not None:
        return follow[1]
    return True if final else None
