"""Descriptors as the file objects that PyAV needs: pieces of inputs read as one file, an output written by
pwrite.

A descriptor passed over a socket shares its position with the daemon's, so nothing here seeks one.
"""

from __future__ import annotations

import io
import os
from abc import ABC, abstractmethod
from collections.abc import Sequence

from appliance.workers.jobs import SourceRange


class _Positioned(io.RawIOBase, ABC):
    """A file object with a position of its own."""

    def __init__(self) -> None:
        super().__init__()
        self._at = 0

    @abstractmethod
    def _end(self) -> int:
        """Length in bytes."""

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at}.get(whence)
        at = (self._end() if base is None else base) + offset
        if at < 0:
            raise ValueError("seek before the beginning")
        self._at = at
        return at


class PieceReader(_Positioned):
    """Read-only view of `pieces`, in order, over the descriptors in `inputs`. Does not own the
    descriptors."""

    def __init__(self, inputs: Sequence[int], pieces: Sequence[SourceRange]) -> None:
        super().__init__()
        self._inputs = tuple(inputs)
        self._pieces = tuple(pieces)
        self._size = sum(piece.length for piece in pieces)

    def _end(self) -> int:
        return self._size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]  # what PyAV hands over
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes; fewer only at the end of all pieces or where a file is shorter than its
        piece."""
        wanted = self._size - self._at if size < 0 else size
        chunks: list[bytes] = []
        while wanted > 0 and (data := self._read_within_piece(wanted)):
            chunks.append(data)
            self._at += len(data)
            wanted -= len(data)
        return b"".join(chunks)

    def _read_within_piece(self, wanted: int) -> bytes:
        start = 0
        for piece in self._pieces:
            inside = self._at - start
            if 0 <= inside < piece.length:
                return os.pread(
                    self._inputs[piece.input], min(wanted, piece.length - inside), piece.offset + inside
                )
            start += piece.length
        return b""


class OutputFile(_Positioned):
    """Write-only view of a descriptor, by pwrite. Does not own it. EFBIG beyond the job's limit."""

    def __init__(self, output: int) -> None:
        super().__init__()
        self._output = output
        self.error: OSError | None = None
        """Why a write failed: FFmpeg's own error does not distinguish a full disk from bad media."""

    def _end(self) -> int:
        return os.fstat(self._output).st_size

    def writable(self) -> bool:
        return True

    def write(self, data: bytes | bytearray | memoryview) -> int:  # type: ignore[override]  # what PyAV hands over
        done = 0
        view = memoryview(data)
        try:
            while done < len(view):
                done += os.pwrite(self._output, view[done:], self._at + done)
        except OSError as exc:
            self.error = exc
            raise
        self._at += done
        return done
