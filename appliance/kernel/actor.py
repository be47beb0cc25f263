"""Actors as layers: what an inner layer needs is alive until the inner layer has ended.

A composition root nests `async with running(...)`. Leaving a block ends that actor alone, after everything
inside it has ended. An actor that dies cancels what is inside it and its error goes up: nothing lives on
without its ground.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import trio

PATIENCE_S = 10.0  # for an actor that ends by itself when asked


@asynccontextmanager
async def running(
    name: str, run: Callable[..., Awaitable[Any]], *, finish: Callable[[], None] | None = None, **wiring: Any
) -> AsyncIterator[Any]:
    """Start `run(**wiring, task_status=...)`; the value it reports is the block's handle.

    On leaving, `finish` asks the actor to end by itself and it has 10 s for that; without `finish`, or
    after that, it is cancelled. Raises what the actor raises, in a group (trio nurseries do).
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
        nursery.cancel_scope.cancel(reason=f"{name}: its layer ends")
