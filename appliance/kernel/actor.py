"""Actors as layers: what an inner layer needs is alive until the inner layer has ended.

A composition root nests `async with running(...)`. Leaving a block cancels that actor alone, after
everything inside it has ended. An actor that dies cancels what is inside it and its error goes up: nothing
lives on without its ground.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import trio


@asynccontextmanager
async def running(name: str, run: Callable[..., Awaitable[Any]], **wiring: Any) -> AsyncIterator[Any]:
    """Start `run(**wiring, task_status=...)`; the value it reports is the block's handle.

    Raises what the actor raises, in a group (trio nurseries do).
    """
    async with trio.open_nursery() as nursery:
        handle = await nursery.start(partial(run, **wiring), name=name)
        yield handle
        nursery.cancel_scope.cancel(reason=f"{name}: its layer ends")
