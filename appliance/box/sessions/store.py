"""Transactions that change sessions, and reading them. Only this file writes `sessions`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from appliance.box.sessions.machine import SESSION, SESSION_EVENT_TYPE, SessionEvent, SessionState
from appliance.box.sessions.model import SessionIn, SessionPatch, SessionQuery
from appliance.domain import session_counters
from appliance.kernel.clock import optional_rfc3339, to_rfc3339
from appliance.kernel.errors import FieldError, Refused, gone, invalid, not_found
from appliance.kernel.ids import new_uuid
from appliance.kernel.operation import Answer, Caller, check_rev, fingerprint
from appliance.kernel.paging import list_page
from appliance.kernel.rows import UNDO_US, known_row, load_row
from appliance.kernel.tx import ReadTx, Row, Tx

Restore = Callable[[Tx, str, int], None]
"""The other domains' part of undoing a delete: (tx, session id, deleted_us)."""

Cascade = Callable[[Tx, str], None]
"""The other domains' part of one transaction: (tx, session id), from their records."""


def session_resource(tx: ReadTx, row: Row) -> dict[str, Any]:
    """The session as the API shows it."""
    channels = None
    if not row["all_channels"]:
        linked = tx.all(
            "SELECT channel_id FROM session_channels WHERE session_id = ? ORDER BY channel_id", (row["id"],)
        )
        channels = [each["channel_id"] for each in linked]
    return {
        "id": row["id"],
        "session_id": row["id"],
        **{key: row[key] for key in ("name", "type", "status", "opponent", "location", "season", "week")},
        "event_id": row["event_id"],
        "scheduled_start": optional_rfc3339(row["scheduled_start_us"]),
        "actual_start": optional_rfc3339(row["actual_start_us"]),
        "actual_end": optional_rfc3339(row["actual_end_us"]),
        "channel_ids": channels,
        **session_counters(tx, row["id"]),
        "created_at": to_rfc3339(row["created_us"]),
        "updated_at": to_rfc3339(row["updated_us"]),
        "created_by": row["created_by"],
        "rev": row["rev"],
    }


def get_session(tx: ReadTx, session_id: str) -> dict[str, Any]:
    return session_resource(tx, load_row(tx, "session", session_id))


def list_sessions(tx: ReadTx, query: SessionQuery) -> dict[str, Any]:
    where: list[tuple[str, tuple[Any, ...]]] = []
    for column in ("type", "status"):
        wanted = getattr(query, column)
        if wanted is not None:
            where.append((f"{column} = ?", (wanted,)))
    table = partial(list_page, tx, query, table="sessions", where=where, resource=session_resource)
    if not query.deleted:
        return table(key="created_us")
    where.append(("deleted_us >= ?", (tx.now_us - UNDO_US,)))
    return table(key="deleted_us", gone="NULL")  # NULL is never set: deleted sessions are listed


def create_session(tx: Tx, caller: Caller, body: SessionIn) -> Answer:
    """A new scheduled session, or the existing one for the same id and body."""
    # without a field that is not sent: a request from before this release that is sent again is the same one
    request_hash = fingerprint(body.model_dump_json(exclude={"event_id"} if body.event_id is None else None))
    if (known := known_row(tx, "session", body.id, request_hash)) is not None:
        return Answer(200, session_resource(tx, known))
    session_id = body.id or new_uuid()
    _require_free(tx, body.event_id, session_id)
    fields = body.model_dump(include={"name", "type", "opponent", "location", "season", "week", "event_id"})
    tx.create(
        "sessions",
        {
            "id": session_id,
            **fields,
            "status": SessionState.SCHEDULED,
            "scheduled_start_us": body.scheduled_start,
            "all_channels": int(body.channel_ids is None),
            "request_hash": request_hash,
            "created_by": caller.device,
            "created_us": tx.now_us,
            "updated_us": tx.now_us,
        },
    )
    _link_channels(tx, session_id, body.channel_ids)
    return Answer(201, _journal(tx, "session_created", session_id))


def change_session(tx: Tx, caller: Caller, session_id: str, body: SessionPatch) -> Answer:
    row = load_row(tx, "session", session_id)
    check_rev(caller, "session", row["rev"])
    sent = body.model_dump(exclude_unset=True)
    for required in ("name", "type"):
        if required in sent and sent[required] is None:
            raise invalid(required, "a session always has one: leave the field out to keep it")
    if not sent:
        return Answer(200, session_resource(tx, row))
    _require_free(tx, sent.get("event_id"), session_id)
    if "scheduled_start" in sent:
        sent["scheduled_start_us"] = sent.pop("scheduled_start")
    if "channel_ids" in sent:
        _link_channels(tx, session_id, sent["channel_ids"])
        sent["all_channels"] = int(sent.pop("channel_ids") is None)
    tx.update("sessions", session_id, sent)
    return Answer(200, _journal(tx, "session_updated", session_id))


def move_session(
    tx: Tx, caller: Caller, session_id: str, event: SessionEvent, on_complete: Cascade
) -> Answer:
    """One transition of the machine. `on_complete` is the other domains' part: clips close their ghosts."""
    row = load_row(tx, "session", session_id)
    check_rev(caller, "session", row["rev"])
    changes: dict[str, Any] = {"status": SESSION.next(SessionState(row["status"]), event)}
    if event is SessionEvent.START:
        changes["actual_start_us"] = tx.now_us
    elif event is SessionEvent.COMPLETE:
        changes["actual_end_us"] = tx.now_us
    elif event is SessionEvent.REOPEN:
        changes["actual_end_us"] = None
    tx.update("sessions", session_id, changes)
    resource = _journal(tx, SESSION_EVENT_TYPE[event], session_id)
    if event is SessionEvent.COMPLETE:
        on_complete(tx, session_id)
    return Answer(200, resource)


def delete_session(tx: Tx, caller: Caller, session_id: str, *, force: bool, cascade: Cascade) -> Answer:
    """Delete with all that belongs to it; recordings stay. Refused while it runs or has favourites."""
    row = load_row(tx, "session", session_id)
    check_rev(caller, "session", row["rev"])
    if row["status"] in (SessionState.ACTIVE, SessionState.PAUSED):
        raise Refused(
            409,
            "session_running",
            f"a session that is {row['status']} cannot be deleted",
            "complete it first",
            extra={"state": row["status"], "allowed": ["complete"]},
        )
    starred = tx.value(
        "SELECT count(*) FROM clips WHERE session_id = ? AND is_favorite = 1 AND deleted_us IS NULL",
        (session_id,),
    ) + tx.value(
        "SELECT count(*) FROM plays WHERE session_id = ? AND is_favorite = 1 AND deleted_us IS NULL",
        (session_id,),
    )
    if starred and not force:
        raise Refused(
            409,
            "holds_favorites",
            f"the session holds {starred} favourites",
            "send ?force=1 to delete them too",
            extra={"favorites": starred},
        )
    cascade(tx, session_id)
    tx.update("sessions", session_id, {"deleted_us": tx.now_us})
    tx.append("session_deleted", f"session:{session_id}", {"session_id": session_id}, session_id=session_id)
    return Answer(200, {"id": session_id, "deleted": True})


def restore_session(tx: Tx, session_id: str, cascade: Restore) -> Answer:
    """Undo a delete within 24 h: restore the session with what was deleted with it."""
    row = tx.one("SELECT * FROM sessions WHERE id = ?", (session_id,))
    if row is None:
        raise not_found("session", session_id)
    deleted_us = row["deleted_us"]
    if deleted_us is None:
        return Answer(200, session_resource(tx, row))
    if tx.now_us - deleted_us > UNDO_US:
        raise gone("session", session_id)
    _require_free(tx, row["event_id"], session_id)
    tx.update("sessions", session_id, {"deleted_us": None})
    _journal(tx, "session_updated", session_id)
    cascade(tx, session_id, deleted_us)
    return Answer(200, _journal(tx, "session_updated", session_id))


def _require_free(tx: ReadTx, event_id: str | None, session_id: str) -> None:
    """Raises Refused 409: another session films this event."""
    if event_id is None:
        return
    sql = "SELECT id, name FROM sessions WHERE event_id = ? AND deleted_us IS NULL AND id <> ?"
    other = tx.one(sql, (event_id, session_id))
    if other is not None:
        raise Refused(
            409,
            "event_taken",
            f"the session {other['name']!r} is of this event",
            "one session an event: take that session, or remove event_id from it first",
            (FieldError("event_id", f"of session {other['name']!r}"),),
            extra={"session_id": other["id"]},
        )


def _link_channels(tx: Tx, session_id: str, channel_ids: list[str] | None) -> None:
    tx.run("DELETE FROM session_channels WHERE session_id = ?", (session_id,))
    for at, channel_id in enumerate(channel_ids or []):
        if not tx.value("SELECT 1 FROM channels WHERE id = ? AND archived_us IS NULL", (channel_id,)):
            raise Refused(
                422,
                "unknown_channel",
                f"channel_ids[{at}]: no channel {channel_id}",
                "GET /channels lists them",
                (FieldError(f"channel_ids.{at}", f"no channel {channel_id}"),),
            )
        tx.run("INSERT OR IGNORE INTO session_channels VALUES (?, ?)", (session_id, channel_id))


def _journal(tx: Tx, type_: str, session_id: str) -> dict[str, Any]:
    resource = get_session(tx, session_id)
    tx.append(
        type_, f"session:{session_id}", {"session_id": session_id, "session": resource}, session_id=session_id
    )
    return resource
