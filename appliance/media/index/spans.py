"""What of a stretch of time was recorded, and why the rest was not.

Owns: spans, gaps with their reasons, runs, from facts and clocks. Must not know: files, part lists, latency
(all times are wall times, us UTC), how facts came to be.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, get_args

from appliance.media.index.overlap import Windows, within
from appliance.media.index.pace import is_gap, is_join
from appliance.media.index.segment import SegmentFacts
from appliance.media.index.view import RunClock

Reason = Literal[
    "no_footage",  # nothing was recorded yet
    "recorder_restart",  # the recorder began anew while the camera sent on, or went down itself
    "source_lost",  # the camera was away, or is
    "segment_unreadable",
    "segment_missing",  # a number of the run is not there
    "discontinuity",  # frames lost inside a run, or its media time leapt
    "indexing",  # the file is there and not walked yet
]
REASONS: Final[frozenset[str]] = frozenset(get_args(Reason))
# A recorder of MediaMTX that begins anew on the same connection first waits 2 s (recorder.go, restartPause),
# and the media time of a connection begins at 0: a run that begins before this belongs to a new connection.
RESTART_PAUSE_NS: Final = 2_000_000_000
RESTART_US: Final = 10_000_000  # 2 s and the longest sane GOP
SAME_US: Final = 1_000_000  # an outage's start: MediaMTX writes up to a part more when it gives a camera up
WHY: Final = frozenset({"recorder_restart", "source_lost", "discontinuity"})
SAME_CLOCK_NS: Final = 1_000_000_000  # media time went on over the gap as real time did, to this much
# MediaMTX's own tolerance where there is no mtxi (playback/segment_fmp4.go): names are cut to whole seconds.
NAMELESS_US: Final = 1_000_000


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
    """Footage stopped at this wall time, and what was seen of why."""

    start_us: int
    reason: Reason


class RunSpan(NamedTuple):
    """One run as far as it reaches into the stretch; the size is the last one inside."""

    run_id: str
    start_us: int
    end_us: int
    codec: str
    width: int
    height: int
    segments: int


@dataclass(frozen=True, slots=True)
class Entry:
    """One segment: `facts` and `clock` None while it waits to be walked; `name_us` the time in its name."""

    name: str
    name_us: int | None
    facts: SegmentFacts | None
    clock: RunClock | None

    @property
    def start_us(self) -> int | None:
        """Wall time of the first frame, else the best guess of when the file begins."""
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
class Coverage:
    """`sizes`: the size at the begin of what is covered, then every change."""

    spans: tuple[Span, ...]
    gaps: tuple[Gap, ...]
    runs: tuple[RunSpan, ...]
    sizes: tuple[SizeChange, ...] = ()


class Piece(NamedTuple):
    """A stretch of one segment without a hole."""

    start_us: int
    end_us: int
    facts: SegmentFacts


class Stranger(NamedTuple):
    """A segment with nothing to show, and why it may have hidden video."""

    at_us: int
    reason: Reason


def coverage(
    entries: Iterable[Entry],
    start_us: int,
    end_us: int,
    *,
    is_live: bool,
    outages: Sequence[Outage] = (),
    last_ended: Reason = "source_lost",
    windows: Mapping[str, Windows] | None = None,
) -> Coverage:
    """Coverage of [start_us, end_us) by all entries that may touch it, plus one neighbour on each side.

    `is_live`: footage is arriving, so what lies after the last frame is not a gap but the future. `outages`:
    what was seen of why footage stopped, by start; elsewhere the files tell. `last_ended`: why it has now.
    `windows`: when each run is shown, where runs overlap (overlap.py).
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
    gaps = [as_told(gap, outages) for gap in gaps]
    inside = [
        span._replace(start_us=max(span.start_us, start_us), end_us=min(span.end_us, end_us))
        for span in spans
        if span.start_us < end_us and span.end_us > start_us
    ]
    return Coverage(
        tuple(inside),
        tuple(_clipped(gaps, start_us, end_us)),
        _runs(pieces, start_us, end_us),
        _sizes(known, start_us, end_us),
    )


def pieces_of(entry: Entry) -> list[Piece]:
    """The stretches of a segment between its holes, in wall time."""
    facts, clock = entry.facts, entry.clock
    if facts is None or clock is None or facts.first_ns is None or facts.end_ns is None:
        return []
    edges = [facts.first_ns, *(edge for hole in facts.holes for edge in hole), facts.end_ns]
    walls = [clock.wall_us(edge) for edge in edges]
    pairs = zip(walls[::2], walls[1::2], strict=True)
    return [Piece(left, right, facts) for left, right in pairs if left < right]


def _shown(piece: Piece, windows: Mapping[str, Windows]) -> list[Piece]:
    """What is shown of a piece where runs overlap."""
    shown = within(windows.get(piece.facts.run_id), piece.start_us, piece.end_us)
    return [piece._replace(start_us=start_us, end_us=end_us) for start_us, end_us in shown]


def gap_between(left: Piece, right: Piece, strangers: Sequence[Stranger] = ()) -> Gap | None:
    """The gap between two pieces in time order, None when they join (a normal overlap included)."""
    gap_us, one, other = right.start_us - left.end_us, left.facts, right.facts
    if one.name == other.name:
        if not is_gap(gap_us, min(one.first_frame_ns, one.frame_ns) // 1000):
            return None
    elif _joins(one, other, gap_us):
        return None
    return Gap(left.end_us, right.start_us, _reason(left, right, strangers))


def as_told(gap: Gap, outages: Sequence[Outage]) -> Gap:
    """The gap with the reason it was told with while it lasted, if it was: one outage has one reason."""
    if gap.reason not in WHY or not outages:
        return gap
    at = bisect_left(outages, (gap.start_us,))
    near = [one for one in outages[max(0, at - 1) : at + 1] if abs(one.start_us - gap.start_us) <= SAME_US]
    return gap._replace(reason=near[0].reason) if near else gap


def _stranger(entry: Entry) -> Stranger | None:
    """An empty file or sound alone is no reason of its own."""
    if entry.end_us is not None or (at_us := entry.start_us) is None:
        return None
    if entry.facts is None:
        return Stranger(at_us, "indexing")
    return Stranger(at_us, "segment_unreadable") if entry.facts.state == "unreadable" else None


def _join(pieces: Sequence[Piece], strangers: Sequence[Stranger]) -> tuple[list[Span], list[Gap]]:
    spans: list[Span] = []
    gaps: list[Gap] = []
    furthest: Piece | None = None
    for piece in pieces:
        gap = gap_between(furthest, piece, strangers) if furthest is not None else None
        if gap is not None:
            gaps.append(gap)
        same_run = furthest is not None and furthest.facts.run_id == piece.facts.run_id
        if same_run and gap is None:
            spans[-1] = spans[-1]._replace(end_us=max(spans[-1].end_us, piece.end_us))
        else:
            start_us = piece.start_us if furthest is None else max(piece.start_us, furthest.end_us)
            if start_us < piece.end_us:  # where runs overlap the first one is told
                spans.append(Span(start_us, piece.end_us, piece.facts.run_id))
        if furthest is None or piece.end_us > furthest.end_us:
            furthest = piece
    return spans, gaps


def _joins(left: SegmentFacts, right: SegmentFacts, gap_us: int) -> bool:
    if left.run_id != right.run_id and (left.number is None or right.number is None):
        return gap_us <= NAMELESS_US
    return is_join(gap_us, max(left.frame_ns, right.first_frame_ns) // 1000)


def _reason(left: Piece, right: Piece, strangers: Sequence[Stranger]) -> Reason:
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


def _why_a_new_run(left: Piece, right: Piece) -> Reason:
    """What the files alone say of why one run ended and another began."""
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


def _runs(pieces: Sequence[Piece], start_us: int, end_us: int) -> tuple[RunSpan, ...]:
    found: dict[str, RunSpan] = {}
    names: dict[str, set[str]] = {}
    for piece in pieces:
        if piece.start_us >= end_us or piece.end_us <= start_us:
            continue
        facts = piece.facts
        width, height = facts.sizes[-1][1:] if facts.sizes else (0, 0)
        since_us, until_us = max(piece.start_us, start_us), min(piece.end_us, end_us)
        old = found.get(facts.run_id, RunSpan(facts.run_id, since_us, until_us, facts.codec, 0, 0, 0))
        names.setdefault(facts.run_id, set()).add(facts.name)
        found[facts.run_id] = old._replace(
            end_us=max(old.end_us, until_us),
            width=width or old.width,
            height=height or old.height,
            segments=len(names[facts.run_id]),
        )
    return tuple(found.values())


def _sizes(entries: Sequence[Entry], start_us: int, end_us: int) -> tuple[SizeChange, ...]:
    seen = sorted(
        SizeChange(entry.clock.wall_us(size.at_ns), size.width, size.height)
        for entry in entries
        if entry.facts is not None and entry.clock is not None
        for size in entry.facts.sizes
    )
    changes = [one for number, one in enumerate(seen) if not number or one[1:] != seen[number - 1][1:]]
    before = [one for one in changes if one.at_us <= start_us][-1:]
    return tuple(
        one._replace(at_us=max(one.at_us, start_us))
        for one in before + [one for one in changes if start_us < one.at_us < end_us]
    )
