"""Calls in worker threads whose errors leave no reference cycles.

Owns: how a thread's error reaches the loop. `trio.to_thread.run_sync` keeps the thread's outcome in its frame
while it raises: outcome, error, traceback and frame reference each other, and everything that the caller's
frames reference (a request, its task) stays until the collector visits old objects, which is rare
(kernel/interpreter.py). Every refused request that read the database left 40 objects behind that way.
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
    """Run `call(*args)` in a thread, like trio.to_thread.run_sync. Raises what it raises."""
    outcome = _Outcome[T]()
    await trio.to_thread.run_sync(
        lambda: outcome.of(call, *args), limiter=limiter, abandon_on_cancel=abandon_on_cancel
    )
    return outcome.take()


class _Outcome(Generic[T]):
    """The outcome of one call. The thread's frames reference it, and the error's traceback references them:
    so it is emptied."""

    __slots__ = ("_error", "_value")

    _value: T
    _error: BaseException | None

    def of(self, call: Callable[[*Args], T], *args: *Args) -> None:
        self._error = None
        try:
            self._value = call(*args)
        except BaseException as error:  # noqa: BLE001  raised again at the call
            self._error = error

    def take(self) -> T:
        error, self._error = self._error, None
        if error is None:
            return self._value
        try:
            raise error
        finally:
            del error
