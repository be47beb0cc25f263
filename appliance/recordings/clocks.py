"""The clocks of a channel's runs: what time a frame was, from seeing it come or from what its file says.

Owns: the runs of one channel and their knots. Must not know: order, coverage, who asks. Touched on the trio
thread alone, never waits, never reads a file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from appliance.media.anchor import anchored
from appliance.media.fmp4 import Mtxi
from appliance.media.index import SegmentIndex, ticks_to_ns
from appliance.media.pace import HOLE_FRAMES, PartNote
from appliance.media.segment import SegmentFacts
from appliance.media.timeline import PPB, Arrival, Knot, Leap, Run
from appliance.media.view import Part

# An arrival this far from what the file itself says of its time is a copy, not a recording. MediaMTX's own
# estimate lags up to 5 s (facts/mediamtx.md 1.6).
TRUST_US: Final = 10_000_000


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


@dataclass(slots=True)
class Clocks:
    """By run id."""

    runs: dict[str, Run] = field(default_factory=dict)
    _is_live: dict[str, bool] = field(default_factory=dict)  # its parts are seen when they are written

    def restore(self, knots: Mapping[str, Sequence[Knot]]) -> None:
        """Take the clocks of an earlier life."""
        self.runs = {run_id: Run(run_id, some) for run_id, some in knots.items()}

    def of(self, segment: Segment) -> Run | None:
        """The run of a walked segment, once it has a clock."""
        run = self.runs.get(segment.facts.run_id) if segment.facts is not None else None
        return run if run is not None and run.has_clock else None

    def is_live(self, segment: Segment) -> bool:
        """Whether the segment's parts are seen as they are written."""
        return segment.facts is not None and self._is_live.get(segment.facts.run_id, False)

    def forget(self, run_id: str) -> None:
        self.runs.pop(run_id, None)
        self._is_live.pop(run_id, None)

    def observe(
        self, segment: Segment, index: SegmentIndex, video: Sequence[tuple[Part, PartNote]], seen: Seen
    ) -> list[Knot]:
        """Take in parts as they come; returns the knots made."""
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

    def anchor(
        self, segment: Segment, facts: SegmentFacts, wall_us: int, following: Mtxi | None
    ) -> list[Knot]:
        """Give a file nobody saw being written its times, unless it has them. `following`: as in `walked`."""
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


def _arrival(index: SegmentIndex, part: Part, note: PartNote) -> Arrival:
    leap = Leap(*map(index.run_ns, note.leap)) if note.leap is not None else None
    start_ns, end_ns = index.run_ns(part.video_pts_min), index.run_ns(note.reached)
    return Arrival(start_ns, end_ns, index.run_ns(part.video_end), None, leap)
