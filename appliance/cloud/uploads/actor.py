"""Joins the uploads that have all their bytes, and clears what is left of others. Every process runs one.

Owns: when it looks. Must not know: how a join is done, SQL.
"""

from __future__ import annotations

from functools import partial
from typing import Final

import structlog
import trio

from appliance.cloud.objects.model import Objects
from appliance.cloud.uploads.join import join_upload
from appliance.cloud.uploads.leftovers import sweep
from appliance.cloud.uploads.store import due_to_join
from appliance.kernel.errors import Unavailable
from appliance.kernel.follow import Follower, follow
from appliance.kernel.signal import Signal
from appliance.kernel.store import Store

log = structlog.get_logger("uploads")

AT_ONCE: Final = 2  # joins of one process: each reads and writes as fast as the disk or bucket allows
LOOK_S: Final = 5.0  # joins whose process has died, or that were put off, are not in the journal
SWEEP_S: Final = 3600.0


async def run_joins(
    store: Store,
    objects: Objects,
    owner: str,
    *,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Join until cancelled. `owner`: this process, for its leases. A join that is cancelled is done again,
    by this or another process."""
    wake = Signal()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_waking, follow(store.journal), wake)
        nursery.start_soon(_sweeping, store, objects, owner)
        task_status.started()
        while True:
            seen = wake.count
            if not await join_due(store, objects, owner):
                with trio.move_on_after(LOOK_S):
                    await wake.wait_past(seen)


async def join_due(store: Store, objects: Objects, owner: str) -> bool:
    """Join some that are due; whether any was joined."""
    try:
        due = await store.read(partial(due_to_join, limit=AT_ONCE))
    except Unavailable:
        return False
    done: list[str] = []

    async def join(upload_id: str) -> None:
        if await join_upload(store, objects, upload_id, owner):
            done.append(upload_id)

    async with trio.open_nursery() as nursery:
        for upload_id in due:
            nursery.start_soon(join, upload_id)
    return bool(done)


async def _sweeping(store: Store, objects: Objects, owner: str) -> None:
    while True:
        try:
            await sweep(store, objects, owner)
        except Unavailable as error:
            log.warning("upload_sweep_put_off", reason=error.detail)
        await trio.sleep(SWEEP_S)


async def _waking(follower: Follower, wake: Signal) -> None:
    while True:
        await follower.wait_for(lambda entry: entry.type == "upload_received")
        wake.notify()
