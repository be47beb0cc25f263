"""Jobs as rows: made, moved through their states, given to a logger and taken back.

Only this file writes `jobs`, `job_passes` and the columns of a logger's job. A job that a logger has is under
a lease of kernel/leases.py, whose owner is the logger.
"""

from __future__ import annotations

from typing import Any, Final

from appliance.cloud.breakdowns.audit import SYSTEM, record
from appliance.cloud.breakdowns.marking.machine import LoggingEvent
from appliance.cloud.breakdowns.marking.rows import find_marking, move_marking
from appliance.cloud.breakdowns.queue.machine import JOB, JobEvent, JobState
from appliance.cloud.breakdowns.queue.model import job_resource
from appliance.cloud.breakdowns.queue.sla import sla_clock
from appliance.kernel.ids import new_uuid
from appliance.kernel.leases import Lease, release_lease, take_lease
from appliance.kernel.tx import ReadTx, Row, Tx

LEASE: Final = "job"  # the kind of the leases


def find_job(tx: ReadTx, job_id: str) -> Row | None:
    return tx.one("SELECT * FROM jobs WHERE id = ? AND withdrawn_us IS NULL", (job_id,))


def open_job_of(tx: ReadTx, event_id: str) -> Row | None:
    """The job of the event that is not over."""
    return tx.one("SELECT * FROM jobs WHERE event_id = ? AND ended_us IS NULL", (event_id,))


def open_job(tx: Tx, source: Row, by: str) -> Row:
    """Put a job for the event of this usable video into the queue, following its last one. The caller has
    checked that the event may have one."""
    marking = find_marking(tx, source["event_id"])
    assert marking is not None and marking["breakdown_type_id"] is not None
    kind = tx.one("SELECT * FROM breakdown_types WHERE id = ?", (marking["breakdown_type_id"],))
    assert kind is not None  # a foreign key
    previous = (
        "SELECT id FROM jobs WHERE event_id = ? AND withdrawn_us IS NULL"
        " ORDER BY created_us DESC, id DESC LIMIT 1"
    )
    clock = sla_clock(tx.now_us, kind["target_s"], kind["due_s"])
    row: dict[str, Any] = {
        "id": new_uuid(),
        "event_id": source["event_id"],
        "league_id": source["league_id"],
        "sport": tx.value("SELECT sport FROM leagues WHERE id = ?", (source["league_id"],)),
        "breakdown_type_id": kind["id"],
        "source_id": source["id"],
        "previous_job_id": tx.value(previous, (source["event_id"],)),
        "status": str(JobState.QUEUED),
        "available_us": tx.now_us,
        "notified_us": source["notified_us"],
        "target_us": clock.target_us,
        "due_us": clock.due_us,
        "missing": "[]",
        "created_us": tx.now_us,
        "updated_us": tx.now_us,
    }
    tx.create("jobs", row)
    move_marking(tx, source["event_id"], LoggingEvent.QUEUE, awaiting_us=None, alerted_us=None)
    job = find_job(tx, row["id"])
    assert job is not None
    audit_job(tx, job, "queued", by)
    return journal_job(tx, "job_queued", job)


def withdraw_job(tx: Tx, job: Row, by: str, reason: str) -> None:
    """The event of a job that waits is not to be logged any more; no logger was assigned yet."""
    tx.update("jobs", job["id"], {"withdrawn_us": tx.now_us, "ended_us": tx.now_us})
    audit_job(tx, job, "withdrawn", by, reason)
    about = {"job_id": job["id"], "event_id": job["event_id"], "league_id": job["league_id"]}
    tx.append("job_withdrawn", f"job:{job['id']}", about)


def retype_job(tx: Tx, job: Row, type_id: str, by: str) -> None:
    """A job that waits for its first logger gets another break-down type, with the clock of that type."""
    kind = tx.one("SELECT * FROM breakdown_types WHERE id = ?", (type_id,))
    assert kind is not None
    clock = sla_clock(job["available_us"], kind["target_s"], kind["due_s"], job["extension_s"])
    changes = {"breakdown_type_id": type_id, "target_us": clock.target_us, "due_us": clock.due_us}
    audit_job(tx, job, "retyped", by, was=job["breakdown_type_id"], now=type_id)
    change_job(tx, "job_retyped", job, changes)


def give_job(
    tx: Tx, job: Row, logger_id: str, event: JobEvent, by: str, lease_s: float, why: str = ""
) -> Row:
    """The logger has the job from now on, under a lease; an earlier one has not. The caller has checked that
    this logger may have it."""
    after = JOB.next(JobState(job["status"]), event)
    _take_back(tx, job)
    lease = take_lease(tx, LEASE, job["id"], logger_id, for_s=lease_s)
    assert lease is not None  # it was released
    changes = {"job_id": job["id"], "last_assigned_us": tx.now_us}
    if event is JobEvent.ACCEPT:
        changes["is_available"] = 1
    tx.update("loggers", logger_id, changes)
    move_marking(tx, job["event_id"], LoggingEvent.ASSIGN)
    audit_job(tx, job, str(event), by, why, logger_id=logger_id, was=job["logger_id"])
    return change_job(
        tx,
        "job_assigned",
        job,
        {
            "status": str(after),
            "logger_id": logger_id,
            "lease_token": lease.token,
            "assigned_us": tx.now_us,
        },
    )


def return_job(tx: Tx, job: Row, event: JobEvent, by: str, reason: str) -> Row:
    """Back to the queue, with its data. The queue does not give it to this logger again."""
    after = JOB.next(JobState(job["status"]), event)
    tx.run(
        "INSERT INTO job_passes (job_id, logger_id, created_us) VALUES (?, ?, ?)"
        " ON CONFLICT (job_id, logger_id) DO NOTHING",
        (job["id"], job["logger_id"], tx.now_us),
    )
    if event is JobEvent.EXPIRE:  # the logger is away: available again by asking for a job
        tx.update("loggers", job["logger_id"], {"is_available": 0})
    _take_back(tx, job)
    audit_job(tx, job, str(event), by, reason, logger_id=job["logger_id"])
    changes = {"status": str(after), "logger_id": None, "lease_token": None, "reason": reason}
    return change_job(tx, "job_returned", job, changes)


def end_job(tx: Tx, job: Row, event: JobEvent, by: str, reason: str = "", **changes: Any) -> Row:
    """The job is logged or has failed; its logger is free, and stays named in it."""
    after = JOB.next(JobState(job["status"]), event)
    _take_back(tx, job)
    done = after is JobState.LOGGED
    move_marking(tx, job["event_id"], LoggingEvent.COMPLETE if done else LoggingEvent.FAIL)
    audit_job(tx, job, str(event), by, reason, logger_id=job["logger_id"])
    fixed = {"status": str(after), "ended_us": tx.now_us, "lease_token": None, "reason": reason or None}
    return change_job(tx, "job_logged" if done else "job_failed", job, {**fixed, **changes})


def lease_of(tx: ReadTx, job: Row) -> Lease | None:
    """The lease of the job's logger, as it was last renewed; None: the job has none."""
    if job["lease_token"] is None:
        return None
    sql = "SELECT owner, token, until_us FROM leases WHERE kind = ? AND subject = ?"
    row = tx.one(sql, (LEASE, job["id"]))
    if row is None or row["token"] != job["lease_token"]:
        return None
    return Lease(LEASE, job["id"], row["owner"], row["token"], row["until_us"])


def _take_back(tx: Tx, job: Row) -> None:
    """The logger of the job, if there is one, has none any more."""
    if (lease := lease_of(tx, job)) is not None:
        release_lease(tx, lease)
        tx.update("loggers", job["logger_id"], {"job_id": None})


def change_job(tx: Tx, type_: str, job: Row, changes: dict[str, Any]) -> Row:
    return journal_job(tx, type_, tx.updated("jobs", job, changes))


def journal_job(tx: Tx, type_: str, job: Row) -> Row:
    tx.append(
        type_,
        f"job:{job['id']}",
        {"job_id": job["id"], "event_id": job["event_id"], "job": job_resource(job, tx.now_us)},
    )
    return job


def audit_job(tx: Tx, job: Row, action: str, by: str = SYSTEM, reason: str = "", **details: Any) -> None:
    record(tx, f"job:{job['id']}", action, by, reason, league_id=job["league_id"], details=details)
