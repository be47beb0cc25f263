"""Files whose writing was not observed, copied one after the other beside a running box: a later one may show
when an earlier one was recorded.

Owns: the times that were known for each file when it was placed, and which files were moved and are not
logged yet. Files of observed runs are never moved. Must not know: knots.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from appliance.box.recordings.channel.neighbours import claims_beside, end_before_ns, following, most_leapt_us
from appliance.box.recordings.channel.reorder_delay import early_us
from appliance.box.recordings.clocks.file_times import shifted, start_us
from appliance.box.recordings.clocks.placement import Correction, ImpliedTimes
from appliance.box.recordings.segment_state import Segment
from appliance.media.clock.claims import NEIGHBOURS, StartClaim
from appliance.media.mp4.fmp4 import Mtxi

if TYPE_CHECKING:
    from appliance.box.recordings.channel.channel_index import ChannelIndex

NeighbourTimes = tuple[Mtxi | None, list[StartClaim], int | None]
"""What other files show: the start time of the next one, those of the nearest of the run, and by how much
media time leaps in all of these (`neighbours.most_leapt_us`)."""
_UNKNOWN: Final[NeighbourTimes] = (None, [], None)
_REMEMBERED: Final = 64  # files; those copied in together arrive within minutes
_PASSES: Final = 3  # a file that was moved may free the place of the one before it


class Corrections:
    """The corrections of one channel.

    `_implied`: a file's times by its neighbours when this process placed it; unknown for files an earlier
    process placed.
    """

    def __init__(self) -> None:
        self._implied: OrderedDict[str, NeighbourTimes] = OrderedDict()
        self._placed: set[str] = set()  # by this process
        self._untaken: list[Correction] = []

    def note(self, channel: ChannelIndex, segment: Segment, after: Mtxi | None = None) -> NeighbourTimes:
        """The present implied times of a file when it is placed. `after`: mtxi of the next file, if known."""
        if segment.index is not None:
            segment.early_us, segment.own_early_us = early_us(channel, segment)
        times = _times(channel, segment, after)
        run = channel.clocks.of(segment)
        if segment.name not in channel.published_before or run is None or not run.has_clock:
            self._remember(segment, times)
            self._placed.add(segment.name)
        return times

    def _remember(self, segment: Segment, times: NeighbourTimes) -> None:
        self._implied[segment.name] = times
        self._implied.move_to_end(segment.name)
        while len(self._implied) > _REMEMBERED:
            self._placed.discard(self._implied.popitem(last=False)[0])

    def take(self) -> list[Correction]:
        """The files moved since the last call, for the log."""
        taken, self._untaken = self._untaken, []
        return taken

    def find(self, channel: ChannelIndex, newer: Segment) -> list[Segment]:
        """Place this file and the nearest of its channel again, as far as their times have changed; returns
        the moved files."""
        if newer.name in channel.copies.ignored:
            return []
        near = sorted((newer, *channel.near(newer, NEIGHBOURS)), key=_media_ns)
        files = [each for each in near if _may_move(channel, each)]
        due = [each for each in files if self._has_changed(channel, each) or each is newer]
        moved: dict[str, Segment] = {}
        for _ in range(_PASSES):
            placed = [each for each in due if self._place(channel, each)]
            if not placed:
                break
            moved.update((each.name, each) for each in placed)
            runs = {_run_id(each) for each in placed}
            due = [each for each in files if _run_id(each) in runs]
        return list(moved.values())

    def _has_changed(self, channel: ChannelIndex, segment: Segment) -> bool:
        """Whether other times are known for a file than when it was placed."""
        return self._implied.get(segment.name, _UNKNOWN) != _times(channel, segment)

    def _place(self, channel: ChannelIndex, segment: Segment) -> bool:
        """Place a file by the times known now; whether it was moved."""
        run, facts = channel.clocks.of(segment), segment.facts
        assert run is not None and facts is not None and facts.first_ns is not None
        own_us, now = start_us(segment), _times(channel, segment)
        if own_us is None:  # placed by its name
            own_us = run.clock().wall_us(facts.first_ns) - (facts.first_ns - facts.base_ns) // 1000
        before = None
        if segment.name not in self._placed:
            before = ImpliedTimes(own_us, *self._implied.get(segment.name, _UNKNOWN))
        self._remember(segment, now)
        words = ImpliedTimes(own_us, *now, before_end_ns=end_before_ns(channel, segment))
        made = channel.clocks.correct(segment, facts, before, words)
        if made is None:
            return False
        self._placed.add(segment.name)
        self._untaken.append(made)
        channel.order.note_moved(segment.name)
        return True


def _may_move(channel: ChannelIndex, segment: Segment) -> bool:
    """Whether it has times and was not observed while it was written."""
    run, facts = channel.clocks.of(segment), segment.facts
    return run is not None and not run.is_observed and facts is not None and facts.first_ns is not None


def _run_id(segment: Segment) -> str:
    return segment.facts.run_id if segment.facts is not None else ""


def _media_ns(segment: Segment) -> int:
    return segment.facts.base_ns if segment.facts is not None else 0


def _times(channel: ChannelIndex, segment: Segment, after: Mtxi | None = None) -> NeighbourTimes:
    after, by_us = after or following(channel, segment), segment.early_us
    claims = claims_beside(channel, segment, by_us)
    return after and shifted(after, by_us), claims, most_leapt_us(channel, segment)
