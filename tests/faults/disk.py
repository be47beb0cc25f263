"""Small disks that can be filled and emptied, and system calls that fail."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.kit.waiting import eventually

FILLER = "filler"


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Path]:
    """A file system of its own at `folder`; skips where we may not mount."""
    folder.mkdir(parents=True)
    words = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(words, capture_output=True, check=False).returncode:
        pytest.skip("a small disk needs root and a kernel that lets us mount")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path) -> None:
    """Leave no byte."""
    fd = os.open(folder / FILLER, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        for size in (1 << 16, 4096, 1):
            try:
                while os.write(fd, bytes(size)):
                    pass
            except OSError as error:
                assert error.errno == errno.ENOSPC
    finally:
        os.close(fd)


def free(folder: Path) -> None:
    (folder / FILLER).unlink()


@contextmanager
def failing(pid: int, file: Path, calls: str, error: str, log: Path) -> Iterator[None]:
    """While in the block, `calls` (strace's words) of process `pid` on `file` fail with `error`."""
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace is not installed: no failing disk")
    words = [strace, "-f", "-qq", "-o", str(log), "-P", str(file), "-e", f"trace={calls}"]
    words += ["-e", f"inject={calls}:error={error}", "-p", str(pid)]
    tracer = subprocess.Popen(words, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        tracer.terminate()
        tracer.wait(10)


async def traced(pid: int) -> None:
    """Once every thread of `pid` is under the tracer; skips where tracing is not allowed."""

    def is_traced() -> bool:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        return all("TracerPid:\t0" not in (task / "status").read_text() for task in tasks)

    try:
        await eventually(is_traced, within_s=5, what="the tracer")
    except AssertionError:
        pytest.skip("this machine does not let strace attach")
