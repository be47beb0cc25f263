"""Transactions on the videos of events: a notice, a judgement, a corrupt mark.

One job an event: the first usable video makes it, a further one is an alternative. Once the job is being
logged no video is added or judged any more (409, audited); marking one corrupt is the exception.
"""

from __future__ import annotations

from typing import Any

from appliance.cloud.breakdowns.audit import record
from appliance.cloud.breakdowns.marking.machine import LoggingState, takes_a_job
from appliance.cloud.breakdowns.marking.rows import await_source, find_marking
from appliance.cloud.breakdowns.queue.machine import JobEvent, JobState
from appliance.cloud.breakdowns.queue.rows import change_job, end_job, open_job, open_job_of
from appliance.cloud.breakdowns.scope import Where, logger_of, seen_leagues
from appliance.cloud.breakdowns.sources.machine import SourceEvent, SourceState
from appliance.cloud.breakdowns.sources.model import (
    Judgement,
    SourceQuery,
    VodAvailable,
    source_resource,
)
from appliance.cloud.breakdowns.sources.rows import (
    find_source,
    is_locked,
    journal_source,
    move_source,
    usable_source,
)
from appliance.kernel.errors import Refused, id_reused, invalid, not_found
from appliance.kernel.ids import new_uuid
from appliance.kernel.operation import Answer, Caller, check_rev, fingerprint
from appliance.kernel.paging import list_page
from appliance.kernel.tx import ReadTx, Row, Tx


class SourcesLocked(Refused):
    """The videos of the event can no longer be changed."""

    def __init__(self, event: Row) -> None:
        super().__init__(
            409,
            code="sources_locked",
            detail="the event is being logged, or was: its videos can no longer be changed",
            hint="mark the video corrupt first, if it is",
            extra={"event_id": event["event_id"]},
        )
        self.league_id = event["league_id"]


def notice(tx: Tx, body: VodAvailable) -> Answer:
    """A video is available: it waits to be copied. The same notice again changes nothing. Raises Refused."""
    known = tx.one("SELECT * FROM sources WHERE notice_id = ?", (body.id,))
    digest = fingerprint(body.model_dump_json())
    if known is not None and known["notice_hash"] != digest:
        raise id_reused("notice", body.id)
    if known is not None:
        return Answer(200, source_resource(known))
    sql = "SELECT league_id FROM events WHERE id = ? AND deleted_us IS NULL"
    league_id = tx.value(sql, (body.event_id,))
    if league_id is None:
        raise invalid("event_id", "no such event", "unknown_reference")
    if is_locked(tx, body.event_id):
        raise SourcesLocked({"event_id": body.event_id, "league_id": league_id})
    row: dict[str, Any] = {
        "id": new_uuid(),
        "event_id": body.event_id,
        "league_id": league_id,
        "kind": "cloud",
        "state": str(SourceState.PENDING),
        "url": body.url,
        "notice_id": body.id,
        "notice_hash": digest,
        "notified_us": tx.now_us,
        "published_us": body.available_at,
        "created_us": tx.now_us,
        "updated_us": tx.now_us,
    }
    tx.create("sources", row)
    source = find_source(tx, row["id"])
    assert source is not None
    _audit(tx, source, "noticed", "webhook")
    journal_source(tx, source)
    return Answer(201, source_resource(source))


def accept(tx: Tx, caller: Caller, source_id: str, body: Judgement) -> Answer:
    """The video is usable: with it, in this transaction, a job of the event enters the queue."""
    source = _unlocked(tx, caller, source_id)
    source = move_source(tx, source, SourceEvent.ACCEPT, accepted_us=tx.now_us, reason=None)
    _audit(tx, source, "accepted", caller.device, body.reason)
    marking = find_marking(tx, source["event_id"])
    if marking is not None and takes_a_job(LoggingState(marking["state"])):
        open_job(tx, source, caller.device)
    return Answer(200, source_resource(source))


def fail(tx: Tx, caller: Caller, source_id: str, body: Judgement) -> Answer:
    """The video cannot be copied, or its quality is insufficient: the event waits for another one."""
    source = _unlocked(tx, caller, source_id)
    source = move_source(tx, source, SourceEvent.FAIL, reason=body.reason)
    _audit(tx, source, "failed", caller.device, body.reason)
    await_source(tx, source["event_id"])
    return Answer(200, source_resource(source))


def corrupt(tx: Tx, caller: Caller, source_id: str, body: Judgement) -> Answer:
    """The video is unusable. A waiting job goes on with another usable one; without one the open job fails.
    A job that was logged stays as it is, and what was delivered too."""
    source = _visible(tx, caller, source_id)
    check_rev(caller, "source", source["rev"])
    source = move_source(tx, source, SourceEvent.CORRUPT, reason=body.reason)
    _audit(tx, source, "corrupt", caller.device, body.reason)
    job = open_job_of(tx, source["event_id"])
    if job is not None and job["source_id"] == source_id:
        _lose(tx, job, caller.device)
    elif job is None:
        await_source(tx, source["event_id"])
    return Answer(200, source_resource(source))


def get(tx: ReadTx, caller: Caller, source_id: str) -> dict[str, Any]:
    """Raises Refused 404."""
    return source_resource(_visible(tx, caller, source_id))


def listing(tx: ReadTx, caller: Caller, query: SourceQuery) -> dict[str, Any]:
    """A page of what the caller sees, oldest first."""
    chosen = {"event_id = ?": query.event_id, "state = ?": query.state}
    where = [(condition, (str(value),)) for condition, value in chosen.items() if value is not None]
    return list_page(
        tx,
        query,
        table="sources",
        key="created_us",
        where=[*where, *_seen(caller)],
        resource=lambda _, row: source_resource(row),
        gone="NULL",  # no video is deleted
    )


def audit_locked(tx: Tx, locked: SourcesLocked, by: str) -> None:
    """A change that was refused, in a transaction of its own: that of the change was undone."""
    event_id = locked.extra["event_id"]
    record(tx, f"event:{event_id}", "source_refused", by, locked.detail, league_id=locked.league_id)


def _lose(tx: Tx, job: Row, by: str) -> None:
    other = usable_source(tx, job["event_id"])
    if other is not None and job["status"] == JobState.QUEUED:
        change_job(tx, "job_moved", job, {"source_id": other["id"]})
        return
    end_job(tx, job, JobEvent.LOSE_SOURCE, by, "corrupt_file")
    if other is not None:
        open_job(tx, other, by)
    else:
        await_source(tx, job["event_id"])


def _unlocked(tx: ReadTx, caller: Caller, source_id: str) -> Row:
    """The video, if videos of its event may change. Raises Refused: 404, 409 SourcesLocked, 412."""
    source = _visible(tx, caller, source_id)
    check_rev(caller, "source", source["rev"])
    if is_locked(tx, source["event_id"]):
        raise SourcesLocked(source)
    return source


def _seen(caller: Caller) -> Where:
    """A logger sees the videos of the events of its jobs."""
    if (logger_id := logger_of(caller)) is not None:
        return [("event_id IN (SELECT event_id FROM jobs WHERE logger_id = ?)", (logger_id,))]
    return seen_leagues(caller)


def _visible(tx: ReadTx, caller: Caller, source_id: str) -> Row:
    where = [("id = ?", (source_id,)), *_seen(caller)]
    sql = "SELECT * FROM sources WHERE " + " AND ".join(condition for condition, _ in where)
    row = tx.one(sql, [value for _, values in where for value in values])
    if row is None:
        raise not_found("source", source_id)
    return row


def _audit(tx: Tx, source: Row, action: str, by: str, reason: str = "") -> None:
    about = {"event_id": source["event_id"]}
    record(tx, f"source:{source['id']}", action, by, reason, league_id=source["league_id"], details=about)
