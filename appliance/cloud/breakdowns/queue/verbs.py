"""What loggers and managers do with jobs: each a transaction of its own."""

from __future__ import annotations

from typing import Any

from appliance.cloud.breakdowns.marking.rows import await_source
from appliance.cloud.breakdowns.queue.assign import room_of, take_next, waiting_of, worker_of
from appliance.cloud.breakdowns.queue.core import unfit
from appliance.cloud.breakdowns.queue.machine import HELD, JOB, JobEvent, JobState
from appliance.cloud.breakdowns.queue.model import ExtendIn, FailIn, ReassignIn, SkipIn, is_open
from appliance.cloud.breakdowns.queue.rows import (
    LEASE,
    audit_job,
    change_job,
    end_job,
    find_job,
    give_job,
    lease_of,
    open_job,
    return_job,
)
from appliance.cloud.breakdowns.queue.visible import held_job, own_logger, shown_job, visible_job
from appliance.cloud.breakdowns.sources.machine import SourceEvent
from appliance.cloud.breakdowns.sources.rows import find_source, move_source, usable_source
from appliance.domain import announce
from appliance.kernel import json
from appliance.kernel.clock import S_US
from appliance.kernel.errors import Refused, invalid
from appliance.kernel.leases import renew_lease
from appliance.kernel.operation import Answer, Caller, check_rev
from appliance.kernel.tx import ReadTx, Row, Tx


def ask(tx: Tx, caller: Caller, lease_s: float) -> Answer:
    """The logger's open job, or the next one that fits; null when none waits. Who asks is available."""
    logger = own_logger(tx, caller)
    if not logger["is_available"]:
        tx.update("loggers", logger["id"], {"is_available": 1})
    job = find_job(tx, logger["job_id"]) if logger["job_id"] is not None else None
    if job is None:
        job = take_next(tx, logger, caller.device, lease_s)
    return Answer(200, {"job": None if job is None else shown_job(tx, job)})


def accept(tx: Tx, caller: Caller, job_id: str, lease_s: float) -> Answer:
    """Take a job that waits, or confirm one that the queue assigned."""
    job = visible_job(tx, caller, job_id)
    logger = own_logger(tx, caller)
    check_rev(caller, "job", job["rev"])
    if job["logger_id"] == logger["id"]:
        JOB.next(JobState(job["status"]), JobEvent.ACCEPT)
        return _renewed(tx, job, lease_s)
    _require_free(tx, logger, job)
    return _answer(tx, give_job(tx, job, logger["id"], JobEvent.ACCEPT, caller.device, lease_s))


def review(tx: Tx, caller: Caller, job_id: str) -> Answer:
    """Look at the quality of the video."""
    return _answer(tx, _step(tx, caller, job_id, JobEvent.REVIEW))


def start(tx: Tx, caller: Caller, job_id: str) -> Answer:
    """The video is good enough: logging begins, and its videos can no longer be changed."""
    job = _step(tx, caller, job_id, JobEvent.START)
    source = find_source(tx, job["source_id"])
    assert source is not None  # a foreign key
    move_source(tx, source, SourceEvent.LOCK)
    return _answer(tx, job)


def heartbeat(tx: Tx, caller: Caller, job_id: str, lease_s: float) -> Answer:
    """The logger works on it: the lease begins anew. Raises Refused 409: it is not a logger's any more."""
    job = held_job(tx, caller, job_id)
    if JobState(job["status"]) not in HELD:
        raise Refused(
            409,
            "not_held",
            f"the job is {job['status']}: no logger has it",
            "accept it, or ask for the next one",
            extra={"state": job["status"]},
        )
    return _renewed(tx, job, lease_s)


def skip(tx: Tx, caller: Caller, job_id: str, body: SkipIn) -> Answer:
    """Give the job back: it waits again, for another logger, with its data."""
    job = _checked(tx, caller, job_id)
    return _answer(tx, return_job(tx, job, JobEvent.SKIP, caller.device, body.reason))


def fail(tx: Tx, caller: Caller, job_id: str, body: FailIn) -> Answer:
    """The video is insufficient: it is marked corrupt, and the event waits for another one. If there is one
    already, a job of it follows at once."""
    for at, part in enumerate(body.missing):
        if part.end_s <= part.start_s:
            raise invalid(f"missing.{at}.end_s", "is not after start_s")
    job = _checked(tx, caller, job_id)
    missing = json.encode([part.model_dump() for part in body.missing]).decode()
    found = {"note": body.note, "missing": missing}
    job = end_job(tx, job, JobEvent.FAIL, caller.device, body.reason, **found)
    source = find_source(tx, job["source_id"])
    assert source is not None
    move_source(tx, source, SourceEvent.CORRUPT, reason=body.note or body.reason)
    follow_up(tx, job["event_id"], caller.device)
    return _answer(tx, job)


def follow_up(tx: Tx, event_id: str, by: str) -> None:
    """After a failed job: another usable video of the event gets a job; without one the event waits."""
    if (other := usable_source(tx, event_id)) is not None:
        open_job(tx, other, by)
    else:
        await_source(tx, event_id)


def complete(tx: Tx, caller: Caller, job_id: str) -> Answer:
    """The event is logged: tells those inside who subscribed to `job.logged`."""
    job = end_job(tx, _checked(tx, caller, job_id), JobEvent.COMPLETE, caller.device)
    shown = shown_job(tx, job)
    names = ("id", "event_id", "league_id", "breakdown_type_id", "logger_id", "ended_at")
    about = {**{name: shown[name] for name in names}, "status": "Logged"}
    announce(tx, "job.logged", about, (f"league:{job['league_id']}",))
    return Answer(200, shown)


def reassign(tx: Tx, caller: Caller, job_id: str, body: ReassignIn, lease_s: float) -> Answer:
    """Give the job to this logger, who must be able to do it."""
    job = visible_job(tx, caller, job_id)
    check_rev(caller, "job", job["rev"])
    JOB.next(JobState(job["status"]), JobEvent.REASSIGN)
    logger = tx.one("SELECT * FROM loggers WHERE id = ?", (body.logger_id,))
    if logger is None:
        raise invalid("logger_id", "no such logger", "unknown_reference")
    if logger["id"] == job["logger_id"]:
        raise invalid("logger_id", "has this job already")
    _require_free(tx, logger, job, at="logger_id")
    by, why = caller.device, body.reason
    return _answer(tx, give_job(tx, job, logger["id"], JobEvent.REASSIGN, by, lease_s, why))


def extend(tx: Tx, caller: Caller, job_id: str, body: ExtendIn) -> Answer:
    """More time for an open job, kept with its reason."""
    job = visible_job(tx, caller, job_id)
    check_rev(caller, "job", job["rev"])
    if not is_open(job):
        raise Refused(
            409,
            "illegal_transition",
            f"a job that is {job['status']} has no time left to extend",
            "its clock has ended",
            extra={"state": job["status"], "event": "extend", "allowed": []},
        )
    changes = {
        "extension_s": job["extension_s"] + body.extra_s,
        "due_us": job["due_us"] + body.extra_s * S_US,
    }
    audit_job(tx, job, "extended", caller.device, body.reason, extra_s=body.extra_s)
    return _answer(tx, change_job(tx, "job_extended", job, changes))


def _step(tx: Tx, caller: Caller, job_id: str, event: JobEvent) -> Row:
    job = _checked(tx, caller, job_id)
    changes: dict[str, Any] = {"status": str(JOB.next(JobState(job["status"]), event))}
    if event is JobEvent.START and job["started_us"] is None:
        changes["started_us"] = tx.now_us
    audit_job(tx, job, str(event), caller.device)
    return change_job(tx, f"job_{changes['status']}", job, changes)


def _checked(tx: ReadTx, caller: Caller, job_id: str) -> Row:
    job = held_job(tx, caller, job_id)
    check_rev(caller, "job", job["rev"])
    return job


def _require_free(tx: ReadTx, logger: Row, job: Row, at: str = "") -> None:
    """Raises Refused: 422 when the logger cannot do the job, 409 when not now. `at`: the field that names
    the logger; "": it is the caller."""
    if why := unfit(worker_of(tx, logger), waiting_of(job)):
        if at:
            raise invalid(at, why)
        raise Refused(409, "not_qualified", why)
    if logger["job_id"] is not None:
        raise Refused(
            409,
            "logger_busy",
            f"logger {logger['id']} has an open job: {logger['job_id']}",
            "one job at a time: complete, skip or fail it first",
            extra={"job_id": logger["job_id"]},
        )
    room = room_of(tx)[logger["office_id"]]
    has = job["logger_id"] is not None and _office_of(tx, job["logger_id"]) == logger["office_id"]
    if room + has <= 0:  # the office keeps its number when the job stays in it
        raise Refused(
            409,
            "office_full",
            f"office {logger['office_id']} has as many open jobs as its capacity",
            "wait until one ends, or raise the capacity",
        )


def _office_of(tx: ReadTx, logger_id: str) -> str:
    return str(tx.value("SELECT office_id FROM loggers WHERE id = ?", (logger_id,)))


def _renewed(tx: Tx, job: Row, lease_s: float) -> Answer:
    lease = lease_of(tx, job)
    assert lease is not None and lease.kind == LEASE  # the states of HELD have one
    renew_lease(tx, lease, for_s=lease_s)
    return _answer(tx, job)


def _answer(tx: ReadTx, job: Row) -> Answer:
    return Answer(200, shown_job(tx, job))
