"""One file of a channel as the index holds it, and one look at it.

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
    have been given times, in this life or an earlier one, that must not change. `is_suspect`: a power cut may
    have left it its length without its bytes. `deferred`: growth that is not taken in yet (`Clocks.defers`),
    after `waited` looks. `claim`: its mtxi, as far as it was read before the file is walked; False: not yet.
    """

    name: str
    name_us: int | None
    bytes: int
    written_us: int  # box time of the file's last change
    name_times_us: tuple[int, ...] = ()  # all that the name may mean: two in the hour that occurs twice
    facts: SegmentFacts | None = None
    index: SegmentIndex | None = None
    until_ns: int | None = None
    before: SegmentFacts | None = None  # what the file of this name was when it was indexed last
    was_replaced: bool = False  # ... and that was another recording: the log must forget it
    keys_ns: Sequence[int] = ()  # media times of its keys, when runs overlap and `index` is None
    is_open: bool = False
    is_published: bool = False
    is_suspect: bool = False
    deferred: Growth | None = None
    waited: int = 0
    claim: Mtxi | Literal[False] | None = False


@dataclass(frozen=True, slots=True)
class Seen:
    """When growth was seen: `written_us` box time of its last part (None: long ago, or unknown).

    `clock_gap_us` is box time minus the machine's wall clock, in which MediaMTX writes its times.
    `may_be_burst`: a run that begins with it may go on at once, as a camera's buffer does. `begun_us`: box
    time by which the first byte of its file had come (`neighbours.with_begin`).
    """

    written_us: int | None
    clock_gap_us: int = 0
    may_be_burst: bool = False
    begun_us: int | None = None
