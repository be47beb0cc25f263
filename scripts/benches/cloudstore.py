"""The hosted program's store on PostgreSQL, beside single transactions by bare psycopg and the SQLite store.

Each change reads one of 200 rows, counts it up and appends a journal entry of about 1 kB. The server syncs at
each commit. Also measured: how long one process's entry takes to another's follower. Goal: lag p50 < 20 ms.
"""

from __future__ import annotations

import multiprocessing
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.queues import Queue
from pathlib import Path
from random import Random
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import benchkit
import trio
from benchkit import Options, Row

HOT = 200
BODY = {"event": "e" * 900}
CALLERS = 200
ENTRY = "INSERT INTO journal (seq, ts_us, type, subject, body) VALUES (%s, 1, 'bench', 'b', %s)"


def rows(options: Options) -> list[Row]:
    """Changes per second and how long one takes: rounds of each way in turn; medians over the rounds."""
    seconds, rounds = (0.1, 1) if options.quick else (2.0, 3)
    results: dict[str, list[Row]] = {}
    with _server(options) as server:
        for turn in range(rounds):
            url = server.empty_database()
            _prepare(url)
            for name, take in _ways(url, options.folder / f"{turn}.db", seconds).items():
                if options.quick and name.endswith(("two processes", "one caller")):
                    continue
                results.setdefault(name, []).append(take())
    report = []
    ours = statistics.median(each["per_s"] for each in results["PostgreSQL, one process"])
    for name, taken in results.items():
        middle = {key: round(statistics.median(each[key] for each in taken), 2) for key in taken[0]}
        report.append({"store": name, **middle, "ratio": round(middle["per_s"] / ours, 2)})
    return report


@contextmanager
def _server(options: Options) -> Iterator[Any]:
    """Quick, one for both parts that does not sync."""
    from tests.kit import postgres

    if options.quick:
        yield postgres.server()
    else:
        with postgres.own_server(fsync="on", full_page_writes="on", synchronous_commit="on") as server:
            yield server


def _ways(url: str, file: Path, seconds: float) -> dict[str, Callable[[], Row]]:
    return {
        "PostgreSQL, one process": lambda: _processes(1, url, CALLERS, seconds),
        "PostgreSQL, two processes": lambda: _processes(2, url, CALLERS // 2, seconds),
        "PostgreSQL, one caller": lambda: _processes(1, url, 1, seconds),
        "bare psycopg, one transaction each": lambda: _bare(url, seconds),
        "SQLite, one process": lambda: _summary(trio.run(_load_file, file, CALLERS, seconds), seconds),
        "SQLite, one caller": lambda: _summary(trio.run(_load_file, file, 1, seconds), seconds),
    }


def _prepare(url: str) -> None:
    import psycopg

    from appliance.kernel.postgres.migrate import migrate
    from appliance.kernel.schema import KERNEL_SCHEMA

    migrate(url, KERNEL_SCHEMA)
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE hot (id BIGINT PRIMARY KEY, n BIGINT)")
        connection.execute("INSERT INTO hot SELECT g, 0 FROM generate_series(0, %s) g", (HOT - 1,))


def _processes(count: int, url: str, callers: int, seconds: float) -> Row:
    context = multiprocessing.get_context("spawn")
    answers: Queue[list[float]] = context.Queue()
    processes = [
        context.Process(target=_process, args=(url, callers, seconds, seed, answers)) for seed in range(count)
    ]
    for process in processes:
        process.start()
    took = [each for _ in processes for each in answers.get()]
    for process in processes:
        process.join()
    return _summary(took, seconds)


def _process(url: str, callers: int, seconds: float, seed: int, answers: Queue[list[float]]) -> None:
    answers.put(trio.run(_load_server, url, callers, seconds, seed))


def _summary(took: list[float], seconds: float) -> Row:
    spread = benchkit.spread_ms(took)
    return {"per_s": len(took) / seconds, "p50_ms": spread["p50_ms"], "p99_ms": spread["p99_ms"]}


async def _load_server(url: str, callers: int, seconds: float, seed: int) -> list[float]:
    from appliance.kernel.clock import BoxClock
    from appliance.kernel.postgres.store import open_postgres
    from appliance.kernel.schema import KERNEL_SCHEMA

    clock = BoxClock.start(None, None)
    async with open_postgres(url, clock, connections=4, folders=[KERNEL_SCHEMA]) as store:
        return await _load(store, callers, seconds, seed)


async def _load_file(file: Path, callers: int, seconds: float) -> list[float]:
    from appliance.kernel.clock import BoxClock
    from appliance.kernel.store import open_store

    async with open_store(file, BoxClock.start(None, None)) as store:
        table = "CREATE TABLE IF NOT EXISTS hot (id INTEGER PRIMARY KEY, n INTEGER)"
        await store.write(lambda tx: tx.run(table))
        numbers = ", ".join(f"({number}, 0)" for number in range(HOT))
        await store.write(lambda tx: tx.run(f"INSERT INTO hot VALUES {numbers} ON CONFLICT DO NOTHING"))
        return await _load(store, callers, seconds, 0)


async def _load(store: Any, callers: int, seconds: float, seed: int) -> list[float]:
    """Closed loop: every caller writes again as soon as it gets its answer."""
    from appliance.kernel import interpreter

    interpreter.configure()
    interpreter.freeze()
    rnd, took = Random(seed), list[float]()

    async def call(end: float) -> None:
        while (began := time.perf_counter()) < end:
            await store.write(_change(rnd.randrange(HOT)))
            took.append(time.perf_counter() - began)

    async with trio.open_nursery() as nursery:
        end = time.perf_counter() + seconds
        for _ in range(callers):
            nursery.start_soon(call, end)
    return took


def _change(number: int) -> Callable[[Any], None]:
    def closure(tx: Any) -> None:
        count = tx.value("SELECT n FROM hot WHERE id = ?", (number,))
        tx.run("UPDATE hot SET n = ? WHERE id = ?", (count + 1, number))
        tx.append("bench", f"bench:{number}", BODY)

    return closure


def _bare(url: str, seconds: float) -> Row:
    """The same change as its own transaction, the head row first, by one connection."""
    import psycopg

    from appliance.kernel import json

    body, rnd, took = json.encode(BODY).decode(), Random(1), list[float]()
    with psycopg.connect(url) as connection:
        end = time.perf_counter() + seconds
        while (began := time.perf_counter()) < end:
            number = rnd.randrange(HOT)
            with connection.transaction():
                head = connection.execute("SELECT seq FROM journal_head FOR UPDATE").fetchone()
                assert head is not None
                row = connection.execute("SELECT n FROM hot WHERE id = %s", (number,)).fetchone()
                assert row is not None
                connection.execute("UPDATE hot SET n = %s WHERE id = %s", (row[0] + 1, number))
                connection.execute(ENTRY, (head[0] + 1, body))
                connection.execute("UPDATE journal_head SET seq = %s", (head[0] + 1,))
            took.append(time.perf_counter() - began)
    return _summary(took, seconds)


def lag(options: Options) -> list[Row]:
    """From the answer to one process until a follower in another store has the entry, ms."""
    with _server(options) as server:
        url = server.empty_database()
        _prepare(url)
        took = trio.run(_lags, url, 20 if options.quick else 500)
    spread = benchkit.spread_ms(took)
    return [{"what": "journal lag between two stores", **spread, "goal": "p50 < 20 ms"}]


async def _lags(url: str, times: int) -> list[float]:
    from appliance.kernel.clock import BoxClock
    from appliance.kernel.postgres.store import open_postgres
    from appliance.kernel.schema import KERNEL_SCHEMA

    clock, took = BoxClock.start(None, None), list[float]()
    opened = [open_postgres(url, clock, connections=3, folders=[KERNEL_SCHEMA]) for _ in range(2)]
    async with opened[0] as first, opened[1] as second:
        for number in range(times):
            await first.write(_change(number % HOT))
            began = time.perf_counter()
            while second.journal.head < first.journal.head:
                await second.journal.changed.wait_past(second.journal.changed.count)
            took.append(time.perf_counter() - began)
    return took


def main() -> None:
    benchkit.run("cloudstore", __doc__, {"writes": rows, "lag": lag})


if __name__ == "__main__":
    main()
