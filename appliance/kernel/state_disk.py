"""A state disk that cannot be written: detecting it, and a copy of the database to read from meanwhile.

SQLite writes beside a WAL database even to read it, so on a disk that has become read-only (ext4
does that after an I/O error) the database is copied to memory-backed storage and opened there. The copy
serves reads; it is deleted once the disk can be written again.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PREFIX: Final = "appliance-read-only-"
_PROBE: Final = ".writable"
_LOCK: Final = "lock"
_REFUSALS: Final = (errno.EROFS, errno.EIO, errno.ENODEV, errno.ESHUTDOWN, errno.EUCLEAN)


def refusal(folder: Path) -> str | None:
    """Why files in `folder` cannot be written although the folder exists; None when they can. Blocks.

    A full disk and missing rights are not reported here: opening the database gives a better error.
    """
    path = folder / _PROBE
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
            path.unlink(missing_ok=True)
    except OSError as error:
        return os.strerror(error.errno) if error.errno in _REFUSALS else None
    return None


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy of the database. `lock`: a file lock held while it is in use, so that a later start can
    recognise a copy that a killed process left behind."""

    path: Path
    lock: int


def copy_database(database: Path) -> Copy:
    """Copy the database and its WAL into a new temporary folder; `discard_copy` removes it.

    Raises OSError. Nothing may be writing to the database.
    """
    for place in (*_in_memory(), None):
        try:
            folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=place))
        except OSError:
            if place is None:
                raise
            continue
        lock = -1
        try:
            lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(lock, fcntl.LOCK_EX)
            for name in (database.name, f"{database.name}-wal"):
                if database.with_name(name).exists():
                    shutil.copyfile(database.with_name(name), folder / name)
        except OSError:
            _remove(folder, lock)
            if place is None:
                raise
        else:
            return Copy(folder / database.name, lock)
    raise AssertionError("unreachable")


def discard_copy(copy: Copy) -> None:
    """Remove what `copy_database` made."""
    _remove(copy.path.parent, copy.lock)


def remove_left_copies() -> list[Path]:
    """Remove copies of killed processes, which would fill the memory; returns their folders. Blocking.

    Copies of other users and of running processes stay, and so do folders without a copy's lock.
    """
    removed = []
    for place in (*_in_memory(), tempfile.gettempdir()):
        for folder in Path(place).glob(f"{PREFIX}*"):
            try:
                if folder.lstat().st_uid != os.geteuid() or folder.is_symlink():
                    continue
                lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
            except OSError:
                continue
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                os.close(lock)
                continue
            _remove(folder, lock)
            removed.append(folder)
    return removed


def _in_memory() -> list[str]:
    places = (os.environ.get("RUNTIME_DIRECTORY"), "/dev/shm")
    return [place for place in places if place and os.path.isdir(place)]


def _remove(folder: Path, lock: int) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    if lock >= 0:
        os.close(lock)
