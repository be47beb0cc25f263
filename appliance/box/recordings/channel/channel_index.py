"""One channel's recordings in memory: segments in their order, and all queries about them.

Owns: the state of a channel's index and every query. Used on the trio thread only, never waits, never reads a
file. Must not know: threads, directories, callers.
"""

from __future__ import annotations

from datetime import tzinfo
from typing import Final

from appliance.box.recordings.channel.corrections import Corrections
from appliance.box.recordings.channel.duplicates import Copies
from appliance.box.recordings.channel.local_names import guess_us, own_start_us
from appliance.box.recordings.channel.neighbours import know_end_before, with_begin
from appliance.box.recordings.channel.overlaps import windows
from appliance.box.recordings.channel.run_changes import run_changes
from appliance.box.recordings.channel.segment_order import Order
from appliance.box.recordings.clocks.part_times import video_of
from appliance.box.recordings.clocks.run_clocks import Clocks
from appliance.box.recordings.segment_state import GrowthTimes, Segment
from appliance.kernel.clock import DAY_US
from appliance.media.clock.names import name_times_us
from appliance.media.clock.timeline import Knot, Run, RunClock
from appliance.media.index import spans
from appliance.media.index.index import Growth, SegmentIndex
from appliance.media.index.segment import SegmentFacts, closed, facts_of, goes_on
from appliance.media.index.spans import Outage, Reason, SegmentEntry, SegmentPiece, coverage, pieces_of
from appliance.media.index.table import ChannelLog
from appliance.media.mp4.fmp4 import Mtxi

_KEEP_RUNS_OF: Final = 2  # segments in memory that keep the sample tables of their last parts
KEEP_PARTS_US: Final = 15 * 60 * 1_000_000  # part lists of this much footage stay in memory


class ChannelIndex:
    """See the module."""

    def __init__(self, channel_id: str, zone: tzinfo) -> None:
        self.id = channel_id
        self._zone = zone
        self.segments: dict[str, Segment] = {}
        self.clocks = Clocks()
        self.order = Order()
        self.longest_us = 0  # of the segments whose clock is known
        self._waiting: set[str] = set()
        self._deferring: dict[str, Segment] = {}  # segments with growth that is not applied yet
        self.published_before: set[str] = set()  # names published by an earlier process
        self._began_us: dict[str, int] = {}  # by run: first frame known
        self.copies = Copies()
        self.corrections = Corrections()
        self.video_until_us: int | None = None
        self.outages: list[Outage] = []  # published while they lasted, by start
        self.arrived_us: dict[str, int] = {}  # by run: box time when this process saw its first part
        self.written_us: dict[str, int] = {}  # by run of an earlier process: last write to a file of it

    # -- files on the disk -------------------------------------------------------------------------------

    def restore(self, log: ChannelLog) -> None:
        """Load the clocks stored by an earlier process; its facts are loaded by `discover`, file by file."""
        self.clocks.restore(log.knots, log.off_us, log.observed)
        self.published_before = set(log.published)
        self.outages = sorted(log.outages)

    def discover(
        self,
        name: str,
        size: int,
        written_us: int,
        remembered: SegmentFacts | None,
        *,
        has_changed: bool = False,
    ) -> Segment:
        """A file was found; `remembered` is used if the file is still what it was. `has_changed`: it was
        written to since, or replaced by another file."""
        times_us = name_times_us(name, self._zone)
        segment = Segment(name, guess_us(times_us, written_us), size, written_us, times_us)
        old = self.segments.get(name)
        segment.before = remembered if old is None else old.facts or old.before
        remembered = None if has_changed else remembered
        if old is not None:
            self.copies.forget(old)
            self._deferring.pop(name, None)
        segment.is_published = name in self.published_before or (old is not None and old.is_published)
        self.segments[name] = segment
        if remembered is not None and remembered.bytes == size and remembered.state != "growing":
            segment.facts = remembered
            if remembered.first_ns is None or self.clocks.of(segment) is not None:
                self._settled(segment)
            else:
                segment.facts = None  # its clock is lost: anchor it again
        if segment.facts is None:
            self._waiting.add(name)
            self._place(segment)
        return segment

    def forget(self, name: str) -> None:
        """Remove a deleted file."""
        segment = self.segments.pop(name, None)
        if segment is None:
            return
        self.order.drop(name)
        self._waiting.discard(name)
        self._deferring.pop(name, None)
        self.published_before.discard(name)
        self.copies.forget(segment)
        if segment.facts is not None:
            self._forget_run(segment.facts.run_id)
        self.video_until_us = self._newest_until_us()

    def _forget_run(self, run_id: str) -> None:
        """Forget the clock of a run, unless it has other files."""
        if any(each.facts is not None and each.facts.run_id == run_id for each in self.segments.values()):
            return
        self.clocks.forget(run_id)
        for by_run in (self._began_us, self.arrived_us, self.written_us):
            by_run.pop(run_id, None)

    def _compare(self, segment: Segment, facts: SegmentFacts) -> None:
        """Forget the facts of this file name, if they belong to another recording."""
        before, segment.before = segment.before, None
        if before is None or goes_on(before, facts):
            return
        segment.is_published, segment.was_replaced = False, True
        self.published_before.discard(segment.name)
        self._forget_run(before.run_id)

    def opened(self, segment: Segment) -> None:
        """The file is followed from now on."""
        segment.is_open = True
        segment.index = SegmentIndex(segment.name)
        self._waiting.discard(segment.name)

    # -- growth ------------------------------------------------------------------------------------------

    def grow(self, segment: Segment, growth: Growth, seen: GrowthTimes) -> list[Knot]:
        """Apply the findings of a scan of an open segment; returns the knots made, for the log.

        They may be deferred: then the next scan begins where this one did, or `decide` applies them.
        """
        index = segment.index
        assert index is not None
        if not growth.more and self.clocks.defers(segment, growth, seen):
            segment.deferred = growth
            self._deferring[segment.name] = segment
            return []
        made = self._apply_deferred(growth, segment) + self._apply(segment, index, growth, seen)
        self.clocks.end_doubt(index.run_id)
        return made

    def decide(self, segment: Segment) -> list[Knot]:
        """Nothing came after deferred growth: apply it with what is known. Returns the knots made."""
        index, growth = segment.index, segment.deferred
        if index is None or growth is None:
            return []
        made = self._apply_deferred(growth, segment) + self._apply(segment, index, growth, GrowthTimes(None))
        self.clocks.end_doubt(index.run_id)
        return made

    def _apply_deferred(self, growth: Growth, newest: Segment) -> list[Knot]:
        """Apply what older files of the same run have deferred."""
        made: list[Knot] = []
        mine = growth.cursor.init.mtxi if growth.cursor.init is not None else None
        for other in list(self._deferring.values()):
            if other is newest or other.deferred is None or other.index is None or mine is None:
                continue
            theirs = other.deferred.cursor.init.mtxi if other.deferred.cursor.init is not None else None
            if theirs and theirs.stream_id == mine.stream_id and theirs.number < mine.number:
                made += self._apply(other, other.index, other.deferred, GrowthTimes(None))
        return made

    def _apply(self, segment: Segment, index: SegmentIndex, growth: Growth, seen: GrowthTimes) -> list[Knot]:
        segment.deferred = None
        self._deferring.pop(segment.name, None)
        index.apply(growth)
        facts, was_known = facts_of(index), segment.facts is not None
        if segment.before is not None and facts.parts >= min(1, segment.before.parts):
            segment.facts = None  # its run may be forgotten
            self._compare(segment, facts)
        segment.facts = facts
        self.copies.note(segment)
        if not was_known:
            self._correct_beside(segment)
        made: list[Knot] = []
        video = video_of(growth)
        had_clock = self.clocks.of(segment) is not None
        if video and segment.name not in self.copies.ignored:
            know_end_before(self, segment)
            made = self.clocks.observe(segment, index, video, with_begin(self, segment, seen))
            pace = index.cursor.pace
            reached = video[-1][1].reached + pace.lowest_cto
            segment.until_ns = index.run_ns(reached if pace.held is None else min(reached, pace.held))
        if made and not had_clock:
            self._settle_run(segment)
        self._settled(segment)
        return made

    def conclude(self, segment: Segment) -> list[Knot]:
        """The open segment is not being recorded: if its times are held, use the times in the file."""
        made = self.clocks.conclude(segment, *self.corrections.note(self, segment))
        self._settle_run(segment)
        return made

    def settle(self, segment: Segment) -> list[Knot]:
        """The open segment, whose times are held, did not grow for a part's length."""
        made = self.clocks.settle(segment)
        self._settle_run(segment)
        return made

    def is_live(self, segment: Segment) -> bool:
        """Whether the segment is being recorded: its parts are observed when they are written."""
        return segment.name not in self.copies.ignored and self.clocks.is_live(segment)

    def _settle_run(self, segment: Segment) -> None:
        """The run of this segment now has a clock, for which earlier files of it waited."""
        assert segment.facts is not None
        for each in self.segments.values():
            if each.facts is not None and each.facts.run_id == segment.facts.run_id:
                self._settled(each)

    def close(self, segment: Segment) -> None:
        """Nothing more will be added to the file."""
        segment.is_open = False
        if segment.index is not None:
            segment.index.is_closed = True
        for older in self.newest_first()[_KEEP_RUNS_OF:]:
            if older.index is not None:
                older.index.recent.clear()
        if segment.facts is not None:
            segment.facts = closed(segment.facts) if segment.index is None else facts_of(segment.index)
            segment.until_ns = segment.facts.end_ns
            self._settled(segment)
            if not self.is_live(segment):
                self.corrections.note(self, segment)  # its run had a clock, which placed it
                self._correct_beside(segment)

    def walked(self, segment: Segment, index: SegmentIndex, after: Mtxi | None) -> list[Knot]:
        """Apply an old segment that was walked completely. `after`: the mtxi of the next file."""
        segment.index = index
        index.is_closed = True
        index.recent.clear()
        facts = facts_of(index)
        self._compare(segment, facts)
        segment.facts = facts
        segment.bytes = facts.bytes
        segment.until_ns = facts.end_ns
        made: list[Knot] = []
        if facts.first_ns is not None:
            know_end_before(self, segment)
            times = self.corrections.note(self, segment, after)  # before its own: shows how early that is
            made = self.clocks.anchor(segment, facts, own_start_us(self, segment, index, facts), *times)
        self._settled(segment)
        self._correct_beside(segment)
        return made

    def _correct_beside(self, newer: Segment) -> None:
        """Files whose writing was not observed may have to be moved, now that this one is known."""
        for each in self.corrections.find(self, newer):
            self._began_us.pop(each.facts.run_id if each.facts is not None else "", None)
            self.video_until_us = self._newest_until_us()
            self._settle_run(each)

    # -- order -------------------------------------------------------------------------------------------

    def _settled(self, segment: Segment) -> None:
        """Facts have changed: put the segment in its place and move the edges."""
        self.copies.note(segment)
        self._waiting.discard(segment.name)
        clock, facts = self.clock_of(segment), segment.facts
        if facts is not None and not segment.is_open and facts.parts:
            self.written_us.setdefault(facts.run_id, segment.written_us)
        if clock is None or facts is None or facts.first_ns is None or facts.end_ns is None:
            self._place(segment)
            return
        first_us = clock.wall_us(facts.first_ns)
        self.order.place(segment.name, first_us)
        if segment.name in self.copies.ignored:
            return
        end_us = until_us = clock.wall_us(facts.end_ns)
        if segment.until_ns is not None and segment.until_ns != facts.end_ns:
            until_us = clock.wall_us(segment.until_ns)
        if self.video_until_us is None or until_us > self.video_until_us:
            self.video_until_us = until_us
        self._began_us[facts.run_id] = min(first_us, self._began_us.get(facts.run_id, first_us))
        self.longest_us = max(self.longest_us, end_us - first_us)

    def _until_us(self, segment: Segment) -> int | None:
        clock, facts = self.clock_of(segment), segment.facts
        if clock is None or facts is None or facts.end_ns is None:
            return None
        return clock.wall_us(facts.end_ns if segment.until_ns is None else segment.until_ns)

    def _newest_until_us(self) -> int | None:
        return next((at_us for each in self.newest_first() if (at_us := self._until_us(each))), None)

    def _place(self, segment: Segment) -> None:
        start_us = self.entry(segment).start_us
        if start_us is None:
            start_us = segment.written_us
        self.order.place(segment.name, start_us)

    # -- queries -----------------------------------------------------------------------------------------

    def clock_of(self, segment: Segment) -> RunClock | None:
        run = self.clocks.of(segment)
        return run.clock() if run is not None else None

    def entry(self, segment: Segment) -> SegmentEntry:
        return SegmentEntry(segment.name, segment.name_us, segment.facts, self.clock_of(segment))

    def newest_first(self) -> list[Segment]:
        return [self.segments[name] for name in self.order.newest_first()]

    def waiting(self) -> list[Segment]:
        """Segments that are not walked yet, newest first."""
        names = sorted(self._waiting, key=self.order.start_us, reverse=True)
        return [self.segments[name] for name in names]

    def to_be_known_before(self, segment: Segment, index: SegmentIndex) -> list[Segment]:
        """Segments to walk before one that ends later than written, oldest first: one may have a leap."""
        start_us = self.order.start_us(segment.name) if self.clocks.ends_early(segment, index) else 0
        return [each for each in self.waiting()[::-1] if self.order.start_us(each.name) < start_us]

    def unwalked(self) -> int:
        """Segments without facts: those waiting, and open ones before their first read."""
        return sum(segment.facts is None for segment in self.segments.values())

    def run_begun_after(self, instant_us: int) -> bool:
        return any(began_us > instant_us for began_us in self._began_us.values())

    def newest_run(self) -> Run | None:
        """The run that began last."""
        newest = max(self._began_us, key=self._began_us.__getitem__, default=None)
        return self.clocks.runs.get(newest) if newest is not None else None

    def touching(self, start_us: int, end_us: int) -> list[Segment]:
        """Segments that may hold frames of [start_us, end_us) of wall time, and neighbours with video."""
        longest_us = DAY_US if self._waiting else self.longest_us  # at least that of every segment
        names = self.order.around(
            start_us, end_us, longest_us, lambda name: self._reaches(name, start_us), self._shows
        )
        return [self.segments[name] for name in names if name not in self.copies.ignored]

    def _shows(self, name: str) -> bool:
        facts = self.segments[name].facts
        return facts is not None and facts.first_ns is not None

    def _reaches(self, name: str, start_us: int) -> bool:
        """Whether a segment has frames after `start_us`, or may have: it is not walked yet."""
        segment = self.segments[name]
        end_us = self.entry(segment).end_us
        return end_us > start_us if end_us is not None else segment.facts is None

    def coverage(
        self, start_us: int, end_us: int, *, is_live: bool, last_ended: Reason = "source_lost"
    ) -> spans.TimelineCoverage:
        """Spans, gaps and runs of [start_us, end_us) of wall time."""
        segments = self.touching(start_us, end_us)
        return coverage(
            map(self.entry, segments),
            start_us,
            end_us,
            is_live=is_live,
            outages=self.outages,
            last_ended=last_ended,
            windows=windows(self, segments),
        )

    def pieces(self, segment: Segment) -> list[SegmentPiece]:
        return pieces_of(self.entry(segment))

    def last_piece_before(self, segment: Segment) -> SegmentPiece | None:
        """The newest stretch of video of any other segment that began before this one."""
        for name in self.order.before(segment.name):
            if self.segments[name].facts is None:
                return None  # its content is not known yet
            if pieces := self.pieces(self.segments[name]):
                return pieces[-1]
        return None

    def name_after(self, segment: Segment) -> str | None:
        """The segment that begins next."""
        return self.order.after(segment.name)

    def near(self, segment: Segment, count: int) -> list[Segment]:
        """`count` segments before this one and after it."""
        return [self.segments[name] for name in self.order.near(segment.name, count)]

    def run_changes(self, now_us: int, *, is_on: bool) -> int:
        """How often the run changed in the last recorded minute; earlier processes' runs: by last write."""
        return run_changes({**self.written_us, **self.arrived_us}.values(), now_us, is_on=is_on)

    def shown_from_us(self, segment: Segment) -> int | None:
        """Wall time of a segment's first frame; None while it has none with a clock."""
        entry = self.entry(segment)
        return entry.start_us if entry.end_us is not None else None

    def newest_end_us(self) -> int | None:
        """Wall time after the newest frame; with B-frames, earlier ones may still arrive."""
        return next((at_us for each in self.newest_first() if (at_us := self.entry(each).end_us)), None)
