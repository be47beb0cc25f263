"""Logging in GET /status: what a person has to look at."""

from __future__ import annotations

from appliance.cloud.breakdowns.queue.actor import look
from appliance.cloud.breakdowns.sources import store as sources
from appliance.cloud.breakdowns.status import status_part
from appliance.domain import StatusPart
from appliance.kernel.store import Store
from appliance.kernel.tx import Tx
from tests.cloud.breakdowns.world import ADMIN, LEASE_S, USABLE, World, logging_world
from tests.kit.clock import HandClock


def lines(part: StatusPart) -> list[tuple[str, str, str]]:
    return [(line.status, line.name, line.detail) for line in part.lines]


async def test_what_is_late_or_stuck_is_shown(store: Store, clock: HandClock) -> None:
    def build(tx: Tx) -> World:
        world = logging_world(tx)
        for _ in range(2):
            world.job(tx)
        sources.fail(tx, ADMIN, world.source(tx, world.event(tx)), USABLE)
        world.source(tx, world.event(tx))
        return world

    world = await store.write(build)
    part = await store.read(status_part)
    assert part.figures == {
        "waiting": 2,
        "with a logger": 0,
        "at risk": 0,
        "breached": 0,
        "videos to be judged": 1,
        "events without a usable video": 1,
    }
    stuck = ("warn", "League", "2 waiting as rank 1: no available logger can do them")
    assert lines(part) == [stuck]
    await store.write(lambda tx: world.logger(tx, is_available=False))
    assert lines(await store.read(status_part)) == [stuck]
    await store.write(world.logger)
    assert lines(await store.read(status_part)) == []
    clock.advance(13 * 3600)
    await look(store, LEASE_S, 12.0)
    part = await store.read(status_part)
    assert (part.figures["with a logger"], part.figures["breached"]) == (1, 2)
    late = sorted(detail for _, _, detail in lines(part))
    assert late == [
        "its video is unusable, and no other has come",
        "over its limit, assigned",
        "over its limit, queued",
    ]
    assert {name for _, name, _ in lines(part)} == {"Rovers - United"}


async def test_its_statements_run_on_both_databases(any_store: Store) -> None:
    await any_store.write(lambda tx: logging_world(tx).job(tx))
    assert (await any_store.read(status_part)).figures["waiting"] == 1
