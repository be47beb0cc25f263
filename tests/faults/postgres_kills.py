"""Processes that share a PostgreSQL are killed and stopped, and the server is: nothing acknowledged is lost.

The clocks of the processes are seconds apart (libfaketime). Checked afterwards: every acknowledged change is
there once, the hot rows count exactly the changes, the journal has neither gaps nor another order than the
followers of every process saw, its times rise, and no lease had two owners at a time.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from random import Random

import psycopg
import trio

from appliance.kernel.postgres.store import open_postgres
from appliance.kernel.schema import KERNEL_SCHEMA
from appliance.kernel.store import Store
from tests.faults.postgres_worker import ANSWER, FAULT, HOT
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
CREATE TABLE holders (
    subject BIGINT, token BIGINT, owner TEXT, from_us BIGINT, until_us BIGINT, PRIMARY KEY (subject, token)
);
"""
FAKETIME = Path("/usr/lib") / "x86_64-linux-gnu" / "faketime" / "libfaketimeMT.so.1"
AHEAD_S = (0, 5, -5, 10)  # of each process: its clock


@dataclass
class Worker:
    """A process and what it printed. `seed`: of its work. `ahead_s`: of its clock."""

    url: str
    seed: int
    ahead_s: int = 0
    process: subprocess.Popen[bytes] = field(init=False)
    acknowledged: set[str] = field(default_factory=set)
    faults: list[str] = field(default_factory=list)
    _rest: bytes = b""

    def start(self) -> None:
        self._rest = b""
        words = [sys.executable, "-m", "tests.faults.postgres_worker", self.url, str(self.seed)]
        self.process = subprocess.Popen(
            words, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, cwd=ROOT, env=skewed(self.ahead_s)
        )
        assert self.process.stdout is not None
        os.set_blocking(self.process.stdout.fileno(), False)

    def read(self) -> int:
        """Read what was printed since; returns how many answers there are."""
        assert self.process.stdout is not None
        while data := self.process.stdout.read():
            *lines, self._rest = (self._rest + data).split(b"\n")
            texts = [line.decode() for line in lines]
            answers = (text.partition(ANSWER) for text in texts)
            self.acknowledged.update(name for _, found, name in answers if found)
            self.faults += [text for text in texts if FAULT in text]
        return len(self.acknowledged)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self.read()
        assert self.process.stdout is not None
        self.process.stdout.close()


def skewed(ahead_s: int) -> dict[str, str]:
    """The environment of a process whose wall clock is wrong by so much; where libfaketime is missing, of one
    whose clock is right."""
    faked = {"LD_PRELOAD": str(FAKETIME), "FAKETIME": f"{ahead_s:+d}s", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    return {**os.environ, **(faked if ahead_s and FAKETIME.exists() else {})}


async def kills_of_four(rounds: int, seed: int, folder: Path) -> Tally:
    """The long form, for scripts/faults."""
    return await process_kills(rounds, seed, folder, processes=4)


async def process_kills(rounds: int, seed: int, folder: Path, *, processes: int = 2) -> Tally:
    """`rounds` strikes at processes and their server."""
    tally, rnd = Tally(), Random(seed)
    with own_server() as server:
        url = server.empty_database()
        async with _open(url):
            pass
        with psycopg.connect(url) as connection:
            connection.execute(TABLES)
        workers = [Worker(url, number, AHEAD_S[number]) for number in range(processes)]
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
    subjects = await store.read(lambda tx: tx.all("SELECT seq, subject, ts_us FROM journal ORDER BY seq"))
    times = [row["ts_us"] for row in subjects]
    tally.check(times == sorted(times), "the journal's times do not rise")
    for worker in workers:
        tally.violations += worker.faults
    tally.check([row["seq"] for row in subjects] == list(range(1, len(subjects) + 1)), "gaps in the journal")
    entries = sorted(row["subject"].partition(":")[2] for row in subjects)
    tally.check(entries == sorted(rows), "the journal has other changes than the table")
    await eventually(lambda: len(seen) >= len(subjects), what="the follower")
    tally.check(seen == [row["seq"] for row in subjects], f"a follower saw {len(seen)} of {len(subjects)}")
    held = await store.read(lambda tx: tx.all("SELECT * FROM holders ORDER BY subject, token"))
    for one, next_ in pairwise(held):
        is_apart = one["subject"] != next_["subject"] or one["until_us"] <= next_["from_us"]
        tally.check(is_apart, f"two held lease {one['subject']} at a time, from token {one['token']} on")
    tokens = "SELECT subject, count(*) AS n, max(token) AS last FROM holders GROUP BY subject"
    for row in await store.read(lambda tx: tx.all(tokens)):
        tally.check(
            row["n"] == row["last"], f"lease {row['subject']}: {row['n']} owners, {row['last']} tokens"
        )
