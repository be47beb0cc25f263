"""One channel's recordings in memory: segments, runs with their clocks, and what can be said of them.

Owns: the state of a channel's index and every question asked of it. Touched on the trio thread alone, never
waits, never reads a file. Must not know: threads, directories, who asks.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import Final

from appliance.media.anchor import anchored
from appliance.media.fmp4 import Mtxi
from appliance.media.index import Growth, SegmentIndex, ticks_to_ns
from appliance.media.names import name_time_us
from appliance.media.pace import HOLE_FRAMES, PartNote
from appliance.media.segment import SegmentFacts, closed, facts_of
from appliance.media.spans import Coverage, Entry, Piece, coverage, pieces_of
from appliance.media.table import ChannelLog
from appliance.media.timeline import PPB, Arrival, Knot, Leap, Run, RunClock
from appliance.media.view import Part

# An arrival this far from what the file itself says of its time is a copy, not a recording. MediaMTX's own
# estimate lags up to 5 s (facts/mediamtx.md 1.6).
TRUST_US: Final = 10_000_000
_DAY_US: Final = 86_400_000_000  # MediaMTX records no longer segments
_KEEP_RUNS_OF: Final = 2  # segments, of those in memory, that keep the sample tables of their last parts
_NEIGHBOURS: Final = 20
KEEP_PARTS_US: Final = 15 * 60 * 1_000_000  # part lists of this much footage stay in memory


@dataclass(slots=True, eq=False)
class Segment:
    """One file. `facts` None: not walked yet. `index` None: the part list is not in memory.

    `until_ns`: no frame still to come is shown before this media time of the run. `is_published`: its frames
    have been given times, in this life or an earlier one, that must not change. `is_suspect`: a power cut may
    have left it its length without its bytes.
    """

    name: str
    name_us: int | None
    bytes: int
    written_us: int  # box time of the file's last change
    facts: SegmentFacts | None = None
    index: SegmentIndex | None = None
    until_ns: int | None = None
    is_open: bool = False
    is_published: bool = False
    is_suspect: bool = False


@dataclass(frozen=True, slots=True)
class Seen:
    """When growth was seen: `written_us` box time of its last part (None: long ago, or unknown).

    `clock_gap_us` is box time minus the machine's wall clock, in which MediaMTX writes its times.
    """

    written_us: int | None
    clock_gap_us: int = 0


class Channel:
    """See the module."""

    def __init__(self, channel_id: str, zone: tzinfo) -> None:
        self.id = channel_id
        self._zone = zone
        self.segments: dict[str, Segment] = {}
        self.runs: dict[str, Run] = {}
        self._order: list[tuple[int, str]] = []  # (start, name) of segments whose start is known
        self._start_of: dict[str, int] = {}
        self._longest_us = 0
        self._waiting: set[str] = set()
        self._published: set[str] = set()  # names of an earlier life
        self._is_live: dict[str, bool] = {}  # by run: whether its parts are seen when they are written
        self._began_us: dict[str, int] = {}  # by run: first frame known
        self.video_until_us: int | None = None

    # -- what is on the disk -----------------------------------------------------------------------------

    def restore(self, log: ChannelLog) -> None:
        """Take the clocks of an earlier life; its facts are taken by `discover`, file by file."""
        self.runs = {run_id: Run(run_id, knots) for run_id, knots in log.knots.items()}
        self._published = set(log.published)

    def discover(self, name: str, size: int, written_us: int, remembered: SegmentFacts | None) -> Segment:
        """A file was found; `remembered` counts when the file is still what it was."""
        segment = Segment(name, name_time_us(name, self._zone), size, written_us)
        old = self.segments.get(name)
        segment.is_published = name in self._published or (old is not None and old.is_published)
        self.segments[name] = segment
        if remembered is not None and remembered.bytes == size and remembered.state != "growing":
            segment.facts = remembered
            if remembered.first_ns is None or self.run_of(segment) is not None:
                self._settled(segment)
            else:
                segment.facts = None  # its clock is lost: anchor it again
        if segment.facts is None:
            self._waiting.add(name)
            self._place(segment)
        return segment

    def forget(self, name: str) -> None:
        """The file is gone."""
        segment = self.segments.pop(name, None)
        if segment is None:
            return
        self._unplace(name)
        self._waiting.discard(name)
        run_id = segment.facts.run_id if segment.facts is not None else None
        if run_id is not None and not any(
            one.facts is not None and one.facts.run_id == run_id for one in self.segments.values()
        ):
            for known in (self.runs, self._is_live, self._began_us):
                known.pop(run_id, None)
        ends = (self._until_us(self.segments[each]) for _, each in reversed(self._order))  # the first will do
        self.video_until_us = next((end_us for end_us in ends if end_us is not None), None)

    def opened(self, segment: Segment) -> None:
        """The file is followed from now on."""
        segment.is_open = True
        segment.index = SegmentIndex(segment.name)
        self._waiting.discard(segment.name)

    # -- growth ------------------------------------------------------------------------------------------

    def grow(self, segment: Segment, growth: Growth, seen: Seen) -> list[Knot]:
        """Take in what a scan of an open segment found; returns the knots made, for the log."""
        index = segment.index
        assert index is not None
        index.apply(growth)
        made: list[Knot] = []
        video = [(p, n) for p, n in zip(growth.parts, growth.notes, strict=True) if p.video_tfdt >= 0]
        if video:
            made = self._observe(segment, index, video, seen)
            reached = video[-1][1].reached + index.cursor.pace.lowest_cto
            segment.until_ns = index.run_ns(reached)
        segment.facts = facts_of(index)
        self._settled(segment)
        return made

    def close(self, segment: Segment) -> None:
        """Nothing more will be added to the file."""
        segment.is_open = False
        if segment.index is not None:
            segment.index.is_closed = True
        for older in self.newest_first()[_KEEP_RUNS_OF:]:
            if older.index is not None:
                older.index.recent.clear()
        if segment.facts is not None:
            segment.facts = closed(segment.facts)
            segment.until_ns = segment.facts.end_ns
            self._settled(segment)

    def walked(self, segment: Segment, index: SegmentIndex, following: Mtxi | None) -> list[Knot]:
        """Take in an old segment walked whole. `following`: what the next file says of its own start."""
        segment.index = index
        index.is_closed = True
        index.recent.clear()
        segment.facts = facts = facts_of(index)
        segment.bytes = facts.bytes
        segment.until_ns = facts.end_ns
        made: list[Knot] = []
        wall_us = facts.ntp_us if facts.ntp_us is not None else segment.name_us
        if facts.first_ns is not None:
            wall_us = wall_us if wall_us is not None else segment.written_us
            made = self._anchor(segment, facts, wall_us, following)
        self._settled(segment)
        return made

    def _observe(
        self, segment: Segment, index: SegmentIndex, video: Sequence[tuple[Part, PartNote]], seen: Seen
    ) -> list[Knot]:
        run = self.runs.setdefault(index.run_id, Run(index.run_id))
        arrivals = [_arrival(index, part, note) for part, note in video]
        arrivals[-1] = arrivals[-1]._replace(written_us=seen.written_us)
        made: list[Knot] = []
        if not run.has_clock:
            made += run.anchor([self._begin(segment, index, arrivals[0], arrivals[-1], seen)])
        limit_ns = HOLE_FRAMES * ticks_to_ns(index.cursor.pace.nominal, index.timescale)
        for arrival in arrivals:
            if not self._trusts(run, arrival):
                arrival = arrival._replace(written_us=None)
            shown_ns = run.published_ns
            if arrival.leap is None and shown_ns is not None and arrival.start_ns - shown_ns > limit_ns:
                arrival = arrival._replace(leap=Leap(shown_ns, arrival.start_ns))
            made += run.observe(arrival)
        return made

    def _trusts(self, run: Run, arrival: Arrival) -> bool:
        """Whether arrivals of the run are recordings; the first one tells (a copy is hours too late)."""
        if arrival.written_us is None:
            return False
        if run.run_id not in self._is_live:
            off_us = run.clock().wall_us(arrival.end_ns) - arrival.written_us
            self._is_live[run.run_id] = abs(off_us) <= TRUST_US
        return self._is_live[run.run_id]

    def _begin(
        self, segment: Segment, index: SegmentIndex, first: Arrival, last: Arrival, seen: Seen
    ) -> Knot:
        """The first knot of a run: by its arrival if somebody saw it, else by what the file says."""
        mtxi = index.init.mtxi if index.init is not None else None
        told_us = mtxi.ntp_ns // 1000 if mtxi is not None else segment.name_us
        if told_us is not None:
            told_us += (first.start_ns - index.base_ns) // 1000 + seen.clock_gap_us
        if last.written_us is not None:
            seen_us = last.written_us - (last.end_ns - first.start_ns) // 1000
            if told_us is None or abs(seen_us - told_us) <= TRUST_US:
                return Knot(first.start_ns, seen_us, PPB)
        if told_us is None:
            told_us = segment.written_us - (last.shown_ns - first.start_ns) // 1000
        return Knot(first.start_ns, told_us, PPB)

    def _anchor(
        self, segment: Segment, facts: SegmentFacts, wall_us: int, following: Mtxi | None
    ) -> list[Knot]:
        assert facts.first_ns is not None and facts.end_ns is not None
        run = self.runs.setdefault(facts.run_id, Run(facts.run_id))
        if segment.is_published and run.has_clock:
            return []
        segment.is_published = True
        # at the first frame, not at the segment's start: the one before may still be shown there
        left, knot = run.neighbours(facts.first_ns)
        right = (knot.media_ns, knot.wall_us) if knot is not None else None
        latest_us = segment.written_us
        if following is not None and following.stream_id.hex() != facts.run_id:
            latest_us = min(latest_us, following.ntp_ns // 1000)  # one recorder writes one run at a time
        elif following is not None and right is None and following.number == (facts.number or 0) + 1:
            right = (following.dts_ns, following.ntp_ns // 1000)
        knots = anchored(
            facts.first_ns,
            wall_us + (facts.first_ns - facts.base_ns) // 1000,
            left=left,
            right=right,
            leaps=[Leap(before, after) for before, after in facts.holes],
            last=(facts.end_ns, latest_us),
        )
        return run.anchor(knots)

    # -- order -------------------------------------------------------------------------------------------

    def _settled(self, segment: Segment) -> None:
        """Facts have changed: put the segment in its place and move the edges."""
        self._place(segment)
        self._waiting.discard(segment.name)
        run, facts = self.run_of(segment), segment.facts
        if run is None or facts is None or facts.first_ns is None or facts.end_ns is None:
            return
        clock = run.clock()
        until_us = clock.wall_us(facts.end_ns if segment.until_ns is None else segment.until_ns)
        if self.video_until_us is None or until_us > self.video_until_us:
            self.video_until_us = until_us
        first_us = clock.wall_us(facts.first_ns)
        self._began_us[facts.run_id] = min(first_us, self._began_us.get(facts.run_id, first_us))
        self._longest_us = max(self._longest_us, clock.wall_us(facts.end_ns) - first_us)

    def _until_us(self, segment: Segment) -> int | None:
        clock, facts = self.clock_of(segment), segment.facts
        if clock is None or facts is None or facts.end_ns is None:
            return None
        return clock.wall_us(facts.end_ns if segment.until_ns is None else segment.until_ns)

    def _place(self, segment: Segment) -> None:
        start_us = self.entry(segment).start_us
        if start_us is None:
            start_us = segment.written_us
        if self._start_of.get(segment.name) != start_us:
            self._unplace(segment.name)
            insort(self._order, (start_us, segment.name))
            self._start_of[segment.name] = start_us

    def _unplace(self, name: str) -> None:
        start_us = self._start_of.pop(name, None)
        if start_us is not None:
            del self._order[bisect_left(self._order, (start_us, name))]

    # -- questions ---------------------------------------------------------------------------------------

    def run_of(self, segment: Segment) -> Run | None:
        """The run of a walked segment, once it has a clock."""
        run = self.runs.get(segment.facts.run_id) if segment.facts is not None else None
        return run if run is not None and run.has_clock else None

    def clock_of(self, segment: Segment) -> RunClock | None:
        run = self.run_of(segment)
        return run.clock() if run is not None else None

    def entry(self, segment: Segment) -> Entry:
        return Entry(segment.name, segment.name_us, segment.facts, self.clock_of(segment))

    def newest_first(self) -> list[Segment]:
        return [self.segments[name] for _, name in reversed(self._order)]

    def waiting(self) -> list[Segment]:
        """Segments nobody has walked yet, newest first."""
        names = sorted(self._waiting, key=lambda name: self._start_of[name], reverse=True)
        return [self.segments[name] for name in names]

    def unwalked(self) -> int:
        """Segments of which nothing is known yet: those waiting, and open ones before their first look."""
        return sum(segment.facts is None for segment in self.segments.values())

    def run_begun_after(self, instant_us: int) -> bool:
        return any(began_us > instant_us for began_us in self._began_us.values())

    def newest_run(self) -> Run | None:
        """The run that began last."""
        if not self._began_us:
            return None
        return self.runs.get(max(self._began_us, key=self._began_us.__getitem__))

    def touching(self, start_us: int, end_us: int) -> list[Segment]:
        """Segments that may hold frames of [start_us, end_us) of wall time, and neighbours with video."""
        right = bisect_left(self._order, (end_us, ""))
        longest_us = _DAY_US if self._waiting else self._longest_us
        left = bisect_left(self._order, (start_us - longest_us, ""))
        while left < right and not self._reaches(self._order[left][1], start_us):
            left += 1
        for _ in range(_NEIGHBOURS):  # past empty and broken files to one with video
            left = max(0, left - 1)
            if left == 0 or self._shows(self._order[left][1]):
                break
        return [self.segments[name] for _, name in self._order[left : right + 1]]

    def _shows(self, name: str) -> bool:
        facts = self.segments[name].facts
        return facts is not None and facts.first_ns is not None

    def _reaches(self, name: str, start_us: int) -> bool:
        """Whether a segment has frames after `start_us`, or might: nobody has looked yet."""
        segment = self.segments[name]
        end_us = self.entry(segment).end_us
        return end_us > start_us if end_us is not None else segment.facts is None

    def coverage(self, start_us: int, end_us: int, *, is_live: bool) -> Coverage:
        """Spans, gaps and runs of [start_us, end_us) of wall time."""
        return coverage(map(self.entry, self.touching(start_us, end_us)), start_us, end_us, is_live=is_live)

    def pieces(self, segment: Segment) -> list[Piece]:
        return pieces_of(self.entry(segment))

    def last_piece_before(self, segment: Segment) -> Piece | None:
        """The newest stretch of video of any other segment that began before this one."""
        at = bisect_left(self._order, (self._start_of[segment.name], segment.name))
        for _, name in reversed(self._order[:at]):
            if self.segments[name].facts is None:
                return None  # what lies there is not known yet
            if pieces := self.pieces(self.segments[name]):
                return pieces[-1]
        return None

    def name_after(self, segment: Segment) -> str | None:
        """The segment that begins next."""
        at = bisect_left(self._order, (self._start_of[segment.name], segment.name)) + 1
        return self._order[at][1] if at < len(self._order) else None

    def shown_from_us(self, segment: Segment) -> int | None:
        """Wall time of a segment's first frame; None while it has none with a clock."""
        entry = self.entry(segment)
        return entry.start_us if entry.end_us is not None else None

    def ntp_lag_ms(self) -> float | None:
        """How far the newest segment's mtxi lies behind what was seen arriving; None: nothing to compare."""
        for segment in self.newest_first()[:4]:
            clock, facts = self.clock_of(segment), segment.facts
            if clock is not None and facts is not None and facts.ntp_us is not None and self.is_live(segment):
                return (clock.wall_us(facts.base_ns) - facts.ntp_us) / 1000
        return None

    def is_live(self, segment: Segment) -> bool:
        """Whether the segment's parts are seen as they are written."""
        return segment.facts is not None and self._is_live.get(segment.facts.run_id, False)

    def newest_end_us(self) -> int | None:
        """Wall time after the newest frame; of B-frames some before it may still come."""
        ends = (self.entry(segment).end_us for segment in self.newest_first())
        return next((end_us for end_us in ends if end_us is not None), None)

    def idle_indexes(self) -> Iterable[Segment]:
        """Closed segments whose part list is in memory although they are older than KEEP_PARTS_US."""
        for segment in self.segments.values():
            if segment.index is None or segment.is_open or self.video_until_us is None:
                continue
            end_us = self.entry(segment).end_us
            if end_us is None or end_us < self.video_until_us - KEEP_PARTS_US:
                yield segment


def _arrival(index: SegmentIndex, part: Part, note: PartNote) -> Arrival:
    leap = Leap(*map(index.run_ns, note.leap)) if note.leap is not None else None
    start_ns, end_ns = index.run_ns(part.video_pts_min), index.run_ns(note.reached)
    return Arrival(start_ns, end_ns, index.run_ns(part.video_end), None, leap)
