"""The bytes of a file that is sent: planned once from recordings, read piece by piece from where they lie.

Owns: the exact plan of a Local Copy (the one that clips are cut by: nothing is decoded or copied), and that a
recording that is gone is distinguished from a disk that is away. Must not know: the cloud, rows.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import trio

from appliance.box.sync.media.core import Range, slices
from appliance.box.sync.media.store import Span
from appliance.kernel.errors import Unavailable
from appliance.kernel.threads import in_thread
from appliance.media.cut.plan import NoFootage, Plan, make_plan
from appliance.media.index.view import SegmentView

Planned = tuple[bytes, tuple[Range, ...]]
"""Header, and the ranges after it."""


class Lost(Exception):
    """The bytes do not exist any more. The message is for people."""


class Recordings(Protocol):
    """What is needed of the index. Wall times, microseconds."""

    async def views(self, channel_id: str, start_us: int, end_us: int) -> Sequence[SegmentView]: ...

    def open_fd(self, name: str) -> int: ...


@dataclass(frozen=True, slots=True)
class Content:
    """`clips_dir`: where clips have their own files. `threads`: for reads of recordings."""

    recordings: Recordings
    clips_dir: Path
    threads: trio.CapacityLimiter

    async def plan(self, span: Span) -> Plan:
        """Fix the bytes of a Local Copy. Raises Lost: there is no footage; Unavailable."""
        late = span.latency_us
        try:
            views = await self.recordings.views(span.channel_id, span.start_us + late, span.end_us + late)
            return await in_thread(self._plan, views, span, limiter=self.threads)
        except NoFootage as error:
            raise Lost(f"{span.channel_id} recorded nothing of the session: {error}") from None
        except OSError as error:
            raise _away(error) from error

    def _plan(self, views: Sequence[SegmentView], span: Span) -> Plan:
        opened: dict[str, int] = {}

        def open_fd(name: str) -> int:
            if name not in opened:
                opened[name] = self.recordings.open_fd(name)
            return opened[name]

        try:
            return make_plan(
                views, open_fd, start_us=span.start_us, end_us=span.end_us, latency_us=span.latency_us
            )
        finally:
            for fd in opened.values():
                os.close(fd)

    async def read(self, planned: Planned, clip_file: str | None, start: int, length: int) -> bytes:
        """The bytes [start, start + length), from the clip's own file if it has one. Raises Lost,
        Unavailable."""
        return await in_thread(self._read, planned, clip_file, start, length, limiter=self.threads)

    def _read(self, planned: Planned, clip_file: str | None, start: int, length: int) -> bytes:
        header, ranges = planned
        try:
            if clip_file is not None:
                return _pread(lambda: _open(self.clips_dir / clip_file), start, length)
            parts = slices(len(header), ranges, start, length)
            return b"".join(self._slice(header, part) for part in parts)
        except FileNotFoundError as error:
            raise Lost(f"the recording is gone: {error.filename or error.strerror}") from None
        except OSError as error:
            raise _away(error) from error

    def _slice(self, header: bytes, part: Range) -> bytes:
        name, offset, length = part
        if not name:
            return header[offset : offset + length]
        return _pread(lambda: self.recordings.open_fd(name), offset, length)


def _open(path: Path) -> int:
    return os.open(path, os.O_RDONLY | os.O_CLOEXEC)


def _pread(open_fd: Callable[[], int], offset: int, length: int) -> bytes:
    """Raises FileNotFoundError: also for a file that is shorter than its plan."""
    fd = open_fd()
    try:
        parts: list[bytes] = []
        while length and (part := os.pread(fd, length, offset)):
            parts.append(part)
            offset, length = offset + len(part), length - len(part)
    finally:
        os.close(fd)
    if length:
        raise FileNotFoundError(errno.ENOENT, "the file ends too early")
    return b"".join(parts)


def _away(error: OSError) -> Unavailable:
    return Unavailable("recordings_disk", str(error.strerror or error), "look at /readyz")
