"""Which bytes of which file are next, how many at once, and when. Pure.

Owns: the cut of a file into pieces, the size of a piece by how long the last one took, the token bucket. Must
not know: HTTP, rows, disks.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

PIECE_MIN: Final = 64 * 1024
PIECE_MAX: Final = 4 * 2**20
FIRST_PIECE: Final = 512 * 1024
QUICK_S, SLOW_S = 2.0, 8.0  # a piece that takes longer holds the line while something urgent waits
BURST_S: Final = 2.0  # of a limited line: so long one piece takes it

Range = tuple[str, int, int]
"""(recording, offset, length)"""


def slices(header: int, ranges: Sequence[Range], start: int, length: int) -> list[Range]:
    """Where the bytes [start, start + length) of the file are; the recording "" is the header."""
    found: list[Range] = []
    at, end = 0, start + length
    for name, offset, size in (("", 0, header), *ranges):
        first, last = max(at, start), min(at + size, end)
        if first < last:
            found.append((name, offset + first - at, last - first))
        at += size
    return found


def next_size(size: int, took_s: float | None, max_bytes_s: float) -> int:
    """Bytes of the next piece. `took_s`: how long the last one took; None: it did not arrive."""
    if took_s is None or took_s > SLOW_S:
        size //= 2
    elif took_s < QUICK_S:
        size *= 2
    limit = PIECE_MAX if not max_bytes_s else min(PIECE_MAX, round(max_bytes_s * BURST_S))
    return max(PIECE_MIN, min(size, limit))


@dataclass(slots=True)
class Bucket:
    """At most `max_bytes_s`, over time; 0: no limit. A pause adds nothing beyond BURST_S."""

    max_bytes_s: float
    _free_s: float = 0.0  # when the line is free again

    def wait_s(self, now_s: float) -> float:
        """How long to wait before the next piece."""
        return max(0.0, self._free_s - now_s)

    def spend(self, count: int, now_s: float) -> None:
        if self.max_bytes_s:
            self._free_s = max(self._free_s, now_s) + count / self.max_bytes_s


def metadata_of(pairs: Mapping[str, str | None]) -> str:
    """Upload-Metadata of tus."""
    return ",".join(
        f"{name} {base64.b64encode(value.encode()).decode()}" for name, value in pairs.items() if value
    )
