"""The queue of logging: assignments per second with 10,000 waiting jobs and 200 loggers, on both databases.

`asked`: every logger asks for its next job and completes it, all at the same time; an assignment is one
transaction, its job's review, start and end another. `given`: the queue gives jobs to all loggers, who are
free, in transactions of 50. No job may be given twice: the bench ends with an error if one was."""

from __future__ import annotations

import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import benchkit
import trio
from benchkit import Options, Row

IN_ONE = 100  # jobs made in one transaction


def measure(options: Options) -> list[Row]:
    from tests.kit import postgres

    jobs, loggers, seconds = (200, 20, 0.3) if options.quick else (10_000, 200, 10.0)
    urls = {"SQLite": "sqlite:cloud.db"}
    if not postgres.missing():
        urls["PostgreSQL"] = postgres.server().empty_database()
    rows: list[Row] = []
    for name, url in urls.items():
        (folder := options.folder / name).mkdir()
        rows += trio.run(_measure_one, name, url, folder, jobs, loggers, seconds)
    return rows


async def _measure_one(
    name: str, url: str, folder: Path, jobs: int, loggers: int, seconds: float
) -> list[Row]:
    async with _filled(url, folder, jobs, loggers) as (store, ids):
        given = {"case": f"{name}, given", **await _given(store, loggers)}
        asked = {"case": f"{name}, asked", **await _asked(store, ids, seconds)}
        await _require_once(store)
    return [{**row, "waiting": jobs, "loggers": loggers} for row in (given, asked)]


@asynccontextmanager
async def _filled(url: str, folder: Path, jobs: int, loggers: int) -> AsyncIterator[tuple[Any, list[str]]]:
    """A store with a league, its loggers, and events whose jobs wait."""
    from appliance.cloud import domains
    from appliance.cloud.database import open_database
    from tests.cloud.breakdowns.world import logging_world
    from tests.kit.cloud import cloud_schemas

    domains.domains()
    with cloud_schemas():
        async with open_database(url, folder, connections=4) as store:
            world = await store.write(partial(logging_world, capacity=loggers))
            ids = [await store.write(world.logger) for _ in range(loggers)]
            for _ in range(jobs // IN_ONE):
                await store.write(lambda tx: [world.job(tx) for _ in range(IN_ONE)])
            yield store, ids


async def _given(store: Any, loggers: int) -> Row:
    """The queue gives a job to every logger."""
    from appliance.cloud.breakdowns.queue.assign import distribute

    count, took_s = 0, []
    began_s = time.perf_counter()
    while True:
        at_s = time.perf_counter()
        given = await store.write(partial(distribute, lease_s=3600.0))
        if not given:
            break
        took_s.append((time.perf_counter() - at_s) / given)
        count += given
    assert count == loggers
    return {"per_s": round(count / (time.perf_counter() - began_s)), **_spread(took_s)}


async def _asked(store: Any, ids: list[str], seconds: float) -> Row:
    """Every logger ends its job and asks for the next one, again and again."""
    from appliance.cloud.breakdowns.queue import verbs
    from appliance.kernel.operation import Caller

    took_s: list[float] = []
    until_s = time.perf_counter() + seconds

    async def work(logger_id: str) -> None:
        caller = Caller("bench", role="logger", scopes=(f"logger:{logger_id}",))

        def end(tx: Any, job_id: str) -> None:
            for step in (verbs.review, verbs.start, verbs.complete):
                step(tx, caller, job_id)

        while time.perf_counter() < until_s:
            at_s = time.perf_counter()
            job = (await store.write(partial(verbs.ask, caller=caller, lease_s=3600.0))).resource["job"]
            took_s.append(time.perf_counter() - at_s)
            if job is None:
                return
            await store.write(partial(end, job_id=job["id"]))

    began_s = time.perf_counter()
    async with trio.open_nursery() as nursery:
        for logger_id in ids:
            nursery.start_soon(work, logger_id)
    took_all_s = time.perf_counter() - began_s
    return {"per_s": round(len(took_s) / took_all_s), **_spread(took_s)}


def _spread(took_s: list[float]) -> Row:
    spread = benchkit.spread_ms(took_s)
    return {name: spread[name] for name in ("p50_ms", "p99_ms")}


async def _require_once(store: Any) -> None:
    """Each assignment has its entry in the audit; no job has two."""
    sql = (
        "SELECT count(*) FROM logging_audit WHERE action IN ('assign', 'accept')"
        " GROUP BY subject HAVING count(*) > 1"
    )
    assert not await store.read(lambda tx: tx.all(sql))


def main() -> None:
    benchkit.run("jobs", __doc__, {"assignment": measure})


if __name__ == "__main__":
    main()
