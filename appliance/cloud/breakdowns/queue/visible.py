"""Which jobs a token sees, which logger it acts for; one job, the list, the queue."""

from __future__ import annotations

from typing import Any

from appliance.cloud.breakdowns.queue.assign import waiting_of, worker_of
from appliance.cloud.breakdowns.queue.core import unfit
from appliance.cloud.breakdowns.queue.machine import JobState
from appliance.cloud.breakdowns.queue.model import JobQuery, job_resource
from appliance.cloud.breakdowns.queue.rows import find_job, lease_of
from appliance.cloud.breakdowns.scope import Where, leagues_of, logger_of, seen_leagues
from appliance.kernel import json
from appliance.kernel.clock import optional_rfc3339
from appliance.kernel.errors import Refused, not_found
from appliance.kernel.operation import Caller
from appliance.kernel.paging import Page, list_page
from appliance.kernel.tx import ReadTx, Row


def own_logger(tx: ReadTx, caller: Caller) -> Row:
    """The logger that the caller is. Raises Refused: 422 when it is none, 404 when there is no such one."""
    logger_id = logger_of(caller)
    if not logger_id:
        hint = "`appliance cloud token --role logger --scope logger:ID` makes one"
        raise Refused(422, "not_a_logger", "this needs the token of a logger", hint)
    return load_logger(tx, logger_id)


def load_logger(tx: ReadTx, logger_id: str) -> Row:
    """Raises Refused 404."""
    row = tx.one("SELECT * FROM loggers WHERE id = ?", (logger_id,))
    if row is None:
        raise not_found("logger", logger_id)
    return row


def visible_job(tx: ReadTx, caller: Caller, job_id: str) -> Row:
    """A logger sees its own jobs, and those that wait and fit. Raises Refused 404."""
    job = find_job(tx, job_id)
    if job is None or not _sees(tx, caller, job):
        raise not_found("job", job_id)
    return job


def held_job(tx: ReadTx, caller: Caller, job_id: str) -> Row:
    """A job that the caller works on: a logger its own, of others those that it sees. Raises Refused 404."""
    job = visible_job(tx, caller, job_id)
    if (logger_id := logger_of(caller)) is not None and job["logger_id"] != logger_id:
        raise not_found("job", job_id)
    return job


def seen_jobs(caller: Caller) -> Where:
    """Conditions of lists: a logger's are its own."""
    if (logger_id := logger_of(caller)) is not None:
        return [("logger_id = ?", (logger_id,))]
    return seen_leagues(caller)


def waiting_for(tx: ReadTx, caller: Caller) -> Where:
    """Conditions of the queue: of a logger those that fit."""
    if logger_of(caller) is None:
        return seen_leagues(caller)
    logger = own_logger(tx, caller)
    office = "SELECT league_id FROM offices WHERE id = ?"
    league_id = tx.value(office, (logger["office_id"],))
    fits: Where = [
        _any_of("sport", json.decode_stored(logger["sports"])),
        _any_of("breakdown_type_id", json.decode_stored(logger["breakdown_type_ids"])),
    ]
    return fits if league_id is None else [*fits, ("league_id = ?", (league_id,))]


def _any_of(column: str, values: list[Any]) -> tuple[str, tuple[Any, ...]]:
    return f"{column} IN ({', '.join('?' * len(values)) or 'NULL'})", tuple(values)


def _sees(tx: ReadTx, caller: Caller, job: Row) -> bool:
    leagues, logger_id = leagues_of(caller), logger_of(caller)
    if logger_id is None:
        return leagues is None or job["league_id"] in leagues
    if job["logger_id"] == logger_id:
        return True
    logger = tx.one("SELECT * FROM loggers WHERE id = ?", (logger_id,))
    waits = job["status"] == JobState.QUEUED
    return waits and logger is not None and not unfit(worker_of(tx, logger), waiting_of(job))


def shown_job(tx: ReadTx, job: Row) -> dict[str, Any]:
    lease = lease_of(tx, job)
    until_us = None if lease is None else lease.until_us
    return {**job_resource(job, tx.now_us), "lease_until": optional_rfc3339(until_us)}


def get_job(tx: ReadTx, caller: Caller, job_id: str) -> dict[str, Any]:
    """Raises Refused 404."""
    return shown_job(tx, visible_job(tx, caller, job_id))


def list_jobs(tx: ReadTx, caller: Caller, query: JobQuery) -> dict[str, Any]:
    """A page of what the caller sees, oldest first."""
    chosen = {"status = ?": query.status, "logger_id = ?": query.logger, "event_id = ?": query.event_id}
    where = [(condition, (str(value),)) for condition, value in chosen.items() if value is not None]
    return _page(tx, query, "created_us", [*where, *seen_jobs(caller)])


def list_queue(tx: ReadTx, caller: Caller, query: Page) -> dict[str, Any]:
    """A page of the jobs that wait, the most urgent first; of a logger those that fit."""
    return _page(tx, query, "due_us", [("status = 'queued'", ()), *waiting_for(tx, caller)])


def _page(tx: ReadTx, query: Page, key: str, where: list[tuple[str, tuple[Any, ...]]]) -> dict[str, Any]:
    return list_page(tx, query, table="jobs", key=key, where=where, resource=shown_job, gone="withdrawn_us")
