"""The parts of a run that has no clock yet, and the start time in their file.

Owns: the start time (mtxi, our recorder's own value, the name). Must not know: runs that have a clock.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Final

from appliance.box.recordings.segment_state import GrowthTimes, Segment
from appliance.media.clock.names import nearest
from appliance.media.clock.timeline import Arrival
from appliance.media.index.index import SegmentIndex
from appliance.media.mp4.fragment import is_own

_LATE_US: Final = 5_000_000  # the embedded recorder waits a second for sound; a busy machine is slower
# The most by which the file before may move a run before its arrivals: more is a clock that was set, or a
# leap.
_BEGUN_US: Final = 150_000


@dataclass(slots=True)
class PendingParts:
    """Parts of a run that has no clock yet. `claimed_us`: the start of the first one according to the file.

    `is_own`: that is box time, by the fastest arrival of a picture so far.
    """

    claimed_us: int | None
    is_own: bool = False
    newest: str = ""  # the file that the last of them came with
    arrivals: list[Arrival] = field(default_factory=list)
    base_ns: int = 0  # media time of the file's start ...
    begun_us: int | None = None  # ... and the box time by which that had arrived

    def offset_us(self) -> int:
        """Box time less media time of the arrival that was least late. Raises ValueError when none was
        observed.

        A box that starts during a recording sees its first part on a machine that is busy with the start; the
        file before was last written when this one began, which can be late too, but never early.
        """
        seen = [arrival for arrival in self.arrivals if arrival.written_us is not None]
        least_us = min((part.written_us or 0) - part.end_ns // 1000 for part in seen)
        if self.begun_us is not None:
            begun_us = self.begun_us - self.base_ns // 1000
            if least_us - _BEGUN_US <= begun_us < least_us:
                return begun_us
        return least_us

    def late_us(self, begin_us: int) -> int:
        """The delay of the first parts: `begin_us` is the start of the run computed from their arrival.

        Our recorder holds them back until it knows its tracks, so its own time of the first picture's arrival
        is better. MediaMTX writes at once, and its time of a run's start was measured 0.27 to 0.31 s later
        than the parts' arrival.
        """
        if self.claimed_us is None or not self.is_own:
            return 0
        late_us = begin_us - self.claimed_us
        return late_us if 0 < late_us <= _LATE_US else 0


def claim(segment: Segment, index: SegmentIndex, first: Arrival, seen: GrowthTimes) -> PendingParts:
    """The start of the first part according to the file: box time by its mtxi or its name."""
    mtxi = index.init.mtxi if index.init is not None else None
    base_ns = mtxi.dts_ns if mtxi is not None else 0
    pending = partial(PendingParts, base_ns=base_ns, begun_us=seen.begun_us)
    claimed_us = mtxi.ntp_ns // 1000 if mtxi is not None else segment.name_us
    if claimed_us is None:
        return pending(None)
    if mtxi is None and segment.name_times_us:
        # if an hour occurs twice, the one in which it arrived, or was last written
        written_us = segment.written_us if seen.written_us is None else seen.written_us
        length_us = (index.run_ns(index.end or 0) - index.named_ns) // 1000
        claimed_us = nearest(segment.name_times_us, written_us - seen.clock_gap_us - length_us)
    claimed_us += (first.start_ns - index.named_ns) // 1000
    if mtxi is not None and is_own(mtxi.stream_id):
        return pending(claimed_us, is_own=True)
    return pending(claimed_us + seen.clock_gap_us)


def was_finished(index: SegmentIndex) -> bool:
    """Its head had the recording's length when it was first seen, which recorders write at the end."""
    return index.init is not None and index.init.mtxi is not None and index.init.duration != 0


def least_off_us(off_us: int, burst_us: int) -> int:
    """The offset nearest to 0 out of `off_us` and all down to `burst_us` less."""
    return max(0, off_us - burst_us) if off_us > 0 else off_us
