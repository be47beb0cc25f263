"""The access actor: loads the devices, stores those made on the console and when devices were last seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import structlog
import trio

from appliance.access import store
from appliance.access.codes import Codes
from appliance.access.http import FindEntrance, access_routes
from appliance.access.own.http import own_routes
from appliance.access.own.renewals import PlainRule, Renewals
from appliance.access.own.store import plain_left
from appliance.access.registry import Registry
from appliance.access.revocations import Revocations
from appliance.http.api import Routes
from appliance.kernel.errors import Unavailable
from appliance.kernel.store import Store
from appliance.kernel.tx import Tx

log = structlog.get_logger("access")

SEEN_S = 60.0


@dataclass(frozen=True, slots=True)
class AccessHandle:
    """What a composition root needs: the registry for its door, and the routes."""

    registry: Registry
    routes: Sequence[Routes]
    renewals: Renewals


async def run_access(
    *,
    db: Store,
    state_dir: Path | None,
    find_entrance: FindEntrance,
    has_channel: store.HasChannel,
    unused_days: int = 0,
    plain: PlainRule = PlainRule(),  # noqa: B008  frozen
    task_status: trio.TaskStatus[AccessHandle] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Runs until cancelled. `state_dir`: the folder of the console's codes and tokens (console.py), and of
    the revocations that are kept beside the database (revocations.py); None: there is neither.

    `find_entrance`: for the links of codes. `has_channel`: asked when an admin gives a device a channel.
    `unused_days`: a device that was not used on so many days on which the box was used loses its access; 0:
    none does. `plain`: when tokens end that crossed the network unencrypted."""
    registry, revocations = Registry(), Revocations(state_dir)
    await revocations.load()
    rows, selectors = await db.read(lambda tx: (store.all_devices(tx), store.live_selectors(tx)))
    revocations.add_revoked(rows)
    corrected = [revocations.corrected(row) for row in rows]
    registry.load([row for row in corrected if row["revoked_us"] is None], selectors)
    codes, renewals = Codes(db, registry, state_dir), Renewals(db, registry, revocations, plain)
    await renewals.begin()
    left = plain_left(plain.days)
    routes = access_routes(registry, codes, revocations, find_entrance, has_channel, left)
    task_status.started(AccessHandle(registry, [routes, own_routes(registry, codes, renewals)], renewals))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_take_over_devices, registry, codes)
        nursery.start_soon(_store_news, db, registry, renewals)
        if corrected != rows:  # the database was restored from a copy
            await db.write_retrying(revocations.apply)
        while True:
            await revocations.save()
            await trio.sleep(SEEN_S)
            if seen := registry.take_seen(db.clock.now_us()):
                registry.set_plain(await db.write_retrying(partial(_note_seen, renewals, seen)))
                if unused_days:
                    await _end_unused(db, registry, revocations, unused_days)
            await renewals.sweep()


def _note_seen(renewals: Renewals, seen: list[tuple[str, int]], tx: Tx) -> dict[str, int]:
    return renewals.count(tx, seen, is_new_day=store.note_seen(tx, seen))


async def _end_unused(db: Store, registry: Registry, revocations: Revocations, days: int) -> None:
    """End the access of unused devices. A device in use keeps its access, also in the middle of a game."""
    in_use = registry.in_use()
    end = partial(store.end_unused, days=days, in_use=in_use)
    again = partial(store.end_unused_again, days=days, in_use=in_use, held=registry.ids())
    for row in await db.write_retrying(end, again):
        registry.revoke(row["id"])
        revocations.note(row["id"], None, row["revoked_us"])
        log.info("unused_device_ended", device_id=row["id"], role=row["role"])


async def _store_news(db: Store, registry: Registry, renewals: Renewals) -> None:
    """Until it is stored, a channel that a device has claimed is in memory."""
    while True:
        await registry.news.wait()
        registry.news = trio.Event()
        await renewals.note_exposed()
        for device_id, channel_id in registry.take_claimed():
            note = partial(store.note_channel, device_id=device_id, channel_id=channel_id)
            row = await db.write_retrying(note)
            if row is not None:
                registry.put(row)
                log.info("capture_device_bound", device_id=device_id, channel=channel_id)


async def _take_over_devices(registry: Registry, codes: Codes) -> None:
    """Store devices made on the console: at start, and when a token is unknown, which may be one of
    theirs."""
    while True:
        registry.unknown_token = trio.Event()
        try:
            await codes.take_over()
        except (
            Unavailable,
            OSError,
        ) as error:  # the files stay for the next attempt, at the device's next request
            log.warning("devices_not_taken_over", reason=str(error))
        await registry.unknown_token.wait()
