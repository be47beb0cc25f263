"""The newest parts of every channel as finished WebSocket frames, made once for all who watch.

Owns: one read of a part however many want it, and how much of that is kept. Must not know: viewers, sockets.
A viewer that is being written to refers to the same bytes as the others, so 200 viewers need no more memory
than one; without this each held copies of its own (900 that did not read: 3.3 GB).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field

import trio

from appliance.live.protocol import binary_frame

KEPT_BYTES = 16 << 20  # of all channels: four at 20 Mbit/s for one and a half seconds
KEPT_MAX = 256  # messages: small ones cost their bookkeeping


@dataclass(slots=True, eq=False)
class _Kept:
    """One message; `making` is held by who makes it."""

    frame: bytes = b""
    making: trio.Lock = field(default_factory=trio.Lock)


class SharedParts:
    """`get` until `clear`; what is oldest is forgotten beyond `limit_bytes`."""

    def __init__(self, limit_bytes: int = KEPT_BYTES) -> None:
        self._limit_bytes = limit_bytes
        self._kept: dict[Hashable, _Kept] = {}
        self.size_bytes = 0

    async def get(self, key: Hashable, make: Callable[[], Awaitable[bytes]]) -> bytes:
        """The frame of `key`; its payload is `make()`, awaited once for everybody who asks meanwhile.

        What `make` raises goes to the one that made it; the next one tries again.
        """
        kept = self._kept.setdefault(key, _Kept())
        if not kept.frame:
            async with kept.making:
                if not kept.frame:
                    try:
                        kept.frame = binary_frame(await make())
                    finally:
                        self._account(key, kept)
        return kept.frame

    def _account(self, key: Hashable, kept: _Kept) -> None:
        """Count a message that was made, or forget the attempt; it may have been forgotten meanwhile."""
        if self._kept.get(key) is not kept:
            return
        if kept.frame:
            self.size_bytes += len(kept.frame)
            self._forget_oldest(key)
        elif not kept.making.statistics().tasks_waiting:
            del self._kept[key]

    def clear(self) -> None:
        """Nobody watches: give the memory back."""
        self._kept.clear()
        self.size_bytes = 0

    def _forget_oldest(self, newest: Hashable) -> None:
        for key in list(self._kept):
            if (self.size_bytes <= self._limit_bytes and len(self._kept) <= KEPT_MAX) or key == newest:
                return
            self.size_bytes -= len(self._kept.pop(key).frame)
