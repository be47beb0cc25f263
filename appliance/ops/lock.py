"""One daemon per state folder: two would cut, delete and number against each other."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOCK = "lock"


class StateBusy(Exception):
    """Another process holds the state folder."""


@contextmanager
def hold_state(state_dir: Path) -> Iterator[None]:
    """Hold `state_dir` for the length of the block. Raises StateBusy at once, or OSError.

    The lock is the kernel's and ends with the process, however it ends; the file stays.
    """
    state_dir.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(state_dir / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip()
            by = f" (process {holder})" if holder else ""
            raise StateBusy(f"{state_dir} is in use by another appliance{by}") from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(descriptor)
