"""Calls in worker threads whose errors leave nothing behind.

Owns: how a thread's error reaches the loop. `trio.to_thread.run_sync` keeps the thread's outcome in its frame
while it raises: outcome, error, traceback and frame hold each other, with everything the caller's frames hold
(a request, its task), until the collector looks among old objects, which is rarely (kernel/interpreter.py).
Every refused request that read the database left 40 objects behind so.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar, TypeVarTuple

import trio

T = TypeVar("T")
Args = TypeVarTuple("Args")


async def in_thread(
    call: Callable[[*Args], T],
    *args: *Args,
    limiter: trio.CapacityLimiter | None = None,
    abandon_on_cancel: bool = False,
) -> T:
    """`call(*args)` in a thread, as trio.to_thread.run_sync. Raises what it raises."""
    outcome = _Outcome[T]()
    await trio.to_thread.run_sync(
        lambda: outcome.of(call, *args), limiter=limiter, abandon_on_cancel=abandon_on_cancel
    )
    return outcome.take()


class _Outcome(Generic[T]):
    """Of one call. The thread's frames hold it, and the error's traceback holds them: so it is emptied."""

    __slots__ = ("_error", "_value")

    _value: T
    _error: BaseException | None

    def of(self, call: Callable[[*Args], T], *args: *Args) -> None:
        self._error = None
        try:
            self._value = call(*args)
        except BaseException as error:  # noqa: BLE001  raised again where the call was made
            self._error = error

    def take(self) -> T:
        error, self._error = self._error, None
        if error is None:
            return self._value
        try:
            raise error
        finally:
            del error
