"""Files whose writing was not observed, copied one after the other beside a running box: a later one may show
when an earlier one was recorded.

Owns: the times that were known for each file when it was placed, and which files were moved and are not
logged yet. Files of observed runs are never moved. Must not know: knots.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from appliance.box.recordings.channel.neighbours import claims_beside, following
from appliance.box.recordings.channel.reorder_delay import early_us
from appliance.box.recordings.clocks.file_times import shifted, start_us
from appliance.box.recordings.clocks.placement import Correction, ImpliedTimes
from appliance.box.recordings.segment_state import Segment
from appliance.media.clock.claims import NEIGHBOURS, StartClaim
from appliance.media.clock.timeline import RunClock
from appliance.media.index.segment import SegmentFacts
from appliance.media.mp4.fmp4 import Mtxi

if TYPE_CHECKING:
    from appliance.box.recordings.channel.channel_index import Channel

NeighbourTimes = tuple[Mtxi | None, list[StartClaim]]
"""Start times of a file implied by the one after it, and by the nearest of its run."""
_REMEMBERED: Final = 64  # files; those copied in together arrive within minutes


class Corrections:
    """The corrections of one channel.

    `_implied`: a file's times by its neighbours when this process placed it; unknown for files an earlier
    process placed.
    """

    def __init__(self) -> None:
        self._implied: OrderedDict[str, NeighbourTimes] = OrderedDict()
        self._untaken: list[Correction] = []

    def note(self, channel: Channel, segment: Segment, after: Mtxi | None = None) -> NeighbourTimes:
        """The present implied times of a file when it is placed. `after`: mtxi of the next file, if known."""
        if segment.index is not None:
            segment.early_us = early_us(channel, segment)
        times = _times(channel, segment, after)
        run = channel.clocks.of(segment)
        if not segment.is_published or run is None or not run.has_clock:  # else an earlier process placed it
            self._remember(segment, times)
        return times

    def _remember(self, segment: Segment, times: NeighbourTimes) -> None:
        self._implied[segment.name] = times
        while len(self._implied) > _REMEMBERED:
            self._implied.popitem(last=False)

    def take(self) -> list[Correction]:
        """The files moved since the last call, for the log."""
        taken, self._untaken = self._untaken, []
        return taken

    def find(self, channel: Channel, newer: Segment) -> list[Segment]:
        """Place the adjacent files again, if this file changes their times, and this one if an earlier
        process placed it without them; returns the moved files."""
        moved: list[Segment] = []
        if newer.name in channel.copies.ignored:
            return moved
        files = channel.near(newer, NEIGHBOURS)
        for each in files if newer.name in self._implied else (newer, *files):
            run, facts = channel.clocks.of(each), each.facts
            if run is None or run.is_observed or facts is None or facts.first_ns is None:
                continue
            words = self._changed(channel, each, facts, run.clock())
            made = channel.clocks.correct(each, facts, *words) if words is not None else None
            if made is not None:
                self._untaken.append(made)
                channel.order.note_moved(each.name)
                moved.append(each)
        return moved

    def _changed(
        self, channel: Channel, segment: Segment, facts: SegmentFacts, clock: RunClock
    ) -> tuple[ImpliedTimes, ImpliedTimes] | None:
        """The implied times of a file when it was placed, and now; None: unchanged."""
        before = self._implied.get(segment.name, (None, []))
        now = _times(channel, segment)
        if now == before:
            return None
        self._remember(segment, now)
        own_us = start_us(segment)
        if own_us is None:  # placed by its name
            first_ns = facts.first_ns or 0
            own_us = clock.wall_us(first_ns) - (first_ns - facts.base_ns) // 1000
        return ImpliedTimes(own_us, *before), ImpliedTimes(own_us, *now)


def _times(channel: Channel, segment: Segment, after: Mtxi | None = None) -> NeighbourTimes:
    after, by_us = after or following(channel, segment), segment.early_us
    return after and shifted(after, by_us), claims_beside(channel, segment, by_us)
