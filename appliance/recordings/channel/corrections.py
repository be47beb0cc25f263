"""Files nobody saw being written, copied beside a running box one after the other: a later one may tell when
an earlier one was recorded.

Owns: what was said of each when it was placed, what has been placed anew and is not logged yet. Of a run that
was observed nothing is moved. Must not know: knots.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from appliance.media.clock.claims import NEIGHBOURS, StartClaim
from appliance.media.clock.timeline import RunClock
from appliance.media.index.segment import SegmentFacts
from appliance.media.mp4.fmp4 import Mtxi
from appliance.recordings.channel.neighbours import beside, following
from appliance.recordings.clocks.placement import Correction, Word
from appliance.recordings.segment_state import Segment

if TYPE_CHECKING:
    from appliance.recordings.channel.channel_index import Channel

Said = tuple[Mtxi | None, list[StartClaim]]
"""Of a file: by the one after it, by the nearest of its run."""
_REMEMBERED: Final = 64  # files; those copied together come within minutes


class Corrections:
    """Of one channel. Of a file placed in an earlier life nothing was said by others, as far as is known."""

    def __init__(self) -> None:
        self._said: OrderedDict[str, Said] = OrderedDict()
        self._untaken: list[Correction] = []

    def note(self, channel: Channel, segment: Segment, after: Mtxi | None = None) -> Said:
        """What is said of a file now, when it is placed. `after`: by the next one, where that is known."""
        said = (after or following(channel, segment), beside(channel, segment))
        self._said[segment.name] = said
        while len(self._said) > _REMEMBERED:
            self._said.popitem(last=False)
        return said

    def take(self) -> list[Correction]:
        """What was placed anew since the last call, for the log."""
        taken, self._untaken = self._untaken, []
        return taken

    def find(self, channel: Channel, newer: Segment) -> list[Segment]:
        """Place the files beside this one anew, of which it says more; returns those that have moved."""
        moved = []
        for each in channel.near(newer, NEIGHBOURS) if newer.name not in channel.copies.ignored else ():
            run, facts = channel.clocks.of(each), each.facts
            if run is None or run.is_observed or facts is None or facts.first_ns is None:
                continue
            words = self._changed(channel, each, facts, run.clock())
            made = channel.clocks.correct(each, facts, *words) if words is not None else None
            if made is not None:
                self._untaken.append(made)
                moved.append(each)
        return moved

    def _changed(
        self, channel: Channel, segment: Segment, facts: SegmentFacts, clock: RunClock
    ) -> tuple[Word, Word] | None:
        """What was said of a file when it was placed, and what is now; None: the same."""
        before = self._said.get(segment.name, (None, []))
        now = (following(channel, segment), beside(channel, segment))
        if now == before:
            return None
        self.note(channel, segment)
        own_us = facts.ntp_us
        if own_us is None:  # where its name put it
            first_ns = facts.first_ns or 0
            own_us = clock.wall_us(first_ns) - (first_ns - facts.base_ns) // 1000
        return Word(own_us, *before), Word(own_us, *now)
