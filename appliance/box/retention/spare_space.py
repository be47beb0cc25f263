"""A file that only occupies space: deleted when the disk of the database is full, so that rows can be
deleted.

SQLite needs space to write even when it deletes. Owns: one file in state_dir. Everything here blocks.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

MIB: Final = 1 << 20
START_BYTES: Final = MIB  # SQLite cannot even open a database with a WAL on a disk without a free block
NAME: Final = "ballast"  # of the file
_FILL_AT: Final = 4  # times its size must be free before it is made again, so that it does not alternate
_DROP_AT: Final = 4  # it is deleted when less than a fourth of its size is free


def spare_bytes(reserve_bytes: int) -> int:
    """A hundredth of the reserve, 8 to 64 MiB; none without a reserve."""
    return 0 if reserve_bytes <= 0 else max(8 * MIB, min(64 * MIB, reserve_bytes // 100))


def make_room(folder: Path) -> None:
    """Free it on a full disk, before the database is opened. Never prevents a start. Blocking."""
    with suppress(OSError):
        stats = os.statvfs(folder)
        if stats.f_bavail * stats.f_frsize < START_BYTES:
            SpareSpace(folder, 0).give_up()


@dataclass(frozen=True, slots=True)
class SpareSpace:
    """`size_bytes` 0: no such file; one left by an earlier setting is removed."""

    folder: Path
    size_bytes: int

    @property
    def path(self) -> Path:
        return self.folder / NAME

    def is_there(self) -> bool:
        try:
            return self.path.stat().st_size >= self.size_bytes > 0
        except OSError:
            return False

    def adjust(self, free_bytes: int) -> bool:
        """Make it when there is space, delete it when there is none. Returns whether it exists.

        Raises OSError.
        """
        if self.size_bytes == 0 or free_bytes < self.size_bytes // _DROP_AT:
            self.give_up()
        elif not self.is_there() and free_bytes >= self.size_bytes * _FILL_AT:
            self._fill()
        return self.is_there()

    def give_up(self) -> bool:
        """Delete it. True when that freed space. Raises OSError."""
        try:
            self.path.unlink()
        except FileNotFoundError:
            return False
        self._sync_folder()
        return True

    def _fill(self) -> None:
        """Write real blocks: a sparse file would free nothing."""
        fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(fd, 0, self.size_bytes)
        except OSError:
            self.path.unlink()
            raise
        finally:
            os.close(fd)
        self._sync_folder()

    def _sync_folder(self) -> None:
        fd = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
