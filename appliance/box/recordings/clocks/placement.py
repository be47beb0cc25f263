"""The place of an unobserved file in its run: from the available times, at first and when more are known.

Owns: the knots that result, and whether they replace others. Must not know: where times come from
(file_times.py, channel/corrections.py), the index.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from appliance.box.recordings.clocks.file_times import TRUST_US, FileTimes
from appliance.box.recordings.clocks.part_times import leaps_of
from appliance.box.recordings.segment_state import Segment
from appliance.media.clock.anchor import END_NS, aimed, anchored
from appliance.media.clock.claims import StartClaim
from appliance.media.clock.timeline import PPB, Knot, Run
from appliance.media.index.segment import SegmentFacts
from appliance.media.mp4.fmp4 import Mtxi

# Claims without an error differ by less, and for less no clip would be cut again.
_CORRECT_US: Final = 100_000
_HOLE_NS: Final = 50_000_000  # media time without a picture between two files; else they follow each other
OffOf = Callable[[str, int, int], int]
"""(run, wall time of a file's end by its own time, when it was written) -> by how much that time is ahead."""


@dataclass(frozen=True, slots=True)
class ImpliedTimes:
    """Times of a file except the disk's: `wall_us` of its start by its own claim, by the next file and by the
    nearest files of its run. `most_leapt_us`: as in `believed_us`; `before_end_ns`: where the file
    before it in its run ends, if known."""

    wall_us: int
    following: Mtxi | None = None
    beside: Sequence[StartClaim] = ()
    most_leapt_us: int | None = None
    before_end_ns: int | None = None


class Correction(NamedTuple):
    """A file is placed by `knots` from `first_ns` to before `end_ns` of its run from now on."""

    run_id: str
    first_ns: int
    end_ns: int
    knots: Sequence[Knot]


def implied_knots(
    segment: Segment,
    facts: SegmentFacts,
    run: Run,
    implied: ImpliedTimes,
    between: tuple[Knot | None, Knot | None],
    off_of: OffOf,
) -> list[Knot]:
    """Knots of a file by its available times, `between` those of the run before it and after it."""
    assert facts.first_ns is not None and facts.end_ns is not None
    left, knot = between
    following = implied.following
    own = StartClaim(facts.base_ns // 1000, implied.wall_us)
    times = FileTimes(own, implied.beside, following, segment.written_us, implied.most_leapt_us)
    wall_us = times.begin_us(facts.end_ns, facts.holes)
    end_us = wall_us + (facts.end_ns - facts.base_ns) // 1000
    off_us = off_of(facts.run_id, end_us, segment.written_us)
    wall_us += (facts.first_ns - facts.base_ns) // 1000 - off_us
    right = (knot.media_ns, knot.wall_us) if knot is not None else None
    is_known = run.is_observed and left is not None
    if right is None and not is_known:
        right = times.next_us(facts.run_id, (facts.number or 0) + 1, off_us)
    elif right is not None and run.is_observed and following is not None:
        # the next file shows how far the recorder's own times lag
        after = times.next_us(facts.run_id, following.number, off_us)
        lag_us = run.clock().wall_us(after[0]) - after[1] if after is not None else 0
        wall_us += lag_us if abs(lag_us) <= TRUST_US else 0
    latest_us, is_bound = times.latest_us(facts.run_id, off_us)
    return anchored(
        facts.first_ns,
        wall_us,
        left=left,
        right=right,
        leaps=leaps_of(facts, run.published_ns if is_known else None),
        last=(facts.end_ns, latest_us),
        is_bound=is_bound,
        is_known=is_known,
        begins_run=facts.number == 0,
    )


def corrected(
    run: Run,
    segment: Segment,
    facts: SegmentFacts,
    before: ImpliedTimes | None,
    now: ImpliedTimes,
    off_of: OffOf,
) -> Correction | None:
    """Place a file of an unobserved run by its times `now`, if its place is wrong; the clock of the previous
    file is adjusted to its new start.

    `before`: the times that an earlier process may have placed it by. If it is not there, that process knew
    more, and the file is not moved.
    """
    assert facts.first_ns is not None and facts.end_ns is not None
    edges = [facts.first_ns, *(edge for hole in facts.holes for edge in hole), facts.end_ns - 1]
    wanted = _placed(run, segment, facts, now, off_of)
    if not wanted.has_clock or not _differ(run, wanted, edges):
        return None
    if before is not None and _differ(run, _placed(run, segment, facts, before, off_of), edges):
        return None
    left = run.neighbours(min(facts.first_ns, now.before_end_ns or facts.first_ns))[0]
    from_ns = facts.first_ns if left is None else left.media_ns
    knots = [knot for knot in wanted.clock().knots() if from_ns <= knot.media_ns < facts.end_ns]
    run.replace(from_ns, facts.end_ns, knots)
    return Correction(run.run_id, from_ns, facts.end_ns, knots)


def _placed(run: Run, segment: Segment, facts: SegmentFacts, implied: ImpliedTimes, off_of: OffOf) -> Run:
    """The run with this file placed by its times, and the end of the previous file adjusted."""
    assert facts.first_ns is not None and facts.end_ns is not None
    others = [knot for knot in run.clock().knots() if not facts.first_ns <= knot.media_ns < facts.end_ns]
    placed = Run(run.run_id, others)
    left, right = placed.neighbours(facts.first_ns)
    if left is not None:
        left = _tail(placed, left, facts.first_ns, implied.before_end_ns)
        placed.replace(left.media_ns, facts.first_ns, [left])
    knots = placed.anchor(implied_knots(segment, facts, run, implied, (left, right), off_of))
    if left is not None and knots:
        placed.replace(left.media_ns, facts.first_ns, [aimed(left, (knots[0].media_ns, knots[0].wall_us))])
    return placed


def _tail(placed: Run, left: Knot, first_ns: int, before_end_ns: int | None) -> Knot:
    """The last knot before a file, before its rate is set so that it leads to that file's start. After a leap
    of media time between the two files it is a knot at the end of the previous one."""
    if before_end_ns is None or first_ns - before_end_ns <= _HOLE_NS:
        return left._replace(rate_ppb=PPB)
    over_ns = before_end_ns - END_NS
    shown, _ = placed.neighbours(over_ns)
    return left if shown is None else Knot(over_ns, shown.wall_at(over_ns), 1)


def _differ(first: Run, second: Run, at_ns: Sequence[int]) -> bool:
    """Whether two clocks of a run differ at any of these media times."""
    if not second.has_clock:
        return True
    left, right = first.clock(), second.clock()
    return any(abs(left.wall_us(at) - right.wall_us(at)) > _CORRECT_US for at in at_ns)
