"""Access on the box: its matrix, and in which cases no token is needed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

from appliance.access.actor import run_access
from appliance.access.door import AccessDoor
from appliance.box.channels.store import has_channel
from appliance.box.domains import access_rows
from appliance.box.permissions import TRUST_ROWS, box_matrix
from appliance.box.settings import Settings
from appliance.box.wiring.entrance import entrance
from appliance.http.access import Door
from appliance.http.api import Routes
from appliance.kernel.actor import running
from appliance.kernel.clock import Clock
from appliance.kernel.store import Store


@dataclass(frozen=True, slots=True)
class Access:
    """What the web server needs of it."""

    door: Door
    routes: Routes


@asynccontextmanager
async def access_of(settings: Settings, store: Store, clock: Clock) -> AsyncIterator[Access]:
    """Devices, codes and the door, for the length of the block."""
    async with running(
        "access",
        run_access,
        db=store,
        state_dir=settings.storage.state_dir,
        find_entrance=partial(entrance, settings),
        has_channel=has_channel,
        unused_days=settings.access.unused_days,
    ) as handle:
        door = AccessDoor(
            handle.registry,
            box_matrix([*access_rows(), TRUST_ROWS]),
            clock,
            is_open=settings.access.mode == "open",
            on_loopback=settings.server.is_loopback,
        )
        yield Access(door, handle.routes)
