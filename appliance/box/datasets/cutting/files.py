"""A clip's file: a draft beside it until the clip is complete and checked.

Owns: drafts, writing a plan's bytes, hashes. Blocking: run it in a thread. Must not know: plans, workers.
Files are not synced to disk here: a clip counts once the outputs have it.
"""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from appliance.box.datasets.cutting.planning import Laid, Refusal

_COPY_BYTES: Final = 8 << 20
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def draft_of(path: str) -> Path:
    """The draft's name has play and camera, as the clip's has: no two clips share one."""
    return Path(path + ".partial")


def open_draft(path: str) -> int:
    """A new empty draft, read-write. Raises Refusal."""
    try:
        return os.open(draft_of(path), os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    except OSError as exc:
        raise _refusal(exc) from exc


def publish(path: str) -> None:
    """The draft becomes the clip. Raises Refusal."""
    try:
        draft_of(path).replace(path)
    except OSError as exc:
        raise _refusal(exc) from exc


def discard(path: str) -> None:
    """Remove the draft, and what an earlier run left under the clip's name."""
    for name in (draft_of(path), Path(path)):
        with suppress(OSError):
            name.unlink(missing_ok=True)


def write_laid(laid: Laid, descriptors: Sequence[int], output: int) -> None:
    """Write header and ranges, copied inside the kernel. Raises Refusal."""
    try:
        os.ftruncate(output, 0)
        _write_all(output, laid.header)
        at = len(laid.header)
        for number, offset, length in laid.ranges:
            at = _copy(descriptors[number], offset, length, output, at)
    except OSError as exc:
        raise _refusal(exc) from exc


def sha256_of(fd: int) -> tuple[str, int]:
    """(hex digest, size) of an open file."""
    with open(fd, "rb", buffering=0, closefd=False) as file:
        file.seek(0)
        digest = hashlib.file_digest(file, "sha256")
    return digest.hexdigest(), os.fstat(fd).st_size


def _write_all(output: int, data: bytes) -> None:
    view, at = memoryview(data), 0
    while at < len(view):
        at += os.pwrite(output, view[at:], at)


def _copy(source: int, offset: int, length: int, output: int, at: int) -> int:
    """Bytes offset..offset+length of `source` to byte `at` of `output`; returns where they end."""
    os.lseek(output, at, os.SEEK_SET)
    while length:
        sent = os.sendfile(output, source, offset, min(length, _COPY_BYTES))
        if not sent:
            raise Refusal(
                "source_cut_off", f"the source ends at byte {offset}, {length} before the clip does"
            )
        offset, length, at = offset + sent, length - sent, at + sent
    return at


def _refusal(exc: OSError) -> Refusal:
    return Refusal("disk_full" if exc.errno in _FULL else "io", f"writing the clip: {exc.strerror}")
