"""Parts beyond a leap of media time, judged by their arrivals.

Owns: when enough parts have come to judge a leap, and what may be one. Must not know: knots, the content of a
file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from appliance.box.recordings.clocks.part_times import hole_ns
from appliance.box.recordings.segment_state import Segment
from appliance.media.clock.timeline import Arrival, Leap, Run
from appliance.media.index.index import SegmentIndex

_LOOKS_NEEDED: Final = 2  # checks with parts beyond a leap, before it is judged
_LOOKS_MOST: Final = 12
EARLY_US: Final = 100_000
_DOUBT_US: Final = 400_000
_BETTER_US: Final = 5_000


@dataclass(slots=True)
class UncertainLeap:
    """A leap of media time near `leap_ns`, and the parts after it as they arrive.

    `looks`: (media time reached, box time written) per check.
    """

    leap_ns: int
    looks: list[tuple[int, int]] = field(default_factory=list)
    waited: int = 0

    def see(self, reached_ns: int, written_us: int) -> None:
        """Record one more check with new bytes."""
        self.waited += 1
        if reached_ns > self.leap_ns:
            self.looks.append((reached_ns, written_us))

    def is_over(self) -> bool:
        """Whether the leap can be judged: enough parts arrived after it, and the newest was as late as the
        others, so a burst of delayed parts has ended."""
        if len(self.looks) < _LOOKS_NEEDED:
            return self.waited >= _LOOKS_MOST
        *older, newest = (written_us - reached_ns // 1000 for reached_ns, written_us in self.looks)
        is_long = self.looks[-1][1] - self.looks[0][1] >= _DOUBT_US
        return is_long and (newest > min(older) - _BETTER_US or self.waited >= _LOOKS_MOST)

    def timed(self, arrivals: Sequence[Arrival]) -> list[Arrival]:
        """The arrivals with their known times; a leap is judged by the least late one beyond it."""
        if not self.looks:
            return list(arrivals)
        written = dict(self.looks)
        late_us = min(written_us - reached_ns // 1000 for reached_ns, written_us in self.looks)
        timed = [each._replace(written_us=written.get(each.end_ns, each.written_us)) for each in arrivals]
        return [
            each
            if each.leap is None
            else each._replace(
                written_us=each.end_ns // 1000 + late_us, leap=_surest(each.leap, arrivals[number:])
            )
            for number, each in enumerate(timed)
        ]


def leaps_between(arrivals: Sequence[Arrival]) -> list[Leap]:
    """The leaps of media time between parts, each as the last part shows it."""
    numbered_leaps = [(each.leap, number) for number, each in enumerate(arrivals) if each.leap is not None]
    return list({_surest(leap, arrivals[number:]): None for leap, number in numbered_leaps})


def _surest(leap: Leap, arrivals: Sequence[Arrival]) -> Leap:
    """The same leap as later parts show it: by then no frame can arrive inside."""
    same = [
        each.leap
        for each in arrivals
        if each.leap is not None
        and each.leap.before_ns < leap.floor_ns
        and leap.before_ns < each.leap.floor_ns
    ]
    return same[-1]


def leap_before(run: Run, index: SegmentIndex, arrivals: Sequence[Arrival]) -> Leap | None:
    """The first leap of media time in or before these parts of a run."""
    shown_ns, first = run.published_ns, arrivals[0]
    if first.leap is None and shown_ns is not None and first.start_ns - shown_ns > hole_ns(index):
        return Leap(shown_ns, first.start_ns)
    return next((each.leap for each in arrivals if each.leap is not None), None)


def comes_early(segment: Segment, run: Run, end_ns: int, written_us: int) -> bool:
    """Whether a file of an observed run arrives earlier than possible, so that media time leapt before it.

    Where is decided by the files written while no process observed them, which are being walked.
    """
    is_new = segment.index is None or segment.index.end is None
    if not is_new or segment.is_published or not run.is_observed:
        return False
    if run.clock().wall_us(end_ns) - written_us < EARLY_US:
        return False
    segment.waited += 1
    return segment.waited <= _LOOKS_MOST
