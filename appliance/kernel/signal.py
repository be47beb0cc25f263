"""A level-triggered wake-up: record the change first, then ring.

Owns nothing but a counter. A waiter says what it has already seen, so a change between its last look
and its wait is never lost, and many changes are one wake-up.
"""

from __future__ import annotations

import trio


class Signal:
    """Many waiters, each with the count it has seen."""

    __slots__ = ("_event", "count")

    def __init__(self) -> None:
        self.count = 0
        self._event = trio.Event()

    def ring(self) -> None:
        """Wake everybody who waits. Called on the trio thread."""
        self.count += 1
        self._event.set()
        self._event = trio.Event()

    async def wait_past(self, seen: int) -> int:
        """Return the count as soon as it is not `seen`; always a checkpoint."""
        if self.count == seen:
            await self._event.wait()
        else:
            await trio.lowlevel.checkpoint()
        return self.count
