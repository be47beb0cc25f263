"""A level-triggered notification: record the change first, then call `notify`.

Owns nothing but a counter. A waiter passes the count it has seen, so a change between its last look and its
wait is never lost, and many changes cause one wake-up.
"""

from __future__ import annotations

import trio


class Signal:
    """Many waiters, each with the count it has seen."""

    __slots__ = ("_event", "count")

    def __init__(self) -> None:
        self.count = 0
        self._event = trio.Event()

    def notify(self) -> None:
        """Wake every waiter. Call on the trio thread."""
        self.count += 1
        self._event.set()
        self._event = trio.Event()

    async def wait_past(self, seen: int) -> int:
        """Wait until the count differs from `seen` and return it; always a checkpoint."""
        if self.count == seen:
            await self._event.wait()
        else:
            await trio.lowlevel.checkpoint()
        return self.count
