"""Where plays and videos come from: the interfaces of a run, and those that read files and roots."""

from __future__ import annotations

import errno
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar

import trio

from appliance.box.datasets.model import ErrorCode, PlannedSpan, Play
from appliance.box.datasets.outputs.entries import source_key
from appliance.box.datasets.plays.checked import GamePlays, checked_plays, plays_of_games
from appliance.box.datasets.plays.postgrest import PostgrestPlays
from appliance.box.datasets.plays.rows import Row
from appliance.box.datasets.storage.model import Storage
from appliance.kernel.threads import in_thread

T = TypeVar("T")


async def blocking(call: Callable[[], T]) -> T:
    """A call of a storage, in a thread. Canceled, it is left to end by itself: a disk or network may hang."""
    return await in_thread(call, abandon_on_cancel=True)


class PlaySource(Protocol):
    async def plays(self, game_id: str) -> GamePlays:
        """Raises PlaysUnavailable."""
        ...


@dataclass(frozen=True, slots=True)
class Footage:
    """What there is of one camera of a game. `identity`: changes when the video does. `error`: why no clip of
    this camera can be cut, with its detail in words. `errors`: those of single plays. Where the box is the
    source: `spans`, and by play the number of its own one."""

    identity: str = ""
    bytes: int = 0
    error: ErrorCode | None = None
    detail: str = ""
    errors: dict[str, tuple[ErrorCode, str]] = field(default_factory=dict)
    spans: tuple[PlannedSpan, ...] = ()
    span_of: dict[str, int] = field(default_factory=dict)

    def identity_of(self, play_id: str) -> str:
        number = self.span_of.get(play_id)
        return self.identity if number is None else self.spans[number].model_dump_json()


@dataclass(frozen=True, slots=True)
class OpenVideo:
    """`path` is "" where every clip is planned. `is_copy`: it was fetched."""

    path: str
    fetched: int = 0
    is_copy: bool = False


class VideoSource(Protocol):
    async def look(self, game_id: str, camera: str, plays: Sequence[Play]) -> Footage:
        """Raises OSError: the root cannot be reached."""
        ...

    def opened(self, game_id: str, camera: str, work: Path) -> AbstractAsyncContextManager[OpenVideo]:
        """The video as a file while the block lasts; a copy is below `work`. Raises OSError."""
        ...


class FilePlays:
    """Rows that were read from a file."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self._rows = rows

    async def plays(self, game_id: str) -> GamePlays:
        return plays_of_games(self._rows, [game_id])[0]


class QueriedPlays:
    """Rows of PostgREST, asked for by game."""

    def __init__(self, rows: PostgrestPlays) -> None:
        self._rows = rows

    async def plays(self, game_id: str) -> GamePlays:
        rows = await blocking(lambda: self._rows.rows(game_id))
        return checked_plays(game_id, rows)


class StoredVideos:
    """Videos below a root: used in place in a folder, fetched once from a bucket and removed afterwards."""

    def __init__(self, root: Storage) -> None:
        self._root = root

    async def look(self, game_id: str, camera: str, plays: Sequence[Play]) -> Footage:
        key = source_key(game_id, camera)
        stored = await blocking(lambda: self._root.find(key))
        if stored is None:
            return Footage(error="source_missing", detail=f"{self._root.uri}/{key} is not there")
        return Footage(identity=f"{stored.key} {stored.size} {stored.version}", bytes=stored.size)

    @asynccontextmanager
    async def opened(self, game_id: str, camera: str, work: Path) -> AsyncIterator[OpenVideo]:
        key = source_key(game_id, camera)
        place = self._root.place(key)
        if place is not None:
            yield OpenVideo(str(place))
            return
        copy = work / f"source_{game_id}_{camera}.mp4"
        try:
            stored = await blocking(lambda: self._root.find(key))
            if stored is None:
                raise FileNotFoundError(errno.ENOENT, "it is not there any more", key)
            _require_space(work, stored.size)
            size = await blocking(lambda: self._root.fetch(key, copy))
            yield OpenVideo(str(copy), size, is_copy=True)
        finally:
            with trio.CancelScope(shield=True):
                await in_thread(lambda: copy.unlink(missing_ok=True))


def _require_space(folder: Path, size: int) -> None:
    """Raises OSError (ENOSPC) before hours of a download are lost."""
    import shutil

    free = shutil.disk_usage(folder).free
    if free < size:
        detail = f"{size / 1e6:.0f} MB do not fit, {free / 1e6:.0f} MB are free"
        raise OSError(errno.ENOSPC, detail, str(folder))
