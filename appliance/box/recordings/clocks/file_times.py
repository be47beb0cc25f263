"""When an unobserved file was recorded, from all available times: its own, its neighbours', the disk's.

Owns: which of these is used. Must not know: knots, what a run observed (run_clocks.py), reading files.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from appliance.box.recordings.segment_state import Segment
from appliance.media.clock.anchor import BETWEEN_FILES_NS
from appliance.media.clock.claims import StartClaim, believed_us, is_written_then
from appliance.media.index.spans import RESTART_PAUSE_NS
from appliance.media.mp4.fmp4 import Mtxi
from appliance.media.mp4.fragment import is_own

# An arrival this close to the file's own time is a recording at once; further off, its growth must decide.
# MediaMTX's own estimate lags up to 5 s.
_FIRST_NS: Final = 100_000_000  # a connection's media time begins at 0
TRUST_US: Final = 10_000_000


@dataclass(frozen=True, slots=True)
class FileTimes:
    """The available times of an unobserved file: its own (`own`, of its start), of the nearest files of its
    run, of the file after it, of the disk. `most_leapt_us`: as in `believed_us`."""

    own: StartClaim
    beside: Sequence[StartClaim]
    following: Mtxi | None
    written_us: int
    most_leapt_us: int | None = None

    def begin_us(self, end_ns: int, holes: Sequence[tuple[int, int]]) -> int:
        """Wall time of the file's start. `end_ns`: the end of its media time. `holes`: gaps in its media
        time, which may be leaps of the clock."""
        if not self.beside:
            return self.own.wall_us
        length_us = end_ns // 1000 - self.own.media_us
        leapt_us = sum(after_ns - before_ns for before_ns, after_ns in holes) // 1000
        next_us = min(
            (claim.media_us for claim in self.beside if claim.media_us > self.own.media_us), default=None
        )
        if next_us is not None and next_us - end_ns // 1000 > BETWEEN_FILES_NS // 1000:
            leapt_us += next_us - end_ns // 1000
        return believed_us(
            self.own,
            self.beside,
            lambda at_us: is_written_then(at_us + length_us, self.written_us),
            leapt_us,
            self.most_leapt_us,
        )

    def next_us(self, run_id: str, number: int, off_us: int) -> tuple[int, int] | None:
        """Where the file after it begins (media ns, wall us), if that continues its run."""
        following = self.following
        if following is None or following.stream_id.hex() != run_id or following.number != number:
            return None
        claim = StartClaim(following.dts_ns // 1000, following.ntp_ns // 1000)
        others = [self.own, *(other for other in self.beside if other != claim)]
        return following.dts_ns, believed_us(claim, others, lambda _: None) - off_us

    def latest_us(self, run_id: str, off_us: int) -> tuple[int, bool]:
        """A time by which the file's end was certainly written: its last write, or the next run's start.

        True: the latter, so the end may have been written long before.
        """
        following = self.following
        if following is None or following.stream_id.hex() == run_id:
            return self.written_us, False
        # one recorder writes one run at a time, and MediaMTX's waits before it restarts on a connection
        begun_us = following.ntp_ns // 1000 - off_us
        is_anew = following.number == 0 and following.dts_ns >= RESTART_PAUSE_NS
        if is_anew and not is_own(following.stream_id):
            begun_us -= RESTART_PAUSE_NS // 1000
        return (begun_us, True) if begun_us < self.written_us else (self.written_us, False)


def mtxi_of(segment: Segment) -> Mtxi | Literal[False] | None:
    """The mtxi of a file; False: not read yet."""
    init = segment.index.init if segment.index is not None else None
    if init is not None:
        return init.mtxi
    facts = segment.facts
    if facts is None:
        return segment.claim
    if facts.ntp_us is None or facts.number is None:
        return None
    return Mtxi(bytes.fromhex(facts.run_id), facts.number, facts.base_ns, facts.ntp_us * 1000)


def shifted(mtxi: Mtxi, by_us: int) -> Mtxi:
    """The mtxi with its wall time corrected, where the recorder's times of the run are `by_us` too early.

    Not for the first file of a connection: its wall time is the arrival of the first picture, which is right.
    """
    is_arrival = mtxi.number == 0 and mtxi.dts_ns <= _FIRST_NS
    return mtxi if is_arrival or not by_us else replace(mtxi, ntp_ns=mtxi.ntp_ns + by_us * 1000)


def start_us(segment: Segment) -> int | None:
    """Wall time of a file's start by its own mtxi, corrected by `early_us`; None: it has no mtxi."""
    mtxi = mtxi_of(segment)
    return mtxi.ntp_ns // 1000 + own_early_us(segment) if mtxi else None


def own_early_us(segment: Segment) -> int:
    """How many us the wall time in the file's own mtxi is too early."""
    mtxi = mtxi_of(segment)
    early_us = (shifted(mtxi, segment.early_us).ntp_ns - mtxi.ntp_ns) // 1000 if mtxi else 0
    return early_us + segment.own_early_us
