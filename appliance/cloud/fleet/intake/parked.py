"""Events that could not be applied: kept as they were sent, listed, and applied later where that is possible.

Only this file writes `parked_events`. A parked event that is replayed changes a resource only when nothing
newer was applied meanwhile: else it is superseded.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from appliance.cloud.fleet.intake.events import SentEvent, newest_changes, reread
from appliance.cloud.fleet.intake.hooks import tell_domains
from appliance.cloud.fleet.intake.rows import apply_changes, apply_counters, keep_events
from appliance.kernel import json
from appliance.kernel.clock import to_rfc3339
from appliance.kernel.errors import Refused, not_found
from appliance.kernel.ids import new_uuid
from appliance.kernel.operation import Answer
from appliance.kernel.paging import Page, list_page
from appliance.kernel.tx import ReadTx, Row, Tx

Status = Literal["parked", "applied", "superseded"]
_DETAIL_MAX = 500


class ParkedQuery(Page):
    """Query of a site's parked events."""

    status: Annotated[Status | None, Field(description="default: all")] = None


class ParkedEvent(BaseModel):
    """`code`: bad_event (its content), internal (an error of ours)."""

    id: str
    site_id: str
    epoch_number: int
    seq: int
    code: str
    detail: str
    status: Status
    event: dict[str, Any]
    created_at: str
    updated_at: str
    rev: int


def park(tx: Tx, epoch: Row, event: SentEvent, code: str, detail: str) -> dict[str, str]:
    """Keep the event beside the stream; returns its entry in the answer's `rejected`."""
    detail = "".join(each if each.isprintable() else " " for each in detail)[:_DETAIL_MAX]
    row_id = new_uuid()
    tx.create(
        "parked_events",
        {
            "id": row_id,
            "site_id": epoch["site_id"],
            "epoch_number": epoch["number"],
            "seq": event.seq,
            "event": json.encode(event.as_sent).decode(),
            "code": code,
            "detail": detail,
            "status": "parked",
            "created_us": tx.now_us,
            "updated_us": tx.now_us,
        },
    )
    tx.append("event_parked", f"parked_event:{row_id}", {"parked_event": _load(tx, epoch["site_id"], row_id)})
    return {"id": f"{epoch['epoch']}:{event.seq}", "code": code, "detail": detail}


def replay(tx: Tx, site_id: str, row_id: str) -> Answer:
    """Apply it, if it can be applied now. Raises Refused 409 when it still cannot."""
    row = _row(tx, site_id, row_id)
    if row["status"] != "parked":
        return Answer(200, _resource(row))
    event = reread(row["event"], site_id)
    if event.bad:
        raise Refused(409, "still_bad", event.bad, "it can be applied once the hosted side understands it")
    if not _is_kept(tx, row):  # an error of ours took back the whole event
        keep_events(tx, site_id, row["epoch_number"], [event])
    changes = newest_changes([event])
    is_applied = apply_changes(tx, site_id, row["epoch_number"], changes) > 0 or not changes
    apply_counters(tx, site_id, row["epoch_number"], [event])
    tell_domains(tx, site_id, [event])
    tx.update("parked_events", row_id, {"status": "applied" if is_applied else "superseded"})
    resource = _load(tx, site_id, row_id)
    tx.append("event_replayed", f"parked_event:{row_id}", {"parked_event": resource})
    return Answer(200, resource)


def list_parked(tx: ReadTx, site_id: str, query: ParkedQuery) -> dict[str, Any]:
    where: list[tuple[str, tuple[Any, ...]]] = [("site_id = ?", (site_id,))]
    if query.status is not None:
        where.append(("status = ?", (query.status,)))
    return list_page(
        tx,
        query,
        table="parked_events",
        key="created_us",
        where=where,
        resource=lambda _, row: _resource(row),
    )


def count_parked(tx: ReadTx, site_id: str | None = None) -> int:
    """Of one site, or of all."""
    sql = "SELECT count(*) FROM parked_events WHERE status = 'parked'"
    if site_id is None:
        return int(tx.value(sql))
    return int(tx.value(f"{sql} AND site_id = ?", (site_id,)))


def _is_kept(tx: ReadTx, row: Row) -> bool:
    """Whether the event is in the site's journal."""
    sql = "SELECT 1 FROM site_events WHERE site_id = ? AND epoch_number = ? AND seq = ?"
    return tx.one(sql, (row["site_id"], row["epoch_number"], row["seq"])) is not None


def _row(tx: ReadTx, site_id: str, row_id: str) -> Row:
    row = tx.one("SELECT * FROM parked_events WHERE id = ? AND site_id = ?", (row_id, site_id))
    if row is None:
        raise not_found("parked event", row_id)
    return row


def _load(tx: ReadTx, site_id: str, row_id: str) -> dict[str, Any]:
    return _resource(_row(tx, site_id, row_id))


def _resource(row: Row) -> dict[str, Any]:
    kept = ("id", "site_id", "epoch_number", "seq", "code", "detail", "status", "rev")
    return {
        **{name: row[name] for name in kept},
        "event": json.decode_long(row["event"].encode()),
        "created_at": to_rfc3339(row["created_us"]),
        "updated_at": to_rfc3339(row["updated_us"]),
    }
