"""One file of a channel in the index, and the time data of one check of it.

Owns: the fields. Must not know: what is done with them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from appliance.media.index.index import Growth, SegmentIndex
from appliance.media.index.segment import SegmentFacts
from appliance.media.mp4.fmp4 import Mtxi


@dataclass(slots=True, eq=False)
class Segment:
    """One file. `facts` None: not walked yet. `index` None: the part list is not in memory.

    `until_ns`: no frame still to come is shown before this media time of the run. `is_published`: its frames
    have published times, by this process or an earlier one, that must not change. `is_suspect`: after a power
    cut it may have its length without its bytes. `deferred`: growth that is not applied yet
    (`Clocks.defers`), after `waited` checks. `claim`: its mtxi, if read before the file is walked; False: not
    yet.
    """

    name: str
    name_us: int | None
    bytes: int
    written_us: int  # box time of the file's last change
    name_times_us: tuple[int, ...] = ()  # all that the name may mean: two in an hour that occurs twice
    facts: SegmentFacts | None = None
    index: SegmentIndex | None = None
    until_ns: int | None = None
    before: SegmentFacts | None = None  # facts of the file of this name at its last indexing
    was_replaced: bool = False  # ... which was another recording: the log must forget it
    keys_ns: Sequence[int] = ()  # media times of its keys, when runs overlap and `index` is None
    is_open: bool = False
    is_published: bool = False
    is_suspect: bool = False
    deferred: Growth | None = None
    waited: int = 0
    claim: Mtxi | Literal[False] | None = False
    early_us: int = 0  # us by which the wall time in its mtxi, and in its neighbours', is too early
    own_early_us: int = 0  # us by which its own is earlier than those


@dataclass(frozen=True, slots=True)
class GrowthTimes:
    """When growth was seen: `written_us` box time of its last part (None: long ago, or unknown).

    `clock_gap_us` is box time minus the machine's wall clock, in which MediaMTX writes its times.
    `may_be_burst`: a run that begins with it may go on at once, as a camera's buffer does. `begun_us`: box
    time by which the first byte of its file had arrived (`neighbours.with_begin`).
    """

    written_us: int | None
    clock_gap_us: int = 0
    may_be_burst: bool = False
    begun_us: int | None = None
