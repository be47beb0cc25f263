"""The pipe from the SRT receiver to the remuxer: connections, and bytes with their arrival time.

Owns: the framing. Must not know: who writes or reads it. A frame is a kind, the CLOCK_BOOTTIME instant (us)
at which its bytes arrived, a length and the payload; bytes keep their arrival time however long the pipe is
full.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from enum import IntEnum
from typing import Final, NamedTuple

MAX_PAYLOAD: Final = 1 << 20
_HEADER: Final = struct.Struct(">BqI")


class FrameKind(IntEnum):
    """BEGIN: a connection begins (payload: its address). DATA: its bytes. END: it ended (payload: the
    reason)."""

    BEGIN = 1
    DATA = 2
    END = 3


class Frame(NamedTuple):
    kind: FrameKind
    arrival_us: int
    payload: bytes


def pack(kind: FrameKind, arrival_us: int, payload: bytes) -> bytes:
    """One frame as bytes; `payload` is at most MAX_PAYLOAD long."""
    return _HEADER.pack(kind, arrival_us, len(payload)) + payload


class FrameReader:
    """Frames from the byte stream in any chunks. Raises ValueError on bytes that `pack` does not make."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The frames that are complete now."""
        data = self._rest + data if self._rest else data
        at = 0
        while len(data) - at >= _HEADER.size:
            kind, arrival_us, size = _HEADER.unpack_from(data, at)
            if size > MAX_PAYLOAD:
                raise ValueError("a frame of this length is never written")
            end = at + _HEADER.size + size
            if end > len(data):
                break
            self._rest = b""  # a caller that stops half way gets no frame twice
            yield Frame(FrameKind(kind), arrival_us, data[at + _HEADER.size : end])
            at = end
        self._rest = data[at:]
