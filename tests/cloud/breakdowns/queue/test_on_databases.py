"""Many loggers at once, and processes that look at the same time: one job, one logger, one alarm."""

from __future__ import annotations

from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

from appliance.cloud.breakdowns.queue import verbs
from appliance.cloud.breakdowns.queue.actor import look, run_queue
from appliance.cloud.breakdowns.queue.machine import HELD, JobState
from appliance.cloud.breakdowns.queue.model import FailIn, JobQuery, ReportQuery
from appliance.cloud.breakdowns.queue.reports import sla_report, workload_report
from appliance.cloud.breakdowns.queue.visible import list_jobs, list_queue
from appliance.cloud.database import open_database
from appliance.kernel.operation import Caller
from appliance.kernel.paging import Page
from appliance.kernel.store import Store
from appliance.kernel.tx import Row, Tx
from tests.cloud.breakdowns.world import LEASE_S, World, logging_world
from tests.kit import postgres
from tests.kit.waiting import LIMIT_S

LOGGERS = 50


def logger(logger_id: str) -> Caller:
    return Caller("test", role="logger", scopes=(f"logger:{logger_id}",))


def world_with(tx: Tx, *, loggers: int, jobs: int, capacity: int = 1000) -> tuple[World, list[str]]:
    world = logging_world(tx, capacity=capacity)
    ids = [world.logger(tx) for _ in range(loggers)]
    for _ in range(jobs):
        world.job(tx)
    return world, ids


async def jobs_of(store: Store) -> list[Row]:
    return await store.read(lambda tx: tx.all("SELECT * FROM jobs ORDER BY created_us, id"))


async def ask_all(stores: list[Store], ids: list[str]) -> list[dict[str, Any] | None]:
    """Every logger asks at the same time, some of them twice."""
    answers: list[dict[str, Any] | None] = []

    async def ask(store: Store, logger_id: str) -> None:
        answer = await store.write(partial(verbs.ask, caller=logger(logger_id), lease_s=LEASE_S))
        answers.append(answer.resource["job"])

    async with trio.open_nursery() as nursery:
        for at, logger_id in enumerate([*ids, *ids[::5]]):
            nursery.start_soon(ask, stores[at % len(stores)], logger_id)
    return answers


@pytest.mark.parametrize("jobs", [1, 40])
async def test_one_job_goes_to_one_logger(any_store: Store, jobs: int) -> None:  # L15
    _, ids = await any_store.write(lambda tx: world_with(tx, loggers=LOGGERS, jobs=jobs))
    answers = await ask_all([any_store], ids)
    rows = await jobs_of(any_store)
    owners = [row["logger_id"] for row in rows]
    assert len(set(owners)) == len(owners) == jobs and None not in owners
    assert all(row["status"] in HELD for row in rows)
    assert {each["id"] for each in answers if each is not None} == {row["id"] for row in rows}
    held = await any_store.read(lambda tx: tx.all("SELECT id, job_id FROM loggers WHERE job_id IS NOT NULL"))
    assert {row["job_id"]: row["id"] for row in held} == {row["id"]: row["logger_id"] for row in rows}


async def test_an_office_never_has_more_than_its_capacity(any_store: Store) -> None:  # L15
    _, ids = await any_store.write(lambda tx: world_with(tx, loggers=20, jobs=20, capacity=7))
    await ask_all([any_store], ids)
    assert sum(row["logger_id"] is not None for row in await jobs_of(any_store)) == 7


@pytest.mark.postgres
@pytest.mark.skipif(bool(postgres.missing()), reason=postgres.missing() or "-")
async def test_two_processes_give_each_job_once(tmp_path: Path) -> None:  # L15
    """Their actors and their loggers, at the same time."""
    url = postgres.server().empty_database()
    async with AsyncExitStack() as stack:
        stores = [
            await stack.enter_async_context(open_database(url, tmp_path, connections=4)) for _ in range(2)
        ]
        nursery = await stack.enter_async_context(trio.open_nursery())
        for store in stores:
            await nursery.start(run_queue, store, LEASE_S, 12.0)
        _, ids = await stores[0].write(lambda tx: world_with(tx, loggers=20, jobs=15))
        await ask_all(stores, ids)
        with trio.fail_after(LIMIT_S):
            seen = stores[0].journal.changed.count
            while any(row["logger_id"] is None for row in await jobs_of(stores[0])):
                seen = await stores[0].journal.changed.wait_past(seen)
        rows = await jobs_of(stores[0])
        nursery.cancel_scope.cancel()
    assert len({row["logger_id"] for row in rows}) == len(rows) == 15
    assert all(row["lease_token"] == 1 for row in rows)  # taken once each


async def test_alarms_reports_and_lists_run_on_both(any_store: Store) -> None:  # L19 L20 L21
    """Statements of a whole way, with the database's own clock: limits that have passed already."""

    def build(tx: Tx) -> tuple[World, list[str]]:
        world, ids = world_with(tx, loggers=2, jobs=3)
        tx.run("UPDATE jobs SET target_us = 1, due_us = 1, available_us = 0, notified_us = 0")
        tx.run("UPDATE jobs SET due_us = ? WHERE id = (SELECT min(id) FROM jobs)", (tx.now_us + 10**12,))
        return world, ids

    world, ids = await any_store.write(build)
    for _ in range(2):
        await look(any_store, LEASE_S, 12.0)
    sql = "SELECT type, subject FROM journal WHERE type LIKE 'sla_%' ORDER BY seq"
    alarms = [row["type"] for row in await any_store.read(lambda tx: tx.all(sql))]
    assert sorted(alarms) == ["sla_at_risk", "sla_breached", "sla_breached"]
    rows = {row["id"]: row for row in await jobs_of(any_store)}
    mine = next(row for row in rows.values() if row["logger_id"] == ids[0])
    for step in (verbs.review, verbs.start):
        await any_store.write(partial(step, caller=logger(ids[0]), job_id=mine["id"]))
    await any_store.write(
        partial(
            verbs.fail,
            caller=logger(ids[0]),
            job_id=mine["id"],
            body=FailIn.model_validate({"reason": "other"}),
        )
    )
    manager = Caller("test", role="manager", scopes=(f"league:{world.league}",))
    for caller in (manager, Caller("test", role="admin"), logger(ids[1])):
        listed = await any_store.read(
            partial(list_jobs, caller=caller, query=JobQuery(status=JobState.FAILED))
        )
        assert len(listed["items"]) == (0 if caller.role == "logger" else 1)
        waiting = await any_store.read(partial(list_queue, caller=caller, query=Page()))
        assert len(waiting["items"]) == 1
    report = await any_store.read(partial(sla_report, caller=manager, query=ReportQuery()))
    assert [(item["open"], item["at_risk"], item["breached"]) for item in report["items"]] == [(2, 2, 1)]
    load = await any_store.read(partial(workload_report, caller=manager, query=ReportQuery()))
    assert (load["waiting"], [each["open"] for each in load["offices"]]) == (1, [1])
    assert sorted(each["failed"] for each in load["loggers"]) == [0, 1]
