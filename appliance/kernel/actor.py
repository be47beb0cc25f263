"""Start and stop actors in nested layers: a layer's actor runs until everything nested inside it has ended.

A composition root nests `async with running(...)`. Leaving a block ends its actor after everything inside the
block has ended. If an actor fails, everything nested inside it is cancelled and the error propagates.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import trio

PATIENCE_S = 10.0  # seconds an actor has to end by itself after `finish`


@asynccontextmanager
async def running(
    name: str, run: Callable[..., Awaitable[Any]], *, finish: Callable[[], None] | None = None, **wiring: Any
) -> AsyncIterator[Any]:
    """Start `run(**wiring, task_status=...)`; yields the value that `run` passes to `task_status.started()`.

    On leaving, `finish` is called and the actor has 10 s to end by itself; without `finish`, or after that
    time, it is cancelled. Raises what the actor raises, in an exception group (as trio nurseries do).
    """
    ended = trio.Event()

    async def actor(task_status: trio.TaskStatus[Any]) -> None:
        try:
            await run(**wiring, task_status=task_status)
        finally:
            ended.set()

    async with trio.open_nursery() as nursery:
        handle = await nursery.start(partial(actor), name=name)
        yield handle
        if finish is not None:
            finish()
            with trio.move_on_after(PATIENCE_S):
                await ended.wait()
        nursery.cancel_scope.cancel(reason=f"{name}: the block was left")
