"""Limits on how many clients watch live video, and from where.

Owns: the limits and the refusals. Must not know: pictures, sockets.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from appliance.kernel.errors import Refused, Unavailable
from appliance.kernel.fields import is_loopback

VIEWERS_MAX = 200  # 1.6 Gbit/s of 8 Mbit/s channels: more than the box's network port
PER_ADDRESS = 24  # a tablet shows four; several may share one address


@dataclass(slots=True)
class Audience:
    """Present viewers. `refused` counts those over a limit."""

    viewers_max: int = VIEWERS_MAX
    per_address: int = PER_ADDRESS
    addresses: Counter[str] = field(default_factory=Counter)
    refused: int = 0
    dropped: int = 0  # because they did not read

    @property
    def count(self) -> int:
        return self.addresses.total()

    @contextmanager
    def seat(self, address: str) -> Iterator[None]:
        """One viewer's place for the length of the block. Raises Unavailable (503) when all are taken,
        Refused (429) when those of its address are."""
        if self.count >= self.viewers_max:
            self.refused += 1
            raise Unavailable(
                "too_many_viewers",
                f"{self.viewers_max} viewers are watching, more would slow the box down",
                "close some live pictures, then try again",
                retry_after_s=5,
            )
        if not is_loopback(address) and self.addresses[address] >= self.per_address:
            self.refused += 1
            raise Refused(
                429,
                "too_many_viewers",
                f"{self.per_address} live pictures are open from {address}",
                "close some of them",
            )
        self.addresses[address] += 1
        try:
            yield
        finally:
            self.addresses[address] -= 1
            if not self.addresses[address]:
                del self.addresses[address]
