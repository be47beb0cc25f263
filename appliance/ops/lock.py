"""The state folder: one daemon in it, because two would cut, delete and number the same rows. And its files
belong to the service, also after a command that was typed as root: otherwise a `sudo appliance restore` would
leave a database that the service may not open."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOCK = "lock"


class StateBusy(OSError):
    """Another process holds the state folder."""


class StateLock:
    """The lock of a state folder. A kernel lock: it ends with the process, however it ends; the file
    stays."""

    def __init__(self, state_dir: Path) -> None:
        self._path = state_dir / LOCK
        self._descriptor = -1

    def take(self) -> None:
        """Lock the folder. On a disk that cannot be written, the file of an earlier run is locked as it is.

        Raises StateBusy at once when another process holds it, or OSError.
        """
        self.release()
        self._path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, is_writable = _open(self._path)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip()
            by = f" (process {holder})" if holder else ""
            os.close(descriptor)
            raise StateBusy(f"{self._path.parent} is in use by another appliance{by}") from None
        if is_writable:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        self._descriptor = descriptor

    def release(self) -> None:
        """Release the folder; no effect when it is not held."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


@contextmanager
def hold_state(state_dir: Path) -> Iterator[StateLock]:
    """Hold `state_dir` for the length of the block. Raises StateBusy at once, or OSError."""
    lock = StateLock(state_dir)
    lock.take()
    try:
        yield lock
    finally:
        lock.release()


def _open(path: Path) -> tuple[int, bool]:
    """Descriptor of the lock file, and whether it can be written."""
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), True
    except OSError as error:
        if error.errno not in (errno.EROFS, errno.EIO):
            raise
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC), False


@contextmanager
def given_back(state_dir: Path) -> Iterator[None]:
    """At the end of the block, also after an error. No effect for another user than root."""
    try:
        yield
    finally:
        if os.geteuid() == 0:
            give_back(state_dir)


def give_back(folder: Path) -> None:
    """Everything below `folder` that belongs to root belongs to the owner of `folder` from now on."""
    try:
        owner = folder.stat()
    except FileNotFoundError:
        return
    if owner.st_uid == 0:
        return
    for place, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = os.path.join(place, name)
            try:
                if os.lstat(path).st_uid == 0:
                    os.lchown(path, owner.st_uid, owner.st_gid)
            except FileNotFoundError:  # a running box removes files
                continue
