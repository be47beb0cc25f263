"""The interfaces that retention needs of other domains, and its figures. The composition root connects
them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

from appliance.box.recordings.model import StoredSegment
from appliance.box.retention.core import hours_left
from appliance.kernel.tx import Tx


class Space(NamedTuple):
    """The file system a folder is on."""

    device: int
    free_bytes: int


class Recordings(Protocol):
    """The recordings on the disk, according to the index."""

    def channel_ids(self) -> list[str]: ...

    def stored(self, channel_id: str) -> Iterator[StoredSegment]:
        """Oldest first; the iteration may be paused and resumed."""
        ...

    def bytes_per_s(self, channel_id: str) -> float: ...

    def open_fd(self, name: str) -> int:
        """Blocking; raises OSError."""
        ...

    async def remove(self, channel_id: str, names: Sequence[str]) -> None:
        """Unlink, durably. Raises OSError."""
        ...


class Clips(Protocol):
    """The writer of clip files."""

    async def write_now(self, clip_id: str, media_rev: int) -> bool: ...

    async def collect_now(self) -> None: ...


ExpireClip = Callable[[Tx, str, str], bool]
"""Deletes a clip (id, reason) with everything that belongs to it; False when it must now be kept."""


@dataclass(frozen=True, slots=True)
class Folders:
    state: Path
    recordings: Path
    clips: Path


@dataclass(frozen=True, slots=True)
class Figures:
    """Results of the last check. `hours` None: nothing is being recorded.

    `stuck`: clips whose files could not be written, so that their recordings stay. `doubts_ages`: box time
    was set, nothing counts as too old for a day. `error`: of a disk or the database. `unmet`: limits the disk
    would not meet with all recordings deleted. `waiting`: settings that delete more than those of the last
    run; from `waits_until_us` (box time) on they would delete `waiting_bytes` at once.
    """

    free_bytes: int = 0
    deletable_bytes: int = 0
    short_bytes: int = 0
    bytes_per_s: float = 0.0
    deleted_bytes: int = 0
    has_spare_space: bool = False
    wants_spare_space: bool = False
    doubts_ages: bool = False
    stuck: tuple[str, ...] = ()
    error: str = ""
    unmet: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ()
    waits_until_us: int = 0
    waiting_bytes: int = 0

    @property
    def hours(self) -> float | None:
        """Of recording, before something guarded must be deleted."""
        return hours_left(self.free_bytes, self.deletable_bytes, self.bytes_per_s)
