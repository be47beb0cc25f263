"""The queue gives jobs to loggers: core.py decides, from rows that are read in the same transaction.

A logger is free who is available and has no open job. An office has room while fewer of its loggers have a
job than its capacity.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any, Final

from appliance.cloud.breakdowns.audit import SYSTEM
from appliance.cloud.breakdowns.queue.core import Waiting, Worker, assign_all
from appliance.cloud.breakdowns.queue.machine import JobEvent
from appliance.cloud.breakdowns.queue.rows import find_job, give_job
from appliance.kernel import json
from appliance.kernel.clock import DAY_US
from appliance.kernel.tx import ReadTx, Row, Tx

LOAD_US: Final = DAY_US  # jobs of so long ago count as load
AT_ONCE: Final = 50  # jobs given in one transaction


def has_work(tx: ReadTx) -> bool:
    """Whether a waiting job would go to a free logger: what is worth a transaction that writes."""
    return bool(_plan(tx))


def distribute(tx: Tx, lease_s: float) -> int:
    """Give waiting jobs to free loggers; returns how many. Call it again while that is not 0."""
    pairs = _plan(tx)
    for waiting, worker in pairs:
        _give(tx, waiting, worker, JobEvent.ASSIGN, SYSTEM, lease_s)
    return len(pairs)


def take_next(tx: Tx, logger: Row, by: str, lease_s: float) -> Row | None:
    """The job that this logger, who has none, gets now by asking; None: none waits that fits, or the office
    has no room."""
    pairs = _pairs(tx, [_decoded(logger)])
    return next((_give(tx, waiting, worker, JobEvent.ACCEPT, by, lease_s) for waiting, worker in pairs), None)


def worker_of(tx: ReadTx, logger: Row) -> Worker:
    return _workers(tx, [_decoded(logger)])[0]


def room_of(tx: ReadTx) -> dict[str, int]:
    """How many more jobs each office may have open."""
    rows = tx.all(
        "SELECT offices.id, offices.capacity, count(loggers.job_id) AS open_jobs FROM offices"
        " LEFT JOIN loggers ON loggers.office_id = offices.id"
        " GROUP BY offices.id, offices.capacity"
    )
    return {row["id"]: row["capacity"] - row["open_jobs"] for row in rows}


def waiting_of(job: Row) -> Waiting:
    return Waiting(job["id"], job["league_id"], job["sport"], job["breakdown_type_id"], job["due_us"])


def _plan(tx: ReadTx) -> list[tuple[Waiting, Worker]]:
    rows = tx.all("SELECT * FROM loggers WHERE is_available = 1 AND job_id IS NULL ORDER BY id")
    return _pairs(tx, [*map(_decoded, rows)])


def _pairs(tx: ReadTx, loggers: Sequence[Row]) -> list[tuple[Waiting, Worker]]:
    room = room_of(tx)
    workers = _workers(tx, [row for row in loggers if room.get(row["office_id"], 0) > 0])
    return assign_all(workers, _heads(tx, workers), room, AT_ONCE) if workers else []


def _give(tx: Tx, waiting: Waiting, worker: Worker, event: JobEvent, by: str, lease_s: float) -> Row:
    job = find_job(tx, waiting.id)
    assert job is not None  # this transaction has just read it
    return give_job(tx, job, worker.id, event, by, lease_s)


def _heads(tx: ReadTx, workers: Sequence[Worker]) -> list[Waiting]:
    """The most urgent waiting jobs of every kind that one of the workers may have: as many of each as can be
    given at once, and as many more as one of the workers has given back."""
    kinds: dict[tuple[str | None, str, str], None] = {}
    for worker in workers:
        keys = product([worker.league_id], sorted(worker.sports), sorted(worker.types))
        kinds.update(dict.fromkeys(keys))
    count = min(len(workers), AT_ONCE) + max(len(worker.passed) for worker in workers)
    found: dict[str, Waiting] = {}
    for league_id, sport, type_id in kinds:
        limit: list[Any] = [] if league_id is None else [league_id]
        rows = tx.all(
            "SELECT * FROM jobs WHERE status = 'queued' AND sport = ? AND breakdown_type_id = ?"
            f" AND withdrawn_us IS NULL{'' if league_id is None else ' AND league_id = ?'}"
            " ORDER BY due_us, id LIMIT ?",
            (sport, type_id, *limit, count),
        )
        found.update({row["id"]: waiting_of(row) for row in rows})
    return list(found.values())


def _decoded(logger: Row) -> Row:
    return {
        **logger,
        "sports": frozenset(json.decode_stored(logger["sports"])),
        "types": frozenset(json.decode_stored(logger["breakdown_type_ids"])),
    }


def _workers(tx: ReadTx, loggers: Sequence[Row]) -> list[Worker]:
    if not loggers:
        return []
    marks = ", ".join("?" * len(loggers))
    ids = [row["id"] for row in loggers]
    loads = tx.all(
        f"SELECT logger_id, count(*) AS jobs FROM jobs WHERE logger_id IN ({marks}) AND assigned_us > ?"
        " GROUP BY logger_id",
        (*ids, tx.now_us - LOAD_US),
    )
    passes = tx.all(
        "SELECT job_passes.logger_id, job_passes.job_id FROM job_passes"
        " JOIN jobs ON jobs.id = job_passes.job_id"
        f" WHERE job_passes.logger_id IN ({marks}) AND jobs.status = 'queued'",
        ids,
    )
    load = {row["logger_id"]: row["jobs"] for row in loads}
    offices = tx.all("SELECT id, league_id FROM offices")
    league = {row["id"]: row["league_id"] for row in offices}
    return [
        Worker(
            row["id"],
            row["office_id"],
            row["sports"],
            row["types"],
            league[row["office_id"]],
            load.get(row["id"], 0),
            row["last_assigned_us"],
            frozenset(each["job_id"] for each in passes if each["logger_id"] == row["id"]),
        )
        for row in loggers
    ]
