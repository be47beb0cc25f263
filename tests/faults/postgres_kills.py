"""Processes that share a PostgreSQL are killed and stopped, and the server is: nothing acknowledged is lost.

Checked afterwards: every acknowledged change is there once, the hot rows count exactly the changes, the
journal has neither gaps nor another order than a follower saw, and no token of a lease had two owners.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import psycopg
import trio

from appliance.kernel.postgres.store import open_postgres
from appliance.kernel.schema import KERNEL_SCHEMA
from appliance.kernel.store import Store
from tests.faults.postgres_worker import ANSWER, HOT
from tests.faults.tally import Tally
from tests.kit.clock import WallClock
from tests.kit.postgres import Server, own_server
from tests.kit.waiting import eventually

ROOT = Path(__file__).parents[2]
ANSWERS = 10  # acknowledged before each strike: it hits work, however slow the machine is
STRIKES = ("kill", "kill", "stop", "kill", "server")
TABLES = f"""
CREATE TABLE changes (id TEXT PRIMARY KEY);
CREATE TABLE hot (id BIGINT PRIMARY KEY, n BIGINT NOT NULL);
INSERT INTO hot SELECT g, 0 FROM generate_series(0, {HOT - 1}) g;
CREATE TABLE holders (subject BIGINT, token BIGINT, owner TEXT, PRIMARY KEY (subject, token));
"""


@dataclass
class Worker:
    """A process and what it printed. `seed`: of its work."""

    url: str
    seed: int
    process: subprocess.Popen[bytes] = field(init=False)
    acknowledged: set[str] = field(default_factory=set)
    _rest: bytes = b""

    def start(self) -> None:
        self._rest = b""
        words = [sys.executable, "-m", "tests.faults.postgres_worker", self.url, str(self.seed)]
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, cwd=ROOT)
        assert self.process.stdout is not None
        os.set_blocking(self.process.stdout.fileno(), False)

    def read(self) -> int:
        """Read what was printed since; returns how many answers there are."""
        assert self.process.stdout is not None
        while data := self.process.stdout.read():
            *lines, self._rest = (self._rest + data).split(b"\n")
            answers = (line.decode().partition(ANSWER) for line in lines)
            self.acknowledged.update(name for _, found, name in answers if found)
        return len(self.acknowledged)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self.read()
        assert self.process.stdout is not None
        self.process.stdout.close()


async def process_kills(rounds: int, seed: int, folder: Path) -> Tally:
    """`rounds` strikes at two processes and their server."""
    tally, rnd = Tally(), Random(seed)
    with own_server() as server:
        url = server.empty_database()
        async with _open(url):
            pass
        with psycopg.connect(url) as connection:
            connection.execute(TABLES)
        workers = [Worker(url, number) for number in range(2)]
        seen: list[int] = []
        for worker in workers:
            worker.start()
        try:
            async with _open(url) as store, trio.open_nursery() as nursery:
                nursery.start_soon(_follow, store, seen)
                for number in range(rounds):
                    before = [worker.read() for worker in workers]
                    await eventually(lambda b=before: _all_worked(workers, b), what="answers")  # type: ignore[misc]
                    await _strike(STRIKES[number % len(STRIKES)], rnd.choice(workers), server, rnd)
                    tally.rounds += 1
                    tally.struck += 1
                for worker in workers:
                    worker.kill()
                await _check(store, workers, seen, tally)
                nursery.cancel_scope.cancel()
        finally:
            for worker in workers:
                worker.process.kill()
                worker.process.wait()
    return tally


def _open(url: str) -> AbstractAsyncContextManager[Store]:
    return open_postgres(url, WallClock(), connections=4, folders=[KERNEL_SCHEMA])


def _all_worked(workers: list[Worker], before: list[int]) -> bool:
    return all(worker.read() >= known + ANSWERS for worker, known in zip(workers, before, strict=True))


async def _strike(kind: str, worker: Worker, server: Server, rnd: Random) -> None:
    await trio.sleep(rnd.uniform(0, 0.02))
    if kind == "kill":
        worker.kill()
        worker.start()
    elif kind == "stop":
        worker.process.send_signal(signal.SIGSTOP)
        await trio.sleep(0.4)  # longer than the server waits for it
        worker.process.send_signal(signal.SIGCONT)
    else:
        server.kill()
        await trio.to_thread.run_sync(server.start)


async def _follow(store: Store, seen: list[int]) -> None:
    while True:
        for entry in await store.journal.read(seen[-1] if seen else 0):
            seen.append(entry.seq)
        await store.journal.changed.wait_past(store.journal.changed.count)


async def _check(store: Store, workers: list[Worker], seen: list[int], tally: Tally) -> None:
    rows = await store.read(lambda tx: {row["id"] for row in tx.all("SELECT id FROM changes")})
    acknowledged = set().union(*(worker.acknowledged for worker in workers))
    tally.acknowledged = len(acknowledged)
    tally.lose(sorted(acknowledged - rows))
    counted = await store.read(lambda tx: int(tx.value("SELECT CAST(sum(n) AS BIGINT) FROM hot")))
    tally.check(counted == len(rows), f"the hot rows count {counted}, there are {len(rows)} changes")
    subjects = await store.read(lambda tx: tx.all("SELECT seq, subject FROM journal ORDER BY seq"))
    tally.check([row["seq"] for row in subjects] == list(range(1, len(subjects) + 1)), "gaps in the journal")
    entries = sorted(row["subject"].partition(":")[2] for row in subjects)
    tally.check(entries == sorted(rows), "the journal has other changes than the table")
    await eventually(lambda: len(seen) >= len(subjects), what="the follower")
    tally.check(seen == [row["seq"] for row in subjects], f"a follower saw {len(seen)} of {len(subjects)}")
    tokens = "SELECT subject, count(*) AS n, max(token) AS last FROM holders GROUP BY subject"
    for row in await store.read(lambda tx: tx.all(tokens)):
        tally.check(
            row["n"] == row["last"], f"lease {row['subject']}: {row['n']} owners, {row['last']} tokens"
        )
