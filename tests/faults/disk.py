"""Small disks that can be filled and emptied, and failing system calls."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.kit.waiting import eventually

FILLER = "filler"


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Path]:
    """A separate file system at `folder`; skips where mounting is not allowed."""
    folder.mkdir(parents=True)
    words = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(words, capture_output=True, check=False).returncode:
        pytest.skip("a small disk needs root and a kernel that lets us mount")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path) -> None:
    """Fill the disk completely."""
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
    """Inside the block, `calls` (strace's names) of process `pid` on `file` fail with `error`."""
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
    """Once every thread of `pid` is traced; skips where tracing is not allowed."""

    def is_traced() -> bool:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        return all("TracerPid:\t0" not in (task / "status").read_text() for task in tasks)

    try:
        await eventually(is_traced, what="the tracer")
    except AssertionError:
        pytest.skip("this machine does not let strace attach")


def remount(folder: Path, how: str) -> None:
    """`ro` or `rw`. A file system with a file open for writing cannot become `ro`: retried."""
    deadline = time.monotonic() + 5
    words = ["mount", "-o", f"remount,{how}", str(folder)]
    while subprocess.run(words, capture_output=True, check=False).returncode:
        assert time.monotonic() < deadline, f"{folder} does not become {how}"
        time.sleep(0.01)


@dataclass
class Ext4:
    """A disk whose file system becomes read-only while in use, as after an error."""

    folder: Path
    image: Path

    def mount(self) -> bool:
        words = ["mount", "-o", "loop,errors=remount-ro", str(self.image), str(self.folder)]
        return subprocess.run(words, capture_output=True, check=False).returncode == 0

    def break_down(self) -> None:
        """From now on EROFS, for open files too. Only `mend` ends it."""
        result = subprocess.run(
            ["findmnt", "-no", "SOURCE", str(self.folder)], capture_output=True, text=True, check=True
        )
        trigger = Path("/sys/fs/ext4", Path(result.stdout.strip()).name, "trigger_fs_error")
        if not trigger.exists():
            pytest.skip("this kernel cannot break a file system on demand")
        trigger.write_text("1")

    def mend(self) -> None:
        """Unmount, mount. No file may be open."""
        subprocess.run(["umount", str(self.folder)], check=True)
        assert self.mount()


@contextmanager
def ext4_disk(folder: Path, megabytes: int) -> Iterator[Ext4]:
    """Skips without loop devices."""
    folder.mkdir(parents=True)
    disk = Ext4(folder, folder.with_name(folder.name + ".img"))
    with disk.image.open("wb") as image:
        image.truncate(megabytes << 20)
    made = shutil.which("mkfs.ext4", path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    if os.geteuid() or made is None:
        pytest.skip("a disk that breaks needs root and mkfs.ext4")
    subprocess.run([made, "-q", "-F", str(disk.image)], check=True)
    if not disk.mount():
        pytest.skip("this machine has no loop devices")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
