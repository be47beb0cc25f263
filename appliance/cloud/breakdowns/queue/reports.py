"""The clocks of jobs by break-down type, and the load of offices and loggers. Read only."""

from __future__ import annotations

from typing import Any, Final

from pydantic import BaseModel

from appliance.cloud.breakdowns.queue.model import ReportQuery
from appliance.cloud.breakdowns.queue.sla import percentile
from appliance.cloud.breakdowns.scope import seen_leagues
from appliance.kernel.clock import DAY_US, S_US, to_rfc3339
from appliance.kernel.operation import Caller
from appliance.kernel.tx import ReadTx, Row

PERIOD_US: Final = 30 * DAY_US
JOBS_MAX: Final = 100_000  # of a report: the newest


class SlaOfType(BaseModel):
    """Of jobs that were logged: seconds from the usable video, and from its notice, to the end. `breached`,
    `at_risk`: of those and of the open ones."""

    breakdown_type_id: str
    breakdown_type: str
    logged: int
    open: int
    p50_s: float | None
    p95_s: float | None
    notice_p50_s: float | None
    notice_p95_s: float | None
    at_risk: int
    breached: int
    extended: int


class SlaReport(BaseModel):
    since: str
    until: str
    items: list[SlaOfType]


class LoadOfLogger(BaseModel):
    logger_id: str
    name: str
    office_id: str
    is_available: bool
    job_id: str | None
    logged: int
    failed: int


class LoadOfOffice(BaseModel):
    office_id: str
    name: str
    capacity: int
    open: int


class WorkloadReport(BaseModel):
    """`waiting`: jobs in the queue. `logged`, `failed`: within the time of the report."""

    since: str
    until: str
    waiting: int
    offices: list[LoadOfOffice]
    loggers: list[LoadOfLogger]


def sla_report(tx: ReadTx, caller: Caller, query: ReportQuery) -> dict[str, Any]:
    """By break-down type, in the order of their ranks: jobs that ended in this time, and the open ones."""
    since_us, until_us = _period(tx, query)
    where = [
        ("withdrawn_us IS NULL", ()),
        ("(ended_us IS NULL OR (ended_us >= ? AND ended_us < ?))", (since_us, until_us)),
        *seen_leagues(caller),
    ]
    rows = tx.all(
        f"SELECT * FROM jobs WHERE {' AND '.join(sql for sql, _ in where)}"
        f" ORDER BY created_us DESC, id DESC LIMIT {JOBS_MAX}",
        [value for _, values in where for value in values],
    )
    types = tx.all("SELECT id, name FROM breakdown_types ORDER BY rank, id")
    of_type = {row["id"]: [job for job in rows if job["breakdown_type_id"] == row["id"]] for row in types}
    items = [_of_type(row, of_type[row["id"]], tx.now_us) for row in types if of_type[row["id"]]]
    return {"since": to_rfc3339(since_us), "until": to_rfc3339(until_us), "items": items}


def _of_type(kind: Row, jobs: list[Row], now_us: int) -> dict[str, Any]:
    logged = [job for job in jobs if job["status"] == "logged"]
    still = [job for job in jobs if job["ended_us"] is None]
    counted = [*logged, *still]
    ages = [job["ended_us"] - job["available_us"] for job in logged]
    notice_ages = [job["ended_us"] - job["notified_us"] for job in logged]

    def late(column: str) -> int:
        return sum((job["ended_us"] or now_us) >= job[column] for job in counted)

    breached = sum(
        job["breached_us"] is not None or (job["ended_us"] or now_us) >= job["due_us"] for job in counted
    )
    return {
        "breakdown_type_id": kind["id"],
        "breakdown_type": kind["name"],
        "logged": len(logged),
        "open": len(still),
        "p50_s": _seconds(percentile(ages, 50)),
        "p95_s": _seconds(percentile(ages, 95)),
        "notice_p50_s": _seconds(percentile(notice_ages, 50)),
        "notice_p95_s": _seconds(percentile(notice_ages, 95)),
        "at_risk": late("target_us"),
        "breached": breached,
        "extended": sum(job["extension_s"] > 0 for job in counted),
    }


def workload_report(tx: ReadTx, caller: Caller, query: ReportQuery) -> dict[str, Any]:
    """Offices and loggers that the caller sees, by name."""
    since_us, until_us = _period(tx, query)
    leagues = seen_leagues(caller, "offices.league_id")
    own = " AND ".join(f"({sql} OR offices.league_id IS NULL)" for sql, _ in leagues) or "1 = 1"
    values = [value for _, each in leagues for value in each]
    offices = tx.all(
        "SELECT offices.id AS office_id, offices.name, offices.capacity, count(loggers.job_id) AS open_jobs"
        f" FROM offices LEFT JOIN loggers ON loggers.office_id = offices.id WHERE {own}"
        " GROUP BY offices.id, offices.name, offices.capacity ORDER BY offices.name, offices.id",
        values,
    )
    loggers = tx.all(
        "SELECT loggers.id AS logger_id, loggers.name, loggers.office_id, loggers.is_available,"
        " loggers.job_id FROM loggers JOIN offices ON offices.id = loggers.office_id"
        f" WHERE {own} ORDER BY loggers.name, loggers.id",
        values,
    )
    done = _ended(tx, since_us, until_us)
    queue = [("status = 'queued'", ()), ("withdrawn_us IS NULL", ()), *seen_leagues(caller)]
    waiting = f"SELECT count(*) FROM jobs WHERE {' AND '.join(sql for sql, _ in queue)}"
    return {
        "since": to_rfc3339(since_us),
        "until": to_rfc3339(until_us),
        "waiting": tx.value(waiting, [value for _, each in queue for value in each]),
        "offices": [
            {**{name: row[name] for name in ("office_id", "name", "capacity")}, "open": row["open_jobs"]}
            for row in offices
        ],
        "loggers": [
            {
                **row,
                "is_available": bool(row["is_available"]),
                "logged": done.get((row["logger_id"], "logged"), 0),
                "failed": done.get((row["logger_id"], "failed"), 0),
            }
            for row in loggers
        ],
    }


def _ended(tx: ReadTx, since_us: int, until_us: int) -> dict[tuple[str, str], int]:
    rows = tx.all(
        "SELECT logger_id, status, count(*) AS jobs FROM jobs WHERE logger_id IS NOT NULL"
        " AND ended_us >= ? AND ended_us < ? GROUP BY logger_id, status",
        (since_us, until_us),
    )
    return {(row["logger_id"], row["status"]): row["jobs"] for row in rows}


def _period(tx: ReadTx, query: ReportQuery) -> tuple[int, int]:
    until_us = tx.now_us if query.until is None else query.until
    return (until_us - PERIOD_US if query.since is None else query.since), until_us


def _seconds(time_us: int | None) -> float | None:
    return None if time_us is None else time_us / S_US
