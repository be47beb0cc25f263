"""Priority of marks: other requests, TLS handshakes and threads that compute wait for running marks.

Must not know: connections, requests.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Final

import trio

PAUSE_KEY: Final = "appliance.pause"  # in the ASGI scope of a mark: the function that `mark` returns
GIVE_WAY_S = 0.05  # the longest wait for marks: most take 10 ms, but one may wait for a slow disk
SHARE = 0.5  # the largest share of time that other requests wait for marks
SAVED_S = 0.25  # the most unused waiting time that can be used later


Pause = Callable[[], AbstractContextManager[None]]


class MarkPriority:
    """Of the requests other than marks one begins in each pass of the event loop, and none while a mark is
    answered. TLS handshakes wait in a queue of their own, and one of them does a step in each pass, so that
    many new connections do not delay requests on existing ones.

    A pass in which fifty requests begin takes 20 ms or more, and a mark takes several passes. A request waits
    only for the marks that are running at its turn, not for later ones, and GIVE_WAY_S at most; however slow
    marks are, other requests get at least half of the time.
    """

    def __init__(self) -> None:
        self._lock, self._handshake_lock = trio.Lock(), trio.Lock()
        self._marks: dict[object, trio.Event] = {}  # running
        self._requests, self._newcomers, self._handshakes = _Share(), _Share(), _Share()
        self._is_at_rest = threading.Event()  # no mark is running
        self._is_at_rest.set()

    @contextmanager
    def mark(self) -> Iterator[Pause]:
        """A block in which a mark is answered. In a block of the returned function the mark itself waits, and
        no other request waits for it."""
        key = object()

        @contextmanager
        def pause() -> Iterator[None]:
            self._end(key)
            try:
                yield
            finally:
                self._begin(key)

        self._begin(key)
        try:
            yield pause
        finally:
            self._end(key)

    def _begin(self, key: object) -> None:
        self._marks[key] = trio.Event()
        self._is_at_rest.clear()

    def _end(self, key: object) -> None:
        self._marks.pop(key).set()
        if not self._marks:
            self._is_at_rest.set()

    def for_thread(self) -> Callable[[], None]:
        """For one long computation in a thread: the returned function blocks while marks are running.

        The computation calls it every few hundred microseconds. Each of the ten times that the loop and the
        writer hand a mark to each other, they would otherwise wait for the interpreter lock that the thread
        holds. Like requests it waits GIVE_WAY_S at most each time, and at most half of its time in all.
        """
        share = _Share(time.monotonic)

        def give_way() -> None:
            if not self._is_at_rest.is_set() and (left_s := share.left_s()) > 0:
                began_s = time.monotonic()
                self._is_at_rest.wait(min(GIVE_WAY_S, left_s))
                share.spend(time.monotonic() - began_s)

        return give_way

    async def take(self) -> None:
        """Wait for the caller's turn to begin."""
        async with (
            self._lock
        ):  # handed over in the next pass: a checkpoint here would delay it to the one after
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
        """Wait for the marks running now; for a new connection, which does not wait in the queue."""
        if self._marks:
            await self._give_way(GIVE_WAY_S)

    async def _give_way(self, most_s: float) -> None:
        with trio.move_on_after(most_s):
            for done in list(self._marks.values()):
                await done.wait()


class _Share:
    """The time that may be spent waiting for marks, seconds."""

    def __init__(self, now_s: Callable[[], float] = trio.current_time) -> None:
        self._now_s = now_s
        self._saved_s, self._counted_s = SAVED_S, 0.0

    def left_s(self) -> float:
        now_s = self._now_s()
        self._saved_s = min(SAVED_S, self._saved_s + (now_s - self._counted_s) * SHARE)
        self._counted_s = now_s
        return self._saved_s

    def spend(self, seconds: float) -> None:
        self._saved_s -= seconds
