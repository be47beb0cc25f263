"""Marks first: what else a server has to begin takes turns, and gives way to marks under way.

Must not know: connections, requests.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import trio

GIVE_WAY_S = 0.05  # most marks take 10 ms; one that waits for a slow disk holds nobody up


class Turns:
    """Requests that are not marks, and new connections, begin one in each pass of the event loop, and none
    while a mark is being answered.

    A pass in which fifty begin takes 20 ms or more, and a mark takes several passes. A turn waits for the
    marks that are under way when it comes, GIVE_WAY_S at most, and not for later ones: however many marks
    there are, the others go on.
    """

    def __init__(self) -> None:
        self._one = trio.Lock()
        self._marks: dict[object, trio.Event] = {}  # under way

    @contextmanager
    def mark(self) -> Iterator[None]:
        """A mark is being answered in the block."""
        key, done = object(), trio.Event()
        self._marks[key] = done
        try:
            yield
        finally:
            del self._marks[key]
            done.set()

    async def take(self) -> None:
        """Return when it is the caller's turn to begin."""
        async with self._one:
            await self.give_way()
            await trio.lowlevel.checkpoint()

    async def give_way(self) -> None:
        """Return when the marks that are under way now have been answered, GIVE_WAY_S later at most."""
        if not self._marks:
            return
        with trio.move_on_after(GIVE_WAY_S):
            for done in list(self._marks.values()):
                await done.wait()
