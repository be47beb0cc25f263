"""The newest parts of every channel as finished WebSocket frames, made once for all viewers.

Owns: one read of a part for all viewers, and how much of that is cached. Must not know: viewers, sockets.
Writes to several viewers refer to the same bytes, so 200 viewers need no more memory than one; with a copy
for each, 900 viewers that did not read took 3.3 GB.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field

import trio

from appliance.box.live.protocol import binary_frame

KEPT_BYTES = 16 << 20  # of all channels: four at 20 Mbit/s for one and a half seconds
KEPT_MAX = 256  # messages: limits the bookkeeping of many small ones


@dataclass(slots=True, eq=False)
class _Kept:
    """One message; `making` is locked while it is made."""

    frame: bytes = b""
    making: trio.Lock = field(default_factory=trio.Lock)


class SharedParts:
    """A cache used by `get`, emptied by `clear`; the oldest entries beyond `limit_bytes` are dropped."""

    def __init__(self, limit_bytes: int = KEPT_BYTES) -> None:
        self._limit_bytes = limit_bytes
        self._kept: dict[Hashable, _Kept] = {}
        self.size_bytes = 0

    async def get(self, key: Hashable, make: Callable[[], Awaitable[bytes]]) -> bytes:
        """The frame of `key`; its payload is `make()`, awaited once for all concurrent callers.

        An error of `make` is raised to the caller that ran it; the next caller tries again.
        """
        entry = self._kept.setdefault(key, _Kept())
        if not entry.frame:
            async with entry.making:
                if not entry.frame:
                    try:
                        entry.frame = binary_frame(await make())
                    finally:
                        self._account(key, entry)
        return entry.frame

    def _account(self, key: Hashable, entry: _Kept) -> None:
        """Count a message that was made, or drop the failed attempt; it may have been dropped meanwhile."""
        if self._kept.get(key) is not entry:
            return
        if entry.frame:
            self.size_bytes += len(entry.frame)
            self._forget_oldest(key)
        elif not entry.making.statistics().tasks_waiting:
            del self._kept[key]

    def clear(self) -> None:
        """No viewers: free the memory."""
        self._kept.clear()
        self.size_bytes = 0

    def _forget_oldest(self, newest: Hashable) -> None:
        for key in list(self._kept):
            if (self.size_bytes <= self._limit_bytes and len(self._kept) <= KEPT_MAX) or key == newest:
                return
            self.size_bytes -= len(self._kept.pop(key).frame)
