"""The marking of each event as a row. Only this file writes `markings`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from appliance.cloud.breakdowns.marking.core import WORDS, Decision
from appliance.cloud.breakdowns.marking.machine import LOGGING, LoggingEvent, LoggingState
from appliance.kernel import json
from appliance.kernel.clock import optional_rfc3339, to_rfc3339
from appliance.kernel.tx import ReadTx, Row, Tx


class EventLogging(BaseModel):
    """The field `logging` of an event. `rule_id`: the rule that won, `won_by`: whose rule that is. `job_id`:
    the newest job."""

    state: LoggingState
    is_marked: bool
    reason: str
    detail: str
    breakdown_type_id: str | None
    breakdown_type: str | None
    fields: list[str]
    rule_id: str | None
    won_by: str | None
    job_id: str | None
    awaiting_since: str | None
    updated_at: str


def find_marking(tx: ReadTx, event_id: str) -> Row | None:
    return tx.one("SELECT * FROM markings WHERE id = ?", (event_id,))


def marking_part(tx: ReadTx, event_id: str) -> dict[str, Any] | None:
    """The field of the event; None: it was made before there was logging, and nothing has changed since."""
    row = tx.one(
        "SELECT markings.*, breakdown_types.name AS type_name FROM markings"
        " LEFT JOIN breakdown_types ON breakdown_types.id = markings.breakdown_type_id"
        " WHERE markings.id = ?",
        (event_id,),
    )
    if row is None:
        return None
    newest = (
        "SELECT id FROM jobs WHERE event_id = ? AND withdrawn_us IS NULL"
        " ORDER BY created_us DESC, id DESC LIMIT 1"
    )
    return {
        "state": row["state"],
        "is_marked": row["state"] != LoggingState.UNMARKED,
        "reason": row["reason"],
        "detail": WORDS[row["reason"]],
        "breakdown_type_id": row["breakdown_type_id"],
        "breakdown_type": row["type_name"],
        "fields": json.decode_stored(row["fields"]),
        "rule_id": row["rule_id"],
        "won_by": row["won_by"],
        "job_id": tx.value(newest, (event_id,)),
        "awaiting_since": optional_rfc3339(row["awaiting_us"]),
        "updated_at": to_rfc3339(row["updated_us"]),
    }


def decision_columns(decision: Decision) -> dict[str, Any]:
    return {
        "reason": decision.reason,
        "breakdown_type_id": decision.breakdown_type_id,
        "fields": json.encode(list(decision.fields)).decode(),
        "rule_id": decision.rule_id,
        "won_by": decision.won_by,
    }


def make_marking(tx: Tx, event_id: str, league_id: str, decision: Decision) -> None:
    """The first decision on an event."""
    times = {"created_us": tx.now_us, "updated_us": tx.now_us}
    state = LoggingState.AWAITING_SOURCE if decision.is_marked else LoggingState.UNMARKED
    own = {"id": event_id, "league_id": league_id, "state": str(state)}
    tx.create("markings", {**own, **decision_columns(decision), **times})
    journal_marking(tx, event_id)


def move_marking(tx: Tx, event_id: str, event: LoggingEvent, **changes: Any) -> LoggingState:
    """Take the step, with these changes of other columns; returns the new state. Raises Refused 409."""
    row = find_marking(tx, event_id)
    state = LoggingState.UNMARKED if row is None else LoggingState(row["state"])
    after = LOGGING.next(state, event)
    change_marking(tx, event_id, {"state": str(after), **changes})
    return after


def change_marking(tx: Tx, event_id: str, changes: Mapping[str, Any]) -> None:
    tx.update("markings", event_id, changes)
    journal_marking(tx, event_id)


def await_source(tx: Tx, event_id: str) -> None:
    """The event has no usable video: since when is kept, unless it is not to be logged or is being logged."""
    waits = (LoggingState.AWAITING_SOURCE, LoggingState.AWAITING_REUPLOAD)
    marking = find_marking(tx, event_id)
    if marking is None or marking["state"] not in waits or marking["awaiting_us"] is not None:
        return
    change_marking(tx, event_id, {"awaiting_us": tx.now_us, "alerted_us": None})


def journal_marking(tx: Tx, event_id: str) -> None:
    tx.append(
        "marking_changed",
        f"event:{event_id}",
        {"event_id": event_id, "logging": marking_part(tx, event_id)},
    )
