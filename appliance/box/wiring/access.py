"""Access on the box: its matrix, and in which cases no token is needed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

from appliance.access.actor import run_access
from appliance.access.door import AccessDoor
from appliance.access.own.renewals import PlainRule
from appliance.access.registry import Registry
from appliance.box.channels.store import has_channel
from appliance.box.domains import access_rows
from appliance.box.permissions import TRUST_ROWS, box_matrix
from appliance.box.settings import Settings
from appliance.box.wiring.entrance import entrance
from appliance.http.api import Routes
from appliance.kernel.actor import running
from appliance.kernel.clock import Clock
from appliance.kernel.store import Store
from appliance.kernel.tx import ReadTx


@dataclass(frozen=True, slots=True)
class Access:
    """What the web server needs of it."""

    door: AccessDoor
    routes: Sequence[Routes]
    registry: Registry


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
        plain=_plain_rule(settings),
    ) as handle:
        door = AccessDoor(
            handle.registry,
            box_matrix([*access_rows(), TRUST_ROWS]),
            clock,
            is_open=settings.access.mode == "open",
            on_loopback=settings.server.is_loopback,
            renewals=handle.renewals,
        )
        yield Access(door, handle.routes, handle.registry)


def _plain_rule(settings: Settings) -> PlainRule:
    server = settings.server
    is_encrypted = server.tls != "off"
    is_plain = not is_encrypted and not server.is_loopback
    return PlainRule(settings.access.plain_days, is_encrypted, is_plain, _is_session_running)


def _is_session_running(tx: ReadTx) -> bool:
    running = "SELECT 1 FROM sessions WHERE status IN ('active', 'paused') AND deleted_us IS NULL LIMIT 1"
    return tx.value(running) is not None
