"""What time does: leases end, alarms are sent once, events without a video are reported."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import trio

from appliance.cloud.breakdowns.queue import clocks, verbs
from appliance.cloud.breakdowns.queue.actor import LOOK_S, look, run_queue
from appliance.cloud.breakdowns.queue.model import ExtendIn, ReportQuery
from appliance.cloud.breakdowns.queue.reports import sla_report, workload_report
from appliance.cloud.breakdowns.queue.rows import find_job, lease_of
from appliance.cloud.breakdowns.sources import store as sources
from appliance.cloud.deliveries import store as deliveries
from appliance.cloud.deliveries.model import SubscriptionIn
from appliance.kernel.errors import Refused
from appliance.kernel.operation import Caller
from appliance.kernel.store import Store, open_store
from appliance.kernel.tx import Row, Tx
from tests.cloud.breakdowns.world import ADMIN, LEASE_S, USABLE, World, actions, logging_world, marking
from tests.kit.clock import HandClock, SimClock

H = 3600.0
AWAITING_H = 12.0


async def world_with_job(store: Store, *, loggers: int = 0) -> tuple[World, Row, list[str]]:
    def build(tx: Tx) -> tuple[World, Row, list[str]]:
        world = logging_world(tx)
        ids = [world.logger(tx) for _ in range(loggers)]
        return world, world.job(tx), ids

    return await store.write(build)


def logger(logger_id: str) -> Caller:
    return Caller("ana", role="logger", scopes=(f"logger:{logger_id}",))


async def read(store: Store, job_id: str) -> Row:
    row = await store.read(lambda tx: find_job(tx, job_id))
    assert row is not None
    return row


async def words(store: Store, prefix: str) -> list[str]:
    sql = "SELECT type FROM journal ORDER BY seq"
    rows = await store.read(lambda tx: tx.all(sql))
    return [row["type"] for row in rows if row["type"].startswith(prefix)]


async def test_a_job_is_at_risk_at_its_target_and_breached_at_its_limit(
    store: Store, clock: HandClock
) -> None:  # L19
    types = ["sla.at_risk", "sla.breached"]
    body = SubscriptionIn.model_validate({"url": "https://office.example/", "types": types})
    await store.write(lambda tx: deliveries.create_subscription(tx, ADMIN, body))
    _, job, _ = await world_with_job(store)
    assert await store.read(lambda tx: clocks.next_look_us(tx, AWAITING_H)) == round(4 * H * 1e6)
    expected: list[str] = []
    for hours, alarm in ((3.9, ""), (0.1, "sla_at_risk"), (3.9, ""), (0.1, "sla_breached"), (50, "")):
        clock.advance(hours * H)
        expected += [alarm] * bool(alarm)
        for _ in range(2):
            await look(store, LEASE_S, AWAITING_H)
        assert await words(store, "sla_") == expected
    queued = await store.read(lambda tx: tx.all("SELECT type FROM deliveries ORDER BY created_us, id"))
    assert [row["type"] for row in queued] == types
    assert (await read(store, job["id"]))["status"] == "queued"  # it is never cancelled


async def test_no_alarm_is_sent_again_by_a_new_start(tmp_path: Path) -> None:
    clock = HandClock()
    for start in range(2):
        async with open_store(tmp_path / "cloud.db", clock, in_thread=False) as store:
            if not start:
                await world_with_job(store)
                clock.advance(5 * H)
            await look(store, LEASE_S, AWAITING_H)
            assert await words(store, "sla_") == ["sla_at_risk"]
    clock.advance(5 * H)
    async with open_store(tmp_path / "cloud.db", clock, in_thread=False) as store:
        await look(store, LEASE_S, AWAITING_H)
        assert await words(store, "sla_") == ["sla_at_risk", "sla_breached"]


async def test_what_passed_while_nothing_ran_is_one_alarm(store: Store, clock: HandClock) -> None:
    await world_with_job(store)
    clock.advance(100 * H)
    await look(store, LEASE_S, AWAITING_H)
    assert await words(store, "sla_") == ["sla_breached"]


async def test_more_time_puts_the_breach_off_and_does_not_undo_it(
    store: Store, clock: HandClock
) -> None:  # L20
    _, job, _ = await world_with_job(store)
    body = ExtendIn(extra_s=2 * 3600, reason="a long game")
    await store.write(partial(verbs.extend, caller=ADMIN, job_id=job["id"], body=body))
    clock.advance(9 * H)
    await look(store, LEASE_S, AWAITING_H)
    assert await words(store, "sla_") == ["sla_at_risk"]
    clock.advance(2 * H)
    await look(store, LEASE_S, AWAITING_H)
    answer = await store.write(partial(verbs.extend, caller=ADMIN, job_id=job["id"], body=body))
    assert answer.resource["sla"]["state"] == "breached"
    await look(store, LEASE_S, AWAITING_H)
    assert await words(store, "sla_") == ["sla_at_risk", "sla_breached"]


async def test_a_logger_who_is_silent_loses_the_job(store: Store, clock: HandClock) -> None:
    _, job, ids = await world_with_job(store, loggers=2)
    await store.write(partial(verbs.ask, caller=logger(ids[0]), lease_s=LEASE_S))
    await store.write(partial(verbs.review, caller=logger(ids[0]), job_id=job["id"]))
    beat = partial(verbs.heartbeat, caller=logger(ids[0]), job_id=job["id"], lease_s=LEASE_S)
    for _ in range(3):
        clock.advance(LEASE_S * 0.9)
        await store.write(beat)
        await look(store, LEASE_S, AWAITING_H)
        assert (await read(store, job["id"]))["status"] == "reviewing"
    clock.advance(LEASE_S + 1)
    await look(store, LEASE_S, AWAITING_H)
    now = await read(store, job["id"])
    assert (now["status"], now["logger_id"]) == ("assigned", ids[1])  # to the other one, at once
    assert await actions(store, f"job:{job['id']}") == ["queued", "accept", "review", "expire", "assign"]
    silent = await store.read(lambda tx: tx.one("SELECT * FROM loggers WHERE id = ?", (ids[0],)))
    assert silent is not None and (silent["is_available"], silent["job_id"]) == (0, None)
    with pytest.raises(Refused) as caught:
        await store.write(beat)
    assert caught.value.status == 404
    lease = await store.read(lambda tx: lease_of(tx, now))
    assert lease is not None and (lease.owner, lease.token) == (ids[1], 2)


async def test_a_heartbeat_comes_too_late_for_a_job_that_waits(store: Store, clock: HandClock) -> None:
    _, job, ids = await world_with_job(store, loggers=1)
    await store.write(partial(verbs.ask, caller=logger(ids[0]), lease_s=LEASE_S))
    clock.advance(LEASE_S + 1)
    await look(store, LEASE_S, AWAITING_H)
    assert (await read(store, job["id"]))["status"] == "queued"
    with pytest.raises(Refused) as caught:
        await store.write(partial(verbs.heartbeat, caller=ADMIN, job_id=job["id"], lease_s=LEASE_S))
    assert caught.value.code == "not_held"
    answer = await store.write(partial(verbs.ask, caller=logger(ids[0]), lease_s=LEASE_S))
    assert answer.resource["job"] is None  # it was let go once
    row = await store.read(lambda tx: tx.one("SELECT is_available FROM loggers"))
    assert row == {"is_available": 1}


async def test_an_event_that_waits_long_for_a_video_is_reported_once(
    store: Store, clock: HandClock
) -> None:  # L11
    def build(tx: Tx) -> tuple[str, World]:
        world = logging_world(tx)
        event_id = world.event(tx)
        sources.fail(tx, ADMIN, world.source(tx, event_id), USABLE)
        return event_id, world

    event_id, world = await store.write(build)
    assert (await marking(store, event_id))["state"] == "awaiting_source"
    for hours, count in ((11.9, 0), (0.2, 1), (100, 1)):
        clock.advance(hours * H)
        await look(store, LEASE_S, AWAITING_H)
        assert len(await words(store, "source_awaited")) == count
    assert (await marking(store, event_id))["state"] == "awaiting_source"  # it goes on waiting
    await store.write(lambda tx: world.accept(tx, world.source(tx, event_id)))  # L12
    assert (await marking(store, event_id))["state"] == "queued"


async def test_the_actor_assigns_as_soon_as_there_is_a_job(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    opened = open_store(tmp_path / "cloud.db", SimClock(), in_thread=False)
    async with opened as store, trio.open_nursery() as nursery:
        await nursery.start(run_queue, store, LEASE_S, AWAITING_H)
        _, job, _ = await world_with_job(store, loggers=1)
        began_s: list[float] = []
        for wanted in ("assigned", "queued"):
            with trio.fail_after(2 * LEASE_S):
                seen = store.journal.changed.count
                while (await read(store, job["id"]))["status"] != wanted:
                    seen = await store.journal.changed.wait_past(seen)
            began_s.append(trio.current_time())
        assert LEASE_S <= began_s[1] - began_s[0] <= LEASE_S + LOOK_S
        nursery.cancel_scope.cancel()


async def test_the_reports_count_what_was_late(store: Store, clock: HandClock) -> None:  # L20 L21
    world, first, ids = await world_with_job(store, loggers=1)

    async def log_one(hours: float) -> None:
        await store.write(partial(verbs.ask, caller=logger(ids[0]), lease_s=100 * H))
        job = (await store.read(lambda tx: tx.one("SELECT job_id FROM loggers"))) or {}
        for step in (verbs.review, verbs.start):
            await store.write(partial(step, caller=logger(ids[0]), job_id=job["job_id"]))
        clock.advance(hours * H)
        await store.write(partial(verbs.complete, caller=logger(ids[0]), job_id=job["job_id"]))

    await log_one(1)
    await store.write(world.job)
    await log_one(9)
    await store.write(world.job)
    clock.advance(5 * H)
    report = await store.read(partial(sla_report, caller=ADMIN, query=ReportQuery()))
    (of_type,) = report["items"]
    figures = {name: of_type[name] for name in ("logged", "open", "p50_s", "p95_s", "at_risk", "breached")}
    assert figures == {"logged": 2, "open": 1, "p50_s": H, "p95_s": 9 * H, "at_risk": 2, "breached": 1}
    assert of_type["notice_p95_s"] == 9 * H
    load = await store.read(partial(workload_report, caller=ADMIN, query=ReportQuery()))
    assert [(each["logged"], each["job_id"]) for each in load["loggers"]] == [(2, None)]
    assert load["waiting"] == 1
    earlier = ReportQuery.model_validate({"until": "2026-11-20T19:00:01Z"})
    old = await store.read(partial(sla_report, caller=ADMIN, query=earlier))
    assert old["items"][0]["logged"] == 0 and first["id"]
