"""The jobs that clips need from the media workers; the composition root passes the implementation.

Owns: the source of such a job, an MP4 made of ranges of open files. Must not know: processes, queues.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

from appliance.http.ranges import FileRange


@dataclass(frozen=True, slots=True)
class JobSource:
    """An MP4: `pieces` are (number of the descriptor, offset, length), in order."""

    descriptors: tuple[int, ...]
    pieces: tuple[tuple[int, int, int], ...]


@dataclass(frozen=True, slots=True)
class Inspection:
    """The measured content of an MP4; every frame was decoded. Times in seconds, shares 0..1.

    `sounds` counts audio streams; `end_s` is where the last picture ends; `read_error` is "" when the file
    could be read to its end.
    """

    frames: int
    packets: int
    width: int
    height: int
    codec: str
    end_s: float
    errors: int
    black_share: float
    frozen_share: float
    sounds: int
    read_error: str


class MediaJobs(Protocol):
    """Each raises Refused when the media cannot be used, Unavailable when no worker answers."""

    async def encode(
        self,
        source: JobSource,
        output: int,
        *,
        mode: str,
        frames: int,
        span_s: float,
        on_progress: Callable[[float], None],
    ) -> None:
        """Encode what `source` shows into the empty file `output`; bulk. `on_progress` gets seconds done."""
        ...

    async def inspect(self, source: JobSource, *, span_s: float) -> Inspection:
        """Decode all of it and count; bulk."""
        ...

    async def frame(self, source: JobSource, at_s: float, *, width_px: int, bulk: bool) -> bytes:
        """The JPEG of the frame shown at `at_s` seconds of the MP4; beyond its end the last one."""
        ...


@asynccontextmanager
async def opened(pieces: Sequence[bytes | FileRange]) -> AsyncIterator[JobSource]:
    """The bytes of a clip as a job's source. Takes over the file ranges' descriptors and closes them."""
    places: dict[int, int] = {}
    pieces_of: list[tuple[int, int, int]] = []
    try:
        for fd in (piece.fd for piece in pieces if isinstance(piece, FileRange)):
            places.setdefault(fd, len(places))
        for piece in pieces:
            if isinstance(piece, FileRange):
                pieces_of.append((places[piece.fd], piece.offset, piece.length))
            elif piece:
                memory = _in_memory(piece)
                places[memory] = len(places)
                pieces_of.append((places[memory], 0, len(piece)))
        yield JobSource(tuple(places), tuple(pieces_of))
    finally:
        for fd in places:
            os.close(fd)


def _in_memory(data: bytes) -> int:
    memory = os.memfd_create("clip header", os.MFD_CLOEXEC)
    with open(memory, "wb", closefd=False) as file:
        file.write(data)
    return memory
