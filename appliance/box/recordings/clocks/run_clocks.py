"""The clocks of a channel's runs: capture times of frames, from their arrival or from times in their files.

Owns: the runs of one channel and their knots. Must not know: order, coverage, callers. Used on the trio
thread only, never waits, never reads a file.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from appliance.box.recordings.clocks.arrivals import GrowthPace
from appliance.box.recordings.clocks.file_times import TRUST_US, FileTimes, own_early_us
from appliance.box.recordings.clocks.part_times import arrival_of, hole_ns, leaps_of, video_of
from appliance.box.recordings.clocks.pending_parts import PendingParts, claim, least_off_us, was_finished
from appliance.box.recordings.clocks.placement import Correction, ImpliedTimes, corrected, implied_knots
from appliance.box.recordings.clocks.time_leaps import (
    EARLY_US,
    UncertainLeap,
    comes_early,
    leap_before,
    leaps_between,
)
from appliance.box.recordings.segment_state import GrowthTimes, Segment
from appliance.media.clock.anchor import anchored, is_leapt
from appliance.media.clock.claims import StartClaim
from appliance.media.clock.timeline import PPB, Arrival, Knot, Run, with_an_end
from appliance.media.index.index import Growth, SegmentIndex
from appliance.media.index.pace import PartNote
from appliance.media.index.segment import SegmentFacts
from appliance.media.index.view import Part
from appliance.media.mp4.fmp4 import Mtxi


@dataclass(slots=True)
class Clocks:
    """By run id.

    A run begins by its arrival when that is close to the time in the file, or to that time corrected by this
    recorder's last known error, or when the run grows in real time. Until one of these is known its parts are
    held, without times. `conclude` ends that for a file that does not grow: the file's own time is used.
    """

    runs: dict[str, Run] = field(default_factory=dict)
    # How far the recordings' own times are ahead of box time, by run: only for recorders with a wrong clock.
    off_us: dict[str, int] = field(default_factory=dict)
    newest_off_us: int = 0  # of the run that began last while this process observed it
    _unlogged: list[tuple[str, int]] = field(default_factory=list)
    _is_live: dict[str, bool] = field(default_factory=dict)  # its parts are observed when they are written
    _paces: dict[str, GrowthPace] = field(default_factory=dict)
    _held: dict[str, PendingParts] = field(default_factory=dict)
    _newly_observed: list[str] = field(default_factory=list)
    _doubts: dict[str, UncertainLeap] = field(default_factory=dict)

    def restore(
        self,
        knots: Mapping[str, Sequence[Knot]],
        off_us: Mapping[str, int],
        observed: Collection[str] = (),
    ) -> None:
        """Load the clocks stored by an earlier process; the last of `off_us` belongs to its newest run.

        `observed` are runs whose parts it observed.
        """
        for run_id, some in knots.items():
            rows = sorted(some)
            last, rows[-1] = rows[-1], with_an_end(rows[-1])
            # logs of the first release do not say which runs were observed: a slew without an end shows it
            is_observed = run_id in observed or last != rows[-1]
            self.runs[run_id] = Run(run_id, rows, is_observed=is_observed)
        self.off_us = {run_id: off for run_id, off in off_us.items() if off}
        self.newest_off_us = ([*off_us.values()] or [0])[-1]

    def take_newly_observed(self) -> list[str]:
        """Runs first observed since the last call, for the log."""
        taken, self._newly_observed = self._newly_observed, []
        return taken

    def of(self, segment: Segment) -> Run | None:
        """The run of a walked segment, once it has a clock."""
        run = self.runs.get(segment.facts.run_id) if segment.facts is not None else None
        return run if run is not None and run.has_clock else None

    def began_us(self, run_id: str) -> int:
        """Wall time at which the run's clock begins; it never changes once the run has ended."""
        first = self.runs[run_id].neighbours(-(1 << 62))[1]
        assert first is not None
        return first.wall_us

    def is_live(self, segment: Segment) -> bool:
        """Whether the segment's parts are observed as they are written."""
        return segment.facts is not None and self._is_live.get(segment.facts.run_id, False)

    def is_held(self, segment: Segment) -> bool:
        """Whether it is undecided if the segment is being recorded: its frames have no time yet."""
        pending = self._held.get(segment.facts.run_id) if segment.facts is not None else None
        return pending is not None and pending.newest == segment.name

    def disk_agrees(self, segment: Segment) -> bool:
        """Whether a held, unobserved segment was last written when it ends by its own time."""
        pending = self._held.get(segment.facts.run_id) if segment.facts is not None else None
        if (
            pending is None
            or pending.claimed_us is None
            or any(arrival.written_us for arrival in pending.arrivals)
        ):
            return False
        length_us = (pending.arrivals[-1].shown_ns - pending.arrivals[0].start_ns) // 1000
        return abs(pending.claimed_us + length_us - segment.written_us) <= TRUST_US

    def forget(self, run_id: str) -> None:
        for known in (self.runs, self.off_us, self._is_live, self._paces, self._held, self._doubts):
            known.pop(run_id, None)

    def take_offs(self) -> list[tuple[str, int]]:
        """(run, off_us) found since the last call, for the log; 0 where a recorder's clock is correct
        again."""
        taken, self._unlogged = self._unlogged, []
        return taken

    def defers(self, segment: Segment, growth: Growth, seen: GrowthTimes) -> bool:
        """Whether these parts should wait for the next ones before they get times.

        Where media time leaps and the part beyond arrives at its media time, either frames were lost, or only
        that part was late: the next arrivals decide.
        """
        if seen.written_us is None or not growth.parts:
            return False
        grown = SegmentIndex(segment.name)
        grown.cursor = growth.cursor
        run = self.runs.get(grown.run_id)
        video = video_of(growth)
        if run is None or not run.has_clock or not video or self._goes_on(run, grown, video):
            return False
        arrivals = [arrival_of(grown, part, note) for part, note in video]
        if not self._is_live.get(run.run_id):
            return comes_early(segment, run, arrivals[-1].end_ns, seen.written_us)
        doubt = self._doubts.get(run.run_id)
        if doubt is None:
            leap = leap_before(run, grown, arrivals)
            if leap is None:
                return False
            doubt = self._doubts[run.run_id] = UncertainLeap((leap.before_ns + leap.floor_ns) // 2)
        doubt.see(arrivals[-1].end_ns, seen.written_us)
        return not doubt.is_over()

    def _goes_on(self, run: Run, index: SegmentIndex, video: Sequence[tuple[Part, PartNote]]) -> bool:
        """Whether the parts of a live run continue what was published of it, with no leap in or before
        them."""
        shown_ns = run.published_ns
        if shown_ns is None or run.run_id in self._doubts or not self._is_live.get(run.run_id):
            return False
        if any(note.leap is not None for _, note in video):
            return False
        return index.run_ns(video[0][0].video_pts_min) - shown_ns <= hole_ns(index)

    def ends_early(self, segment: Segment, index: SegmentIndex) -> bool:
        """Whether an unobserved file ends later by its run's clock than it was written."""
        run = self.runs.get(index.run_id)
        if run is None or not run.is_observed or not run.has_clock or index.end is None:
            return False
        end_ns = index.run_ns(index.cursor.pace.reached)
        return run.clock().wall_us(end_ns) - segment.written_us >= EARLY_US

    def has_nothing_beyond(self, segment: Segment) -> bool:
        """Whether the only sign of a leap is a picture decoded ahead: what is beyond has not come yet."""
        run_id = segment.index.run_id if segment.index is not None else ""
        return run_id in self._doubts and not self._doubts[run_id].looks

    def end_doubt(self, run_id: str) -> None:
        """Forget the possible leap of the run: its deferred parts have been processed."""
        self._doubts.pop(run_id, None)

    def observe(
        self, segment: Segment, index: SegmentIndex, video: Sequence[tuple[Part, PartNote]], seen: GrowthTimes
    ) -> list[Knot]:
        """Process parts as they arrive; returns the knots made."""
        run = self._run(index.run_id)
        arrivals = [arrival_of(index, part, note) for part, note in video]
        arrivals[-1] = arrivals[-1]._replace(written_us=seen.written_us)
        if seen.written_us is not None and not self._is_live.get(run.run_id):
            self._paces.setdefault(run.run_id, GrowthPace()).add(seen.written_us, arrivals[-1].end_ns // 1000)
        if run.has_clock:
            is_live = self._is_live.get(run.run_id)
            made = [] if is_live else self._unseen_leap(segment, run, index, arrivals)
            return made + self._take_in(run, index, arrivals, self._doubts.get(run.run_id))
        pending = self._held.get(run.run_id)
        if pending is None:
            pending = self._held[run.run_id] = claim(segment, index, arrivals[0], seen)
        pending.arrivals += arrivals
        pending.newest = segment.name
        pace = self._paces.get(run.run_id)
        may_be_burst = seen.may_be_burst and (pace is None or not pace.keeps_step())
        return [] if may_be_burst else self._begin_with(run, index, pending)

    def _run(self, run_id: str) -> Run:
        run = self.runs.get(run_id)
        if run is None:
            run = self.runs[run_id] = Run(run_id)
        return run

    def settle(self, segment: Segment) -> list[Knot]:
        """No more parts for a part's length: the run does not begin with a burst, or the burst has ended."""
        assert segment.index is not None
        run_id = segment.index.run_id
        return self._begin_with(self.runs[run_id], segment.index, self._held[run_id])

    def _begin_with(self, run: Run, index: SegmentIndex, pending: PendingParts) -> list[Knot]:
        """Begin the run with its held parts, unless it may still be a copy."""
        knots = self._begin(run.run_id, pending, was_finished(index))
        if not knots:
            return []
        del self._held[run.run_id]
        made = run.anchor(knots)
        run.suppose(knots[-1].media_ns, max(knots[-1].media_ns, pending.arrivals[-1].end_ns))
        return made + self._take_in(run, index, pending.arrivals)

    def conclude(
        self,
        segment: Segment,
        following: Mtxi | None = None,
        beside: Sequence[StartClaim] = (),
        most_leapt_us: int | None = None,
    ) -> list[Knot]:
        """The segment did not grow in real time: the held parts of its run get the file's own times.

        The other arguments as in `anchor`.
        """
        index = segment.index
        pending = self._held.get(index.run_id) if index is not None else None
        if index is None or pending is None:
            return []
        run = self.runs[index.run_id]
        if made := self._begin_with(run, index, pending):
            return made
        del self._held[run.run_id]
        first, last, leaps = pending.arrivals[0], pending.arrivals[-1], leaps_between(pending.arrivals)
        begin_us = segment.written_us - (last.shown_ns - first.start_ns) // 1000
        own = StartClaim(first.start_ns // 1000, begin_us)
        times = FileTimes(own, beside, following, segment.written_us, most_leapt_us)
        off_us = 0
        if pending.claimed_us is not None:
            begin_us = pending.claimed_us + own_early_us(segment)
            times = replace(times, own=times.own._replace(wall_us=begin_us))
            begin_us = times.begin_us(last.shown_ns, [(leap.before_ns, leap.floor_ns) for leap in leaps])
            end_us = begin_us + (last.shown_ns - first.start_ns) // 1000
            off_us = self._off_of(run.run_id, end_us, segment.written_us)
            begin_us -= off_us
        latest_us, is_bound = times.latest_us(run.run_id, off_us)
        latest = (last.end_ns, latest_us)
        made = run.anchor(anchored(first.start_ns, begin_us, leaps=leaps, last=latest, is_bound=is_bound))
        arrivals = [arrival._replace(written_us=None) for arrival in pending.arrivals]
        return made + self._take_in(run, index, arrivals)

    def _take_in(
        self, run: Run, index: SegmentIndex, arrivals: Sequence[Arrival], doubt: UncertainLeap | None = None
    ) -> list[Knot]:
        made: list[Knot] = []
        was_observed = run.is_observed
        if arrivals[0].leap is None and (leap := leap_before(run, index, arrivals[:1])) is not None:
            arrivals = [arrivals[0]._replace(leap=leap), *arrivals[1:]]
        if doubt is not None:
            arrivals = doubt.timed(arrivals)
        for arrival in arrivals:
            is_trusted = self._trusts(run, arrival, was_finished(index))
            made += run.observe(arrival if is_trusted else arrival._replace(written_us=None))
        if run.is_observed and not was_observed:
            self._newly_observed.append(run.run_id)
        return made

    def _unseen_leap(
        self, segment: Segment, run: Run, index: SegmentIndex, arrivals: Sequence[Arrival]
    ) -> list[Knot]:
        """Remove a leap of media time that was not observed, by the file's last write."""
        written_us = arrivals[-1].written_us
        last = (arrivals[-1].end_ns, segment.written_us if written_us is None else written_us)
        tail, _ = run.neighbours(1 << 62)
        before = leap_before(run, index, arrivals[:1])  # between the file known before and this one
        candidates = [*([before] if before is not None else []), *leaps_between(arrivals)]
        leaps = [leap for leap in candidates if tail is not None and leap.before_ns > tail.media_ns]
        if tail is None or not leaps:
            return []
        return run.anchor(anchored(leaps[0].before_ns, 0, left=tail, last=last, leaps=leaps, is_known=True))

    def _trusts(self, run: Run, arrival: Arrival, is_copy: bool) -> bool:
        """Whether arrivals of a run that has a clock are recordings.

        The first arrival decides when it is close to the clock. Else growth in real time does, unless
        published times are ahead of it: they must not go back.
        """
        if arrival.written_us is None:
            return False
        is_live = self._is_live.get(run.run_id)
        if not is_live:
            late_us = arrival.written_us - run.clock().wall_us(arrival.end_ns)
            if is_live is None:
                is_live = abs(late_us) <= TRUST_US
            elif late_us >= -TRUST_US and run.run_id in self._paces and not is_copy:
                is_live = self._paces[run.run_id].is_real_time()
            self._is_live[run.run_id] = is_live
        if is_live:
            self._paces.pop(run.run_id, None)
        return is_live

    def _begin(self, run_id: str, pending: PendingParts, is_copy: bool) -> list[Knot]:
        """The first knots of a run, by when its parts arrived. None for a copy and while it may be one: then
        the files' own times count."""
        seen = [arrival for arrival in pending.arrivals if arrival.written_us is not None]
        if not seen:
            return []
        start_ns = pending.arrivals[0].start_ns
        late_us = pending.offset_us()
        begin_us = start_ns // 1000 + late_us
        claimed_us, leaps = pending.claimed_us, leaps_between(pending.arrivals)
        if claimed_us is not None and is_leapt(leaps, claimed_us - begin_us):
            self._is_live[run_id] = True  # its end is the time of its arrival, its start the time in its file
            return anchored(start_ns, claimed_us, leaps=leaps, last=(0, late_us))
        # a run that begins with what a camera had buffered starts at its arrival, not at its capture
        burst_us = (seen[0].written_us or 0) - seen[0].end_ns // 1000 - late_us
        offs = () if claimed_us is None else (least_off_us(claimed_us - begin_us, burst_us),)
        is_near = any(abs(off) <= TRUST_US or abs(off - self.newest_off_us) <= TRUST_US for off in offs)
        if not is_near and (is_copy or not self._paces[run_id].is_real_time()):
            return []
        self._is_live[run_id] = True
        for off in offs:
            self._note_off(run_id, 0 if abs(off) <= TRUST_US else off)
        return [Knot(start_ns, begin_us - pending.late_us(begin_us), PPB)]

    def _note_off(self, run_id: str, off_us: int) -> None:
        if off_us:
            self.off_us[run_id] = off_us
        if off_us or self.newest_off_us:
            self._unlogged.append((run_id, off_us))
        self.newest_off_us = off_us

    def _off_of(self, run_id: str, end_us: int, written_us: int) -> int:
        """By how much a file's own times are ahead; it ends at `end_us` by them.

        For another run the recorder's error is applied when the disk confirms it: the file was last written
        when it ends.
        """
        if run_id in self.off_us:
            return self.off_us[run_id]
        is_same = abs(end_us - self.newest_off_us - written_us) <= TRUST_US
        return self.newest_off_us if is_same and abs(end_us - written_us) > TRUST_US else 0

    def anchor(
        self,
        segment: Segment,
        facts: SegmentFacts,
        wall_us: int,
        following: Mtxi | None,
        beside: Sequence[StartClaim] = (),
        most_leapt_us: int | None = None,
    ) -> list[Knot]:
        """Give an unobserved file its times, unless it has them. `following`: as in `walked`.

        `beside`: start times in the nearest files of its run; `most_leapt_us`: as in `believed_us`.
        """
        assert facts.first_ns is not None and facts.end_ns is not None
        run = self._run(facts.run_id)
        if segment.is_published and run.has_clock:
            return self._leapt_since(segment, facts, run)
        segment.is_published = True
        implied = ImpliedTimes(wall_us, following, beside, most_leapt_us)
        # at the first frame, not at the segment's start: the segment before may still be shown there
        knots = implied_knots(segment, facts, run, implied, run.neighbours(facts.first_ns), self._off_of)
        run.publish(facts.end_ns)
        return run.anchor(knots)

    def correct(
        self, segment: Segment, facts: SegmentFacts, before: ImpliedTimes | None, now: ImpliedTimes
    ) -> Correction | None:
        """Place an unobserved file again, if its times `now` show that it is placed wrong. `before`: as in
        `corrected`."""
        run = self.runs.get(facts.run_id)
        if run is None or not run.has_clock or run.is_observed or run.run_id in self._held:
            return None
        return corrected(run, segment, facts, before, now, self._off_of)

    def _leapt_since(self, segment: Segment, facts: SegmentFacts, run: Run) -> list[Knot]:
        """Remove a leap in the part of a file that was written after this box last published from it."""
        assert facts.end_ns is not None
        tail, knot = run.neighbours(facts.end_ns)
        leaps = [
            leap for leap in leaps_of(facts, None) if tail is not None and leap.before_ns > tail.media_ns
        ]
        made: list[Knot] = []
        if tail is not None and leaps and run.is_observed:
            right = (knot.media_ns, knot.wall_us) if knot is not None else None
            last = (facts.end_ns, segment.written_us)
            made = anchored(
                leaps[0].before_ns, 0, left=tail, right=right, leaps=leaps, last=last, is_known=True
            )
        run.publish(facts.end_ns)
        return run.anchor(made)
