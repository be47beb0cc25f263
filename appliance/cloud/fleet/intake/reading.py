"""What was taken of a site, for its own box and for admins: its journal, its resources.

Owns: the form of these two lists. Must not know: how the rows were made.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from appliance.cloud.fleet.intake.events import KINDS
from appliance.cloud.fleet.sites import visible_site
from appliance.kernel import json
from appliance.kernel.clock import optional_rfc3339, to_rfc3339
from appliance.kernel.errors import invalid
from appliance.kernel.fields import Input
from appliance.kernel.operation import Caller
from appliance.kernel.paging import Page, decode_cursor, encode_cursor
from appliance.kernel.tx import ReadTx, Row

Kind = Literal["session", "channel", "play", "clip", "tag"]


class JournalQuery(Input):
    """Query of a site's journal: entries after (`epoch_number`, `since`)."""

    epoch_number: Annotated[int, Field(ge=0, le=2**31)] = 0
    since: Annotated[int, Field(ge=0, le=2**53)] = 0
    limit: Annotated[int, Field(ge=1, le=1000)] = 100


class SiteEvent(BaseModel):
    """An entry of the box's journal."""

    epoch_number: int
    seq: int
    type: str
    subject: str
    time: str
    data: dict[str, Any]
    taken_at: str


class JournalPlace(BaseModel):
    epoch_number: int
    seq: int


class JournalPage(BaseModel):
    """`oldest`: the first entry that is kept ([fleet] events_days); null: there is none."""

    items: list[SiteEvent]
    oldest: JournalPlace | None
    as_of_seq: int


class ResourceQuery(Page):
    """Query of a site's resources. `kind` is needed for a cursor."""

    kind: Kind = "session"
    session_id: Annotated[str | None, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")] = None
    missing: Annotated[Literal[0, 1], Field(description="1: those that the box no longer has")] = 0
    deleted: Annotated[Literal[0, 1], Field(description="1: those that were deleted")] = 0


class SiteResource(BaseModel):
    """`resource`: as its box shows it; {} for one that was deleted before it was seen."""

    kind: Kind
    id: str
    session_id: str | None
    resource: dict[str, Any]
    epoch_number: int
    seq: int
    deleted_at: str | None
    missing_at_box: str | None
    updated_at: str


def read_journal(caller: Caller, site_id: str, query: JournalQuery, tx: ReadTx) -> dict[str, Any]:
    """Raises Refused 404."""
    visible_site(tx, caller, site_id)
    rows = tx.all(
        "SELECT * FROM site_events WHERE site_id = ? AND (epoch_number, seq) > (?, ?)"
        " ORDER BY epoch_number, seq LIMIT ?",
        (site_id, query.epoch_number, query.since, query.limit),
    )
    first = "SELECT epoch_number, seq FROM site_events WHERE site_id = ? ORDER BY epoch_number, seq LIMIT 1"
    oldest = tx.one(first, (site_id,))
    return {"items": [_shown_event(row) for row in rows], "oldest": oldest, "as_of_seq": tx.head()}


def list_resources(caller: Caller, site_id: str, query: ResourceQuery, tx: ReadTx) -> dict[str, Any]:
    """In the order of their ids. Raises Refused 404."""
    visible_site(tx, caller, site_id)
    where, values = ["site_id = ?", "kind = ?"], [site_id, query.kind]
    where.append("deleted_us IS NOT NULL" if query.deleted else "deleted_us IS NULL")
    if query.missing:
        where.append("missing_us IS NOT NULL")
    if query.session_id is not None:
        where.append("session_id = ?")
        values.append(query.session_id)
    if query.cursor is not None:
        place, row_id = decode_cursor(query.cursor)
        if place != KINDS.index(query.kind):
            raise invalid("cursor", "is of another kind")
        where.append("id > ?")
        values.append(row_id)
    sql = f"SELECT * FROM site_resources WHERE {' AND '.join(where)} ORDER BY id LIMIT ?"
    rows = tx.all(sql, (*values, query.limit + 1))
    more, rows = len(rows) > query.limit, rows[: query.limit]
    return {
        "items": [shown_resource(row) for row in rows],
        "next_cursor": encode_cursor(KINDS.index(query.kind), rows[-1]["id"]) if more else None,
        "as_of_seq": tx.head(),
    }


def shown_resource(row: Row) -> dict[str, Any]:
    """With a session's newest figures."""
    resource = json.decode_long(row["resource"].encode())
    if row["counters"] is not None:
        resource |= json.decode_long(row["counters"].encode())
    kept = ("kind", "id", "session_id", "epoch_number", "seq")
    return {
        **{name: row[name] for name in kept},
        "resource": resource,
        "deleted_at": optional_rfc3339(row["deleted_us"]),
        "missing_at_box": optional_rfc3339(row["missing_us"]),
        "updated_at": to_rfc3339(row["updated_us"]),
    }


def _shown_event(row: Row) -> dict[str, Any]:
    kept = ("epoch_number", "seq", "type", "subject")
    return {
        **{name: row[name] for name in kept},
        "time": row["box_clock"],
        "data": json.decode_long(row["data"].encode()),
        "taken_at": to_rfc3339(row["taken_us"]),
    }
