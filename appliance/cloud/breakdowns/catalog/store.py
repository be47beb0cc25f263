"""Transactions on break-down types, rules, offices and loggers. Only this file writes their tables, but for a
logger's job (queue/rows.py).

To a token, rows outside its scope do not exist: it gets 404, or 422 for a reference in a body.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from appliance.cloud.breakdowns.audit import record
from appliance.cloud.breakdowns.catalog.kinds import Kind, owned, seen
from appliance.cloud.breakdowns.catalog.model import CatalogQuery, columns, shown
from appliance.cloud.breakdowns.evaluation import rule_changed, type_changed
from appliance.cloud.breakdowns.scope import Where, leagues_of
from appliance.kernel.errors import Refused, id_reused, invalid, not_found
from appliance.kernel.ids import new_uuid
from appliance.kernel.operation import Answer, Caller, check_rev, fingerprint
from appliance.kernel.paging import list_page
from appliance.kernel.tx import ReadTx, Row, Tx


def get(tx: ReadTx, caller: Caller, kind: Kind, row_id: str) -> dict[str, Any]:
    """One resource. Raises Refused 404."""
    return shown(kind.shows, _load(tx, caller, kind, row_id))


def listing(tx: ReadTx, caller: Caller, kind: Kind, query: CatalogQuery) -> dict[str, Any]:
    """A page of what the caller sees, in the order in which it was made. Raises Refused 422."""
    where = seen(kind, caller)
    for name in ("league_id", "office_id", "team_id"):
        value = getattr(query, name)
        if value is not None and name not in kind.filters:
            raise invalid(name, f"is no filter of {kind.path}")
        if value is not None:
            where.append((f"{name} = ?", (value,)))
    return list_page(
        tx,
        query,
        table=kind.table,
        key="created_us",
        where=where,
        resource=lambda _, row: shown(kind.shows, row),
        gone="NULL",  # nothing of these is deleted
    )


def create(tx: Tx, caller: Caller, kind: Kind, body: BaseModel) -> Answer:
    """A new row, or the existing one for the same id and body."""
    fields = body.model_dump()
    row_id = fields.pop("id")
    _check_references(tx, caller, kind, fields)
    own = columns(fields)
    _check(tx, kind, own)
    request_hash = fingerprint(body.model_dump_json())
    known = tx.one(f"SELECT * FROM {kind.table} WHERE id = ?", (row_id,)) if row_id else None
    if known is not None and known["request_hash"] != request_hash:
        raise id_reused(kind.name, known["id"])
    if known is not None:
        return Answer(200, shown(kind.shows, known))
    row = {
        "id": row_id or new_uuid(),
        **own,
        "request_hash": request_hash,
        "created_by": caller.device,
        "created_us": tx.now_us,
        "updated_us": tx.now_us,
    }
    tx.create(kind.table, row)
    return Answer(201, _changed(tx, caller, kind, row["id"], "created", fields))


def change(tx: Tx, caller: Caller, kind: Kind, row_id: str, patch: BaseModel) -> Answer:
    """Merge per field: fields that were not sent stay."""
    row = _load(tx, caller, kind, row_id)
    if _find(tx, kind, row_id, owned(kind, caller)) is None:
        hint = "ask an admin of the service"
        raise Refused(403, "not_allowed", f"this {kind.name} works for every league", hint)
    check_rev(caller, kind.name, row["rev"])
    sent = patch.model_dump(exclude_unset=True)
    _check_references(tx, caller, kind, sent)
    changes = {name: value for name, value in columns(sent).items() if value != row[name]}
    _check(tx, kind, {**row, **changes})
    if not changes:
        return Answer(200, shown(kind.shows, row))
    tx.update(kind.table, row_id, changes)
    return Answer(200, _changed(tx, caller, kind, row_id, "updated", {name: sent[name] for name in changes}))


def _changed(
    tx: Tx, caller: Caller, kind: Kind, row_id: str, what: str, details: dict[str, Any]
) -> dict[str, Any]:
    """The journal, the audit, and what follows for events."""
    row = tx.one(f"SELECT * FROM {kind.table} WHERE id = ?", (row_id,))
    assert row is not None
    resource = shown(kind.shows, row)
    subject = f"{kind.name}:{row_id}"
    tx.append(f"{kind.name}_{what}", subject, {kind.parameter: row_id, kind.name: resource})
    record(tx, subject, what, caller.device, league_id=row.get("league_id"), details=details)
    if kind.name == "rule":
        rule_changed(tx, row, caller.device)
    elif kind.name == "breakdown_type" and what == "updated" and {"rank", "fields"} & details.keys():
        type_changed(tx, row_id, caller.device)
    return resource


def _load(tx: ReadTx, caller: Caller, kind: Kind, row_id: str) -> Row:
    row = _find(tx, kind, row_id, seen(kind, caller))
    if row is None:
        raise not_found(kind.name, row_id)
    return row


def _find(tx: ReadTx, kind: Kind, row_id: str, where: Where) -> Row | None:
    conditions = [("id = ?", (row_id,)), *where]
    sql = f"SELECT * FROM {kind.table} WHERE " + " AND ".join(sql for sql, _ in conditions)
    return tx.one(sql, [value for _, values in conditions for value in values])


def _check_references(tx: ReadTx, caller: Caller, kind: Kind, fields: dict[str, Any]) -> None:
    """Raises Refused 422 naming the field: what it names is not there, or not the caller's."""
    for column, table in kind.references.items():
        named = fields.get(column)
        if isinstance(named, list):
            for at, each in enumerate(named):
                _require(tx, caller, table, each, f"{column}.{at}")
        elif named is not None:
            _require(tx, caller, table, named, column)
        elif column == "league_id" and column in fields and leagues_of(caller) is not None:
            raise invalid(column, "is needed: only an admin makes one for every league")


def _require(tx: ReadTx, caller: Caller, table: str, row_id: str, at: str) -> None:
    leagues = leagues_of(caller)
    found = tx.one(f"SELECT * FROM {table} WHERE id = ?", (row_id,))
    is_there = found is not None and found.get("deleted_us") is None
    if is_there and leagues is not None and table in ("leagues", "seasons", "offices"):
        assert found is not None
        is_there = found["id" if table == "leagues" else "league_id"] in leagues
    if not is_there:
        raise invalid(at, "there is none with this id", "unknown_reference")


def _check(tx: ReadTx, kind: Kind, row: dict[str, Any]) -> None:
    """Raises Refused 422 for fields that contradict each other."""
    if kind.name == "breakdown_type" and row["due_s"] < row["target_s"]:
        raise invalid("due_s", "is before target_s")
    if kind.name == "rule":
        season = "SELECT 1 FROM seasons WHERE id = ? AND league_id = ?"
        if row["season_id"] and tx.value(season, (row["season_id"], row["league_id"])) is None:
            raise invalid("season_id", "is a season of another league", "unknown_reference")
        plays = (
            "SELECT 1 FROM teams WHERE id = ? AND (league_id = ? OR EXISTS (SELECT 1 FROM associations"
            " WHERE associations.team_id = teams.id AND associations.league_id = ?))"
        )
        ids = (row["team_id"], row["league_id"], row["league_id"])
        if row["team_id"] and tx.value(plays, ids) is None:
            raise invalid("team_id", "does not play in this league", "unknown_reference")
