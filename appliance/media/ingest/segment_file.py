"""Execute a FragmentWriter's commands on a directory.

Owns: file names and the writes. Must not know: the content of the bytes.
Like MediaMTX it never calls fsync: the follower of the directory does (recordings).
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from appliance.media.mp4.fragment import MVHD_DURATION_AT, CloseSegment, Command, OpenSegment

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def segment_name(ntp_ns: int) -> str:
    """`%Y-%m-%d_%H-%M-%S-%f.mp4` in UTC, cut to microseconds; ns since the epoch."""
    return (_EPOCH + timedelta(microseconds=ntp_ns // 1000)).strftime("%Y-%m-%d_%H-%M-%S-%f.mp4")


class SegmentFiles:
    """One channel's directory with at most one file open.

    `apply` passes OSError on (disk full, no permission); the incomplete part is then truncated and the file
    closed, and an empty file is removed: a disk that stays full must not fill with empty files.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.path: Path | None = None
        self._fd = -1
        self._complete = 0

    @property
    def is_open(self) -> bool:
        return self._fd >= 0

    def apply(self, commands: Iterable[Command]) -> None:
        """Execute in order. One write(2) per part, so a reader sees complete parts except after a crash."""
        try:
            for command in commands:
                self._apply_command(command)
        except OSError:
            self._abandon()
            raise

    def _apply_command(self, command: Command) -> None:
        if isinstance(command, OpenSegment):
            self._open(command)
        elif isinstance(command, CloseSegment):
            self._close(command.duration_ms)
        else:
            self._write(command.data)

    def _open(self, command: OpenSegment) -> None:
        self.directory.mkdir(mode=0o755, parents=True, exist_ok=True)
        self.path = self.directory / segment_name(command.ntp_ns)
        self._complete = 0
        self._fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        self._write(command.header)

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:  # a short write means the disk is nearly full: the next one fails
            view = view[os.write(self._fd, view) :]
        self._complete += len(data)

    def _close(self, duration_ms: int) -> None:
        fd, self._fd = self._fd, -1
        try:
            os.pwrite(fd, struct.pack(">I", min(duration_ms, 0xFFFF_FFFF)), MVHD_DURATION_AT)
        finally:
            os.close(fd)

    def _abandon(self) -> None:
        fd, self._fd = self._fd, -1
        if fd < 0:
            return
        try:
            os.ftruncate(fd, self._complete)
            if not self._complete and self.path is not None:
                self.path.unlink(missing_ok=True)
        finally:
            os.close(fd)
