"""Objects as files of a folder.

Owns: the order of a create: a draft is written and synced, then linked under its name (which fails if the
name exists), then the folder is synced. obstore's own local store syncs nothing. Must not know: the meaning
of keys.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final, TypeVar

import trio

from appliance.cloud.objects.model import NoObject, checked_data, checked_key, checked_range, unavailable
from appliance.kernel.clock import wall_us
from appliance.kernel.ids import new_uuid
from appliance.kernel.threads import in_thread

T = TypeVar("T")
DRAFTS: Final = ".drafts"
_OLD_S: Final = 86_400.0  # a draft older than this was left behind by a crash


class FolderObjects:
    """Several processes may share the folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._threads = trio.CapacityLimiter(8)

    def open(self) -> None:
        """Make the folder; remove drafts that a crash left a day ago. Blocks; raises OSError."""
        drafts = self.root / DRAFTS
        _make_folder(drafts)
        for draft in drafts.iterdir():
            try:
                if wall_us() / 1e6 - draft.stat().st_mtime > _OLD_S:
                    draft.unlink()
            except FileNotFoundError:
                pass  # another process has removed it

    async def create(self, key: str, data: bytes) -> bool:
        path = self._path(key)
        checked_data(data)
        return await self._blocking(lambda: self._create(path, data))

    async def create_long(self, key: str, parts: AsyncIterator[bytes], length: int) -> bool:
        path = self._path(key)
        if await self._blocking(path.exists):
            return False
        draft = self.root / DRAFTS / new_uuid()
        file = await self._blocking(lambda: draft.open("xb"))
        try:
            async for data in parts:
                await self._blocking(partial(file.write, checked_data(data)))
            return await self._blocking(lambda: self._publish(file, draft, path))
        finally:
            with trio.CancelScope(shield=True):
                await self._blocking(lambda: _drop(file, draft))

    async def size(self, key: str) -> int:
        path = self._path(key)
        return await self._blocking(lambda: path.stat().st_size)

    async def read(self, key: str, start: int = 0, end: int | None = None) -> bytes:
        path = self._path(key)
        start, length = checked_range(start, end)
        return await self._blocking(lambda: _read(path, start, length))

    async def delete(self, key: str) -> None:
        path = self._path(key)
        await self._blocking(lambda: _delete(path))

    def _path(self, key: str) -> Path:
        return self.root / checked_key(key)

    async def _blocking(self, call: Callable[[], T]) -> T:
        try:
            return await in_thread(call, limiter=self._threads)
        except FileNotFoundError as error:
            raise NoObject(str(error.filename)) from None
        except OSError as error:
            raise unavailable(error.strerror or str(error)) from error

    def _create(self, path: Path, data: bytes) -> bool:
        _make_folder(path.parent)
        draft = self.root / DRAFTS / new_uuid()
        file = draft.open("xb")
        try:
            file.write(data)
            return self._publish(file, draft, path)
        finally:
            _drop(file, draft)

    def _publish(self, file: BinaryIO, draft: Path, path: Path) -> bool:
        """Make the draft durable, then give it its name."""
        _make_folder(path.parent)
        file.flush()
        os.fsync(file.fileno())
        try:
            os.link(draft, path)
            is_new = True
        except FileExistsError:
            is_new = False
        _sync_folder(path.parent)  # also when another has just made it: it may not have synced yet
        return is_new


def _drop(file: BinaryIO, draft: Path) -> None:
    """Close and delete a draft. What could not be written before is lost with it."""
    with suppress(OSError):
        file.close()
    draft.unlink(missing_ok=True)


def _make_folder(folder: Path) -> None:
    """Make a folder and its missing parents, all durable."""
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read(path: Path, start: int, length: int) -> bytes:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        parts = []
        while length and (part := os.pread(descriptor, length, start)):
            parts.append(part)
            start, length = start + len(part), length - len(part)
        return b"".join(parts)
    finally:
        os.close(descriptor)


def _delete(path: Path) -> None:
    try:
        path.unlink()
    except (FileNotFoundError, NotADirectoryError):
        return
    _sync_folder(path.parent)
