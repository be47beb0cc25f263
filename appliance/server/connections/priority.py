"""Priority of marks: other requests and TLS handshakes wait for running marks, and take turns.

Must not know: connections, requests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Final

import trio

PAUSE_KEY: Final = "appliance.pause"  # in the ASGI scope of a mark: the function that `mark` returns
GIVE_WAY_S = 0.05  # most marks take 10 ms; one that waits for a slow disk delays no other request
SHARE = 0.5  # the largest share of time that other requests wait for marks
SAVED_S = 0.25  # the most unused waiting time that can be used later


Pause = Callable[[], AbstractContextManager[None]]


class MarkPriority:
    """Requests other than marks begin one in each pass of the event loop, none while a mark is answered.
    Beside them one TLS handshake does a step in each pass: they have a line of their own, so that a crowd
    that connects delays no request of those who are connected.

    A pass in which fifty begin takes 20 ms or more, and a mark takes several passes. A turn waits for the
    marks that are running when it comes and not for later ones, GIVE_WAY_S at most; however slow the marks
    are, turns get at least half of the time.
    """

    def __init__(self) -> None:
        self._lock, self._handshake_lock = trio.Lock(), trio.Lock()
        self._marks: dict[object, trio.Event] = {}  # running
        self._requests, self._newcomers, self._handshakes = _Share(), _Share(), _Share()

    @contextmanager
    def mark(self) -> Iterator[Pause]:
        """A mark is being answered in the block; in the block of the returned function it waits, and no
        other request waits for it."""
        key = object()

        @contextmanager
        def pause() -> Iterator[None]:
            self._marks.pop(key).set()
            try:
                yield
            finally:
                self._marks[key] = trio.Event()

        self._marks[key] = trio.Event()
        try:
            yield pause
        finally:
            self._marks.pop(key).set()

    async def take(self) -> None:
        """Wait for the caller's turn to begin."""
        async with self._lock:  # handed over in the next pass: a checkpoint here would make it one in two
            await self._within(self._requests)

    async def take_handshake(self) -> None:
        """Wait for the turn of a handshake's next step."""
        async with self._handshake_lock:
            await self._within(self._handshakes)

    async def admit(self) -> None:
        """Wait until a listener may accept its next connection."""
        await self._within(self._newcomers)

    async def _within(self, share: _Share) -> None:
        left_s = share.left_s()
        if self._marks and left_s > 0:
            began_s = trio.current_time()
            await self._give_way(min(GIVE_WAY_S, left_s))
            share.spend(trio.current_time() - began_s)

    async def give_way(self) -> None:
        """For a new connection, which waits beside others and in no queue: wait for the marks running now."""
        if self._marks:
            await self._give_way(GIVE_WAY_S)

    async def _give_way(self, most_s: float) -> None:
        with trio.move_on_after(most_s):
            for done in list(self._marks.values()):
                await done.wait()


class _Share:
    """The time that may be spent waiting for marks, seconds."""

    def __init__(self) -> None:
        self._saved_s, self._counted_s = SAVED_S, 0.0

    def left_s(self) -> float:
        now_s = trio.current_time()
        self._saved_s = min(SAVED_S, self._saved_s + (now_s - self._counted_s) * SHARE)
        self._counted_s = now_s
        return self._saved_s

    def spend(self, seconds: float) -> None:
        self._saved_s -= seconds
