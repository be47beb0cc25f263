"""Bytes of PATCHes that are in memory until they are an object.

Owns: their bound over all requests of this process. A request that would pass it stores what it has at once,
as a smaller object: a slow client never keeps others waiting, and thousands of them hold little.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from appliance.cloud.objects.model import PART_MAX

TOTAL_MAX: Final = 8 * PART_MAX


@dataclass(slots=True)
class Buffers:
    """`held`: bytes of all requests."""

    total_max: int = TOTAL_MAX
    part_max: int = PART_MAX
    held: int = 0

    def begin(self) -> Buffer:
        return Buffer(self, bytearray())


@dataclass(slots=True)
class Buffer:
    """What one request holds."""

    of: Buffers
    data: bytearray

    def add(self, data: bytes | memoryview) -> int:
        """Keep as much as fits into one object; returns how much."""
        count = min(len(data), self.of.part_max - len(self.data))
        self.data += data[:count]
        self.of.held += count
        return count

    @property
    def is_due(self) -> bool:
        """Whether it is to be stored now."""
        return bool(self.data) and (len(self.data) >= self.of.part_max or self.of.held > self.of.total_max)

    def clear(self) -> None:
        self.of.held -= len(self.data)
        self.data = bytearray()
