"""Which parts of a stretch of time were recorded, and why the rest was not.

Owns: spans, gaps with their reasons, runs, from facts and clocks. Must not know: files, part lists, latency
(all times are wall times, us UTC), where facts come from.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, get_args

from appliance.media.index.overlap import Windows, within
from appliance.media.index.pace import is_gap, is_join
from appliance.media.index.segment import SegmentFacts
from appliance.media.index.view import MediaClock

Reason = Literal[
    "no_footage",  # nothing was recorded yet
    "recorder_restart",  # the recorder restarted while the camera was sending, or was down itself
    "source_lost",  # the camera was disconnected, or is
    "segment_unreadable",
    "segment_missing",  # a segment number of the run is missing
    "discontinuity",  # frames lost inside a run, or its media time leapt
    "indexing",  # the file exists and is not indexed yet
]
REASONS: Final[frozenset[str]] = frozenset(get_args(Reason))
# MediaMTX's recorder, when it restarts on the same connection, first waits 2 s (recorder.go, restartPause),
# and the media time of a connection begins at 0: a run that begins before this is a new connection.
RESTART_PAUSE_NS: Final = 2_000_000_000
RESTART_US: Final = 10_000_000  # 2 s and the longest sane GOP
# tolerance for an outage's start: MediaMTX writes up to a part more when it drops a camera
SAME_US: Final = 1_000_000
WHY: Final = frozenset({"recorder_restart", "source_lost", "discontinuity"})
SAME_CLOCK_NS: Final = 1_000_000_000  # media time advanced over the gap as real time did, within this
# MediaMTX's own tolerance where there is no mtxi (playback/segment_fmp4.go): names have whole seconds.
NAMELESS_US: Final = 1_000_000


Standing = Literal["in_place", "elsewhere", "replaced"]
"""Of what a clip was cut from: shown where it was; it belongs to other moments now; not there, or not what is
shown then."""


class Span(NamedTuple):
    """Video without a gap, of one run; [start_us, end_us)."""

    start_us: int
    end_us: int
    run_id: str


class Gap(NamedTuple):
    """No video; `end_us` is None while it lasts."""

    start_us: int
    end_us: int | None
    reason: Reason


class Outage(NamedTuple):
    """Footage stopped at this wall time, with the reason that was observed."""

    start_us: int
    reason: Reason


class RunSpan(NamedTuple):
    """One run within the stretch; the size is the last one inside."""

    run_id: str
    start_us: int
    end_us: int
    codec: str
    width: int
    height: int
    segments: int


@dataclass(frozen=True, slots=True)
class SegmentEntry:
    """One segment: `facts` and `clock` None until it is indexed; `name_us` the time in its name."""

    name: str
    name_us: int | None
    facts: SegmentFacts | None
    clock: MediaClock | None

    @property
    def start_us(self) -> int | None:
        """Wall time of the first frame, else the best estimate of when the file begins."""
        if self.facts is not None and self.clock is not None and self.facts.first_ns is not None:
            return self.clock.wall_us(self.facts.first_ns)
        if self.facts is not None and self.facts.ntp_us is not None:
            return self.facts.ntp_us
        return self.name_us

    @property
    def end_us(self) -> int | None:
        """Wall time after the last frame; None without video."""
        if self.facts is None or self.clock is None or self.facts.end_ns is None:
            return None
        return self.clock.wall_us(self.facts.end_ns)


class SizeChange(NamedTuple):
    """From `at_us` on the picture has this size (MediaMTX does not begin a new segment for it)."""

    at_us: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class TimelineCoverage:
    """`sizes`: the size at the start of what is covered, then every change."""

    spans: tuple[Span, ...]
    gaps: tuple[Gap, ...]
    runs: tuple[RunSpan, ...]
    sizes: tuple[SizeChange, ...] = ()


class SegmentPiece(NamedTuple):
    """A stretch of one segment without a hole."""

    start_us: int
    end_us: int
    facts: SegmentFacts


class Stranger(NamedTuple):
    """A segment without usable video, and the reason for a gap that it may explain."""

    at_us: int
    reason: Reason


def coverage(
    entries: Iterable[SegmentEntry],
    start_us: int,
    end_us: int,
    *,
    is_live: bool,
    outages: Sequence[Outage] = (),
    last_ended: Reason = "source_lost",
    windows: Mapping[str, Windows] | None = None,
) -> TimelineCoverage:
    """Coverage of [start_us, end_us) by all entries that may touch it, plus one neighbour on each side.

    `is_live`: footage is arriving, so the time after the last frame is not a gap but the future. `outages`:
    observed reasons why footage stopped, by start; elsewhere the reason is derived from the files.
    `last_ended`: the reason of the present end. `windows`: when each run is shown, where runs overlap
    (overlap.py).
    """
    known = list(entries)
    pieces = sorted(
        (piece for entry in known for whole in pieces_of(entry) for piece in _shown(whole, windows or {})),
        key=lambda piece: piece[:2],
    )
    strangers = sorted(stranger for entry in known if (stranger := _stranger(entry)) is not None)
    spans, gaps = _join(pieces, strangers)
    if not spans:
        gaps = [Gap(start_us, None, _strongest(strangers, "no_footage"))]
    else:
        gaps.insert(0, Gap(min(start_us, spans[0].start_us), spans[0].start_us, "no_footage"))
        if not is_live:
            last = spans[-1].end_us
            later = [stranger for stranger in strangers if stranger.at_us >= last]
            gaps.append(Gap(last, None, _strongest(later, last_ended)))
    gaps = [as_published(gap, outages) for gap in gaps]
    inside = [
        span._replace(start_us=max(span.start_us, start_us), end_us=min(span.end_us, end_us))
        for span in spans
        if span.start_us < end_us and span.end_us > start_us
    ]
    return TimelineCoverage(
        tuple(inside),
        tuple(_clipped(gaps, start_us, end_us)),
        _runs(pieces, start_us, end_us),
        _sizes(known, start_us, end_us),
    )


def pieces_of(entry: SegmentEntry) -> list[SegmentPiece]:
    """The stretches of a segment between its holes, in wall time."""
    facts, clock = entry.facts, entry.clock
    if facts is None or clock is None or facts.first_ns is None or facts.end_ns is None:
        return []
    edges = [facts.first_ns, *(edge for hole in facts.holes for edge in hole), facts.end_ns]
    walls = [clock.wall_us(edge) for edge in edges]
    pairs = zip(walls[::2], walls[1::2], strict=True)
    return [SegmentPiece(left, right, facts) for left, right in pairs if left < right]


def _shown(piece: SegmentPiece, windows: Mapping[str, Windows]) -> list[SegmentPiece]:
    """The parts of a piece that are shown where runs overlap."""
    shown = within(windows.get(piece.facts.run_id), piece.start_us, piece.end_us)
    return [piece._replace(start_us=start_us, end_us=end_us) for start_us, end_us in shown]


def gap_between(left: SegmentPiece, right: SegmentPiece, strangers: Sequence[Stranger] = ()) -> Gap | None:
    """The gap between two pieces in time order, None when they join (a normal overlap included)."""
    gap_us, before, after = right.start_us - left.end_us, left.facts, right.facts
    if before.name == after.name:
        if not is_gap(gap_us, min(before.first_frame_ns, before.frame_ns) // 1000):
            return None
    elif _joins(before, after, gap_us):
        return None
    return Gap(left.end_us, right.start_us, _reason(left, right, strangers))


def as_published(gap: Gap, outages: Sequence[Outage]) -> Gap:
    """The gap with the reason that was published while it lasted, if any: one outage has one reason."""
    if gap.reason not in WHY or not outages:
        return gap
    at = bisect_left(outages, (gap.start_us,))
    near = [
        outage
        for outage in outages[max(0, at - 1) : at + 1]
        if abs(outage.start_us - gap.start_us) <= SAME_US
    ]
    return gap._replace(reason=near[0].reason) if near else gap


def _stranger(entry: SegmentEntry) -> Stranger | None:
    """An empty file, or one with sound only, is not a reason."""
    if entry.end_us is not None or (at_us := entry.start_us) is None:
        return None
    if entry.facts is None:
        return Stranger(at_us, "indexing")
    return Stranger(at_us, "segment_unreadable") if entry.facts.state == "unreadable" else None


def _join(pieces: Sequence[SegmentPiece], strangers: Sequence[Stranger]) -> tuple[list[Span], list[Gap]]:
    spans: list[Span] = []
    gaps: list[Gap] = []
    furthest: SegmentPiece | None = None
    for piece in pieces:
        gap = gap_between(furthest, piece, strangers) if furthest is not None else None
        if gap is not None:
            gaps.append(gap)
        same_run = furthest is not None and furthest.facts.run_id == piece.facts.run_id
        if same_run and gap is None:
            spans[-1] = spans[-1]._replace(end_us=max(spans[-1].end_us, piece.end_us))
        else:
            start_us = piece.start_us if furthest is None else max(piece.start_us, furthest.end_us)
            if start_us < piece.end_us:  # where runs overlap, the first one is listed
                spans.append(Span(start_us, piece.end_us, piece.facts.run_id))
        if furthest is None or piece.end_us > furthest.end_us:
            furthest = piece
    return spans, gaps


def _joins(left: SegmentFacts, right: SegmentFacts, gap_us: int) -> bool:
    if left.run_id != right.run_id and (left.number is None or right.number is None):
        return gap_us <= NAMELESS_US
    return is_join(gap_us, max(left.frame_ns, right.first_frame_ns) // 1000)


def _reason(left: SegmentPiece, right: SegmentPiece, strangers: Sequence[Stranger]) -> Reason:
    inside = [stranger for stranger in strangers if left.start_us < stranger.at_us < right.start_us]
    if inside:
        return _strongest(inside, "segment_unreadable")
    before, after = left.facts, right.facts
    if before.name == after.name:
        return "discontinuity"
    if before.reason is not None:
        return "segment_unreadable"
    if before.run_id == after.run_id:
        return "discontinuity" if _is_next(before, after) else "segment_missing"
    return _why_a_new_run(left, right)


def _why_a_new_run(left: SegmentPiece, right: SegmentPiece) -> Reason:
    """Why one run ended and another began, from the files alone."""
    before, after = left.facts, right.facts
    if before.number is None or after.number is None or before.end_ns is None or after.first_ns is None:
        return "source_lost"
    if after.number == 0 and after.base_ns < RESTART_PAUSE_NS:
        return "source_lost"
    gap_us = right.start_us - left.end_us
    goes_on = abs(after.first_ns - before.end_ns - gap_us * 1000) <= SAME_CLOCK_NS
    return "recorder_restart" if goes_on or gap_us <= RESTART_US else "source_lost"


def _is_next(before: SegmentFacts, after: SegmentFacts) -> bool:
    return before.number is not None and after.number == before.number + 1


def _strongest(strangers: Sequence[Stranger], otherwise: Reason) -> Reason:
    reasons = {stranger.reason for stranger in strangers}
    if "segment_unreadable" in reasons:
        return "segment_unreadable"
    return "indexing" if "indexing" in reasons else otherwise


def _clipped(gaps: Iterable[Gap], start_us: int, end_us: int) -> Iterable[Gap]:
    for gap in gaps:
        until_us = end_us if gap.end_us is None else min(gap.end_us, end_us)
        since_us = max(gap.start_us, start_us)
        if since_us < until_us:
            yield Gap(since_us, None if gap.end_us is None else until_us, gap.reason)


def _runs(pieces: Sequence[SegmentPiece], start_us: int, end_us: int) -> tuple[RunSpan, ...]:
    runs: dict[str, RunSpan] = {}
    names: dict[str, set[str]] = {}
    for piece in pieces:
        if piece.start_us >= end_us or piece.end_us <= start_us:
            continue
        facts = piece.facts
        width, height = facts.sizes[-1][1:] if facts.sizes else (0, 0)
        since_us, until_us = max(piece.start_us, start_us), min(piece.end_us, end_us)
        old = runs.get(facts.run_id, RunSpan(facts.run_id, since_us, until_us, facts.codec, 0, 0, 0))
        names.setdefault(facts.run_id, set()).add(facts.name)
        runs[facts.run_id] = old._replace(
            end_us=max(old.end_us, until_us),
            width=width or old.width,
            height=height or old.height,
            segments=len(names[facts.run_id]),
        )
    return tuple(runs.values())


def _sizes(entries: Sequence[SegmentEntry], start_us: int, end_us: int) -> tuple[SizeChange, ...]:
    seen = sorted(
        SizeChange(entry.clock.wall_us(size.at_ns), size.width, size.height)
        for entry in entries
        if entry.facts is not None and entry.clock is not None
        for size in entry.facts.sizes
    )
    changes = [
        change for number, change in enumerate(seen) if not number or change[1:] != seen[number - 1][1:]
    ]
    before = [change for change in changes if change.at_us <= start_us][-1:]
    return tuple(
        change._replace(at_us=max(change.at_us, start_us))
        for change in before + [change for change in changes if start_us < change.at_us < end_us]
    )
