"""Loggers work through a queue by HTTP, on two processes of `appliance cloud serve` that are killed (SIGKILL)
meanwhile; each request is sent again until it is answered.

Checked afterwards: every job was given, reviewed, logged and announced once, and is of the logger who got the
answers; no logger keeps a job; of each job that was late there is one alarm.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

import trio

from appliance.access.tokens import store as tokens
from appliance.cloud.domains import domains
from appliance.kernel import json
from appliance.kernel.store import Store
from appliance.kernel.tx import ReadTx, Tx
from tests.cloud.breakdowns.world import logging_world
from tests.faults.cloud_kills import Service, answered, open_database
from tests.faults.tally import Tally
from tests.kit.postgres import own_server
from tests.kit.waiting import LIMIT_S, eventually

LOGGERS = 4
JOBS = 8  # for each strike, and before the first
LATE = 3  # of all jobs
BETWEEN = 3  # jobs that are logged between two strikes
STEPS = ("review", "start", "complete")
V1 = "/logging/v1"


@dataclass
class Floor:
    """What the loggers were answered. `done`: the logger of each job; `faults`: answers that should not have
    been."""

    services: list[Service]
    rnd: Random
    done: dict[str, str] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    async def work(self, logger_id: str, token: str) -> None:
        """Ask, review, start and complete, again and again."""
        while True:
            job = (await self._post(f"{V1}/queue/next", token))["job"]
            if job is None:
                await trio.sleep(0.1)
                continue
            for step in STEPS:
                await self._post(f"{V1}/jobs/{job['id']}/{step}", token)
            if self.done.setdefault(job["id"], logger_id) != logger_id:
                self.faults.append(f"job {job['id']} was logged by two")

    async def _post(self, path: str, token: str) -> dict[str, Any]:
        key = str(UUID(int=self.rnd.getrandbits(128), version=4))
        headers = {"authorization": f"Bearer {token}", "idempotency_key": key}
        while True:
            answer = await answered(self.rnd.choice(self.services), path, **headers)
            head, _, body = answer.partition(b"\r\n\r\n")
            if head[9:12] == b"200":
                return dict(json.decode(body))
            if answer and head[9:12] != b"503":
                self.faults.append(f"{path} was answered {answer[-300:]!r}")
                await trio.sleep_forever()
            await trio.sleep(0.02)


async def logging_kills(rounds: int, seed: int, folder: Path) -> Tally:
    """`rounds` strikes at one of two processes."""
    tally, rnd = Tally(), Random(seed)
    domains()
    jobs = JOBS * (rounds + 1)
    with own_server() as server:
        url = server.empty_database()
        async with open_database(url) as store:
            ids = await store.write(partial(_fill, jobs=jobs))
            services = [Service(folder, url, number) for number in range(2)]
            floor = Floor(services, rnd)
            try:
                for service in services:
                    service.process.launch()
                async with trio.open_nursery() as working:
                    for logger_id in ids:
                        working.start_soon(floor.work, logger_id, await _token(store, logger_id))
                    for _ in range(rounds):
                        await _log(floor, len(floor.done) + BETWEEN)
                        service = rnd.choice(services)
                        await service.kill()
                        service.process.launch()
                        tally.rounds += 1
                        tally.struck += 1
                    await _log(floor, jobs)
                    working.cancel_scope.cancel()
            finally:
                for service in services:
                    service.process.kill_everything()
            await _check(store, floor, jobs, tally)
    return tally


def _fill(tx: Tx, jobs: int) -> list[str]:
    """Loggers, and jobs that wait; some of them are over their limit already."""
    world = logging_world(tx, capacity=LOGGERS)
    made = [world.job(tx)["id"] for _ in range(jobs)]
    for job_id in made[:LATE]:
        tx.run("UPDATE jobs SET target_us = 1, due_us = 1 WHERE id = ?", (job_id,))
    return [world.logger(tx) for _ in range(LOGGERS)]


async def _token(store: Store, logger_id: str) -> str:
    token, token_hash = tokens.make_token()
    scopes = (f"logger:{logger_id}",)
    add = partial(tokens.add_token, token_hash=token_hash, role="logger", scopes=scopes, name=logger_id)
    await store.write(partial(add, created_by="console"))
    return token


async def _log(floor: Floor, count: int) -> None:
    def have() -> bool:
        return len(floor.done) >= count or bool(floor.faults)

    await eventually(have, within_s=3 * LIMIT_S, what=f"{count} logged jobs")


def _rows(tx: ReadTx) -> dict[str, list[dict[str, Any]]]:
    return {
        "jobs": tx.all("SELECT id, status, logger_id FROM jobs"),
        "audit": tx.all("SELECT subject, action FROM logging_audit WHERE lower(subject) LIKE 'job:%'"),
        "messages": tx.all("SELECT body FROM messages WHERE type = 'job.logged'"),
        "busy": tx.all("SELECT id FROM loggers WHERE job_id IS NOT NULL"),
        "alarms": tx.all("SELECT subject FROM journal WHERE type = 'sla_breached'"),
    }


async def _check(store: Store, floor: Floor, jobs: int, tally: Tally) -> None:
    rows = await store.read(_rows)
    tally.acknowledged = len(floor.done)
    owners = {row["id"]: row["logger_id"] for row in rows["jobs"]}
    tally.lose(job_id for job_id, logger_id in floor.done.items() if owners.get(job_id) != logger_id)
    tally.violations += floor.faults[:20]
    tally.check(len(owners) == jobs, f"{len(owners)} jobs of {jobs}")
    tally.check(all(row["status"] == "logged" for row in rows["jobs"]), "a job was not logged")
    given = {"assign": "given", "accept": "given"}
    for job_id in owners:
        taken = [given.get(row["action"], row["action"]) for row in rows["audit"] if job_id in row["subject"]]
        expected = sorted(["queued", "given", *STEPS])
        tally.check(sorted(taken) == expected, f"job {job_id}: {taken}")
    announced = sorted(json.decode(row["body"].encode())["data"]["id"] for row in rows["messages"])
    tally.check(announced == sorted(owners), f"{len(announced)} messages for {len(owners)} jobs")
    tally.check(not rows["busy"], "a logger keeps a job")
    tally.check(len(rows["alarms"]) == LATE == len({row["subject"] for row in rows["alarms"]}), "alarms")
