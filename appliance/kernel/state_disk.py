"""A state disk that cannot be written: noticing it, and a copy of the database to read from meanwhile.

A write-ahead log cannot even be read without writing beside it, so on a disk that has become read-only
(ext4 does that after an I/O error) the database is copied to memory-backed storage and opened there. The copy
serves reads; it is thrown away once the disk can be written again.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from pathlib import Path
from typing import Final

PREFIX: Final = "appliance-read-only-"
_PROBE: Final = ".writable"
_REFUSALS: Final = (errno.EROFS, errno.EIO, errno.ENODEV, errno.ESHUTDOWN, errno.EUCLEAN)


def refusal(folder: Path) -> str | None:
    """Why files in `folder` cannot be written although it is there; None when they can. Blocks.

    A full disk or missing rights are not meant: the database itself says those best.
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


def copy_database(database: Path) -> Path:
    """A copy of the database and its log in a new temporary folder; the folder's `discard_copy` removes it.

    Raises OSError. Nothing may be writing the database.
    """
    in_memory = (os.environ.get("RUNTIME_DIRECTORY"), "/dev/shm")
    places = [place for place in in_memory if place and os.path.isdir(place)]
    for place in (*places, None):
        try:
            folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=place))
        except OSError:
            if place is None:
                raise
            continue
        try:
            for name in (database.name, f"{database.name}-wal"):
                if database.with_name(name).exists():
                    shutil.copyfile(database.with_name(name), folder / name)
        except OSError:
            shutil.rmtree(folder, ignore_errors=True)
            if place is None:
                raise
        else:
            return folder / database.name
    raise AssertionError("unreachable")


def discard_copy(copy: Path) -> None:
    """Remove what `copy_database` made."""
    shutil.rmtree(copy.parent, ignore_errors=True)
