"""The access actor: loads the devices, and stores when they were last seen."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import trio

from appliance.access import store
from appliance.access.codes import Codes
from appliance.access.http import access_routes
from appliance.access.registry import Registry
from appliance.http.api import Routes
from appliance.kernel.store import Store

SEEN_S = 60.0


@dataclass(frozen=True, slots=True)
class AccessHandle:
    """What a composition root needs: the registry for its door, and the routes."""

    registry: Registry
    routes: Routes


async def run_access(
    *,
    db: Store,
    state_dir: Path | None,
    task_status: trio.TaskStatus[AccessHandle] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Until cancelled. `state_dir`: where the console leaves its codes (console.py); None: there is none."""
    registry = Registry()
    devices, selectors = await db.read(lambda tx: (store.live_devices(tx), store.live_selectors(tx)))
    registry.load(devices, selectors)
    codes = Codes(db, registry, state_dir)
    task_status.started(AccessHandle(registry, access_routes(registry, codes, db)))
    while True:
        await trio.sleep(SEEN_S)
        if seen := registry.take_seen():
            await db.write_retrying(lambda tx, seen=seen: store.note_seen(tx, seen))  # type: ignore[misc]
