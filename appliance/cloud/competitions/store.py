"""Transactions on reference data. Only this file writes the tables of this domain.

To a token, rows outside its leagues do not exist: it gets 404, or 422 for a reference in a body.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from appliance.cloud.competitions.kinds import ASSOCIATION, KINDS, TEAM, Kind, leagues_of, limited, users_of
from appliance.cloud.competitions.model import AliasIn, ListQuery, columns, shown, shown_alias
from appliance.domain import resource_changed, resource_parts
from appliance.kernel.errors import FieldError, Refused, gone, invalid, not_found
from appliance.kernel.ids import new_uuid
from appliance.kernel.operation import Answer, Caller, check_rev, fingerprint
from appliance.kernel.paging import list_page
from appliance.kernel.rows import known_row
from appliance.kernel.tx import ReadTx, Row, Tx


def get(tx: ReadTx, caller: Caller, kind: Kind, row_id: str) -> dict[str, Any]:
    """One resource. Raises Refused 404."""
    return _whole(tx, kind, _load(tx, caller, kind, row_id))


def listing(tx: ReadTx, caller: Caller, kind: Kind, query: ListQuery) -> dict[str, Any]:
    """A page of what the caller sees, in the order in which it was made. Raises Refused 422."""
    where = limited(kind.sees, leagues_of(caller))
    for name in ("league_id", "season_id", "team_id"):
        value = getattr(query, name)
        if value is not None and name not in kind.filters:
            raise invalid(name, f"is no filter of {kind.table}")
        if value is not None:
            where.append((f"{name} = ?", (value,)))
    return list_page(
        tx,
        query,
        table=kind.table,
        key="created_us",
        where=where,
        resource=lambda tx, row: _whole(tx, kind, row),
    )


def create(tx: Tx, caller: Caller, kind: Kind, body: BaseModel) -> Answer:
    """A new row, or the existing one for the same id and body."""
    fields = body.model_dump()
    row_id = fields.pop("id")
    own = columns(fields) | _references(tx, caller, kind, fields)
    _check(kind, own)
    request_hash = fingerprint(body.model_dump_json())
    if (known := known_row(tx, kind.name, row_id, request_hash)) is not None:
        return Answer(200, _whole(tx, kind, known))
    if kind is ASSOCIATION and (same := _same_association(tx, own)) is not None:
        return _changed(tx, caller, kind, same, {"is_active": own["is_active"]})
    row = {
        "id": row_id or new_uuid(),
        **own,
        "request_hash": request_hash,
        "created_by": caller.device,
        "created_us": tx.now_us,
        "updated_us": tx.now_us,
    }
    tx.create(kind.table, row)
    return Answer(201, _journal(tx, caller, kind, row["id"], "created", None))


def change(tx: Tx, caller: Caller, kind: Kind, row_id: str, patch: BaseModel) -> Answer:
    """Merge per field: fields that were not sent stay, null clears."""
    row = _load(tx, caller, kind, row_id)
    _require_own(tx, caller, kind, row_id)
    check_rev(caller, kind.name, row["rev"])
    sent = patch.model_dump(exclude_unset=True)
    changes = columns(sent) | _references(tx, caller, kind, sent)
    _check(kind, {**row, **changes})
    if kind is ASSOCIATION and changes.get("is_active"):
        _require_there(tx, kind, row)
    return _changed(tx, caller, kind, row, changes)


def remove(tx: Tx, caller: Caller, kind: Kind, row_id: str) -> Answer:
    """Delete what nothing refers to; a team's aliases go with it. Raises Refused 409 naming what does."""
    row = _load(tx, caller, kind, row_id)
    _require_own(tx, caller, kind, row_id)
    check_rev(caller, kind.name, row["rev"])
    if used_by := _used_by(tx, kind, row_id):
        words = ", ".join(f"{count} of {table}" for table, count in used_by.items())
        raise Refused(
            409,
            "in_use",
            f"this {kind.name} is used: {words}",
            "delete those first, or let them name another",
            extra={"used_by": used_by},
        )
    if kind is TEAM:
        tx.run("DELETE FROM team_aliases WHERE team_id = ?", (row_id,))
    tx.update(kind.table, row_id, {"deleted_us": tx.now_us})
    tx.append(f"{kind.name}_deleted", f"{kind.name}:{row_id}", {f"{kind.name}_id": row_id})
    resource_changed(tx, kind.name, row, None, caller.device)
    return Answer(200, {"id": row_id})


def _used_by(tx: ReadTx, kind: Kind, row_id: str) -> dict[str, int]:
    """Rows that refer to this one, by table."""
    counts = {}
    for table, condition in users_of(kind):
        sql = f"SELECT count(*) FROM {table} WHERE {condition}"
        counts[table] = int(tx.value(sql, (row_id,) * condition.count("?")))
    return {table: count for table, count in counts.items() if count}


def aliases(tx: ReadTx, caller: Caller, team_id: str) -> list[dict[str, Any]]:
    """The aliases of a team. Raises Refused 404."""
    _load(tx, caller, TEAM, team_id)
    sql = "SELECT * FROM team_aliases WHERE team_id = ? ORDER BY provider, name"
    return [shown_alias(row) for row in tx.all(sql, (team_id,))]


def add_alias(tx: Tx, caller: Caller, team_id: str, body: AliasIn) -> Answer:
    """What a provider calls the team: a name leads to one team."""
    _load(tx, caller, TEAM, team_id)
    _require_own(tx, caller, TEAM, team_id)
    sql = "SELECT * FROM team_aliases WHERE provider = ? AND name = ?"
    row = tx.one(sql, (body.provider, body.name))
    if row is not None and row["team_id"] == team_id:
        return Answer(200, shown_alias(row))
    if row is not None:
        raise Refused(
            409,
            "name_taken",
            f"{body.provider} calls another team {body.name!r}",
            "a provider's name leads to one team",
            (FieldError("name", "already used"),),
        )
    row = {
        "id": new_uuid(),
        "team_id": team_id,
        "provider": body.provider,
        "name": body.name,
        "reason": body.reason,
        "created_by": caller.device,
        "created_us": tx.now_us,
    }
    tx.insert("team_aliases", row)
    alias = shown_alias(row)
    tx.append("alias_created", f"team:{team_id}", {"team_id": team_id, "alias": alias})
    return Answer(201, alias)


def remove_alias(tx: Tx, caller: Caller, team_id: str, alias_id: str) -> Answer:
    """The provider's name leads to no team any more."""
    _load(tx, caller, TEAM, team_id)
    _require_own(tx, caller, TEAM, team_id)
    if not tx.run("DELETE FROM team_aliases WHERE id = ? AND team_id = ?", (alias_id, team_id)):
        raise not_found("alias", alias_id)
    tx.append("alias_deleted", f"team:{team_id}", {"team_id": team_id, "alias_id": alias_id})
    return Answer(200, {"id": alias_id})


def _load(tx: ReadTx, caller: Caller, kind: Kind, row_id: str) -> Row:
    """Raises Refused 404, or 410 for one that was deleted."""
    row = _any(tx, caller, kind, kind.sees, row_id)
    if row is None:
        raise not_found(kind.name, row_id)
    if row["deleted_us"] is not None:
        raise gone(kind.name, row_id)
    return row


def _find(tx: ReadTx, caller: Caller, kind: Kind, condition: str, row_id: str) -> Row | None:
    """The row with this id for which the condition holds; every row for a caller who is not limited."""
    row = _any(tx, caller, kind, condition, row_id)
    return None if row is None or row["deleted_us"] is not None else row


def _any(tx: ReadTx, caller: Caller, kind: Kind, condition: str, row_id: str) -> Row | None:
    """As `_find`, with deleted rows."""
    where = [("id = ?", (row_id,)), *limited(condition, leagues_of(caller))]
    sql = f"SELECT * FROM {kind.table} WHERE " + " AND ".join(sql for sql, _ in where)
    return tx.one(sql, [value for _, values in where for value in values])


def _require_own(tx: ReadTx, caller: Caller, kind: Kind, row_id: str) -> None:
    if _find(tx, caller, kind, kind.owns, row_id) is None:
        hint = "ask the league that manages it"
        raise Refused(403, "not_allowed", f"this {kind.name} belongs to another league", hint)


def _references(tx: ReadTx, caller: Caller, kind: Kind, fields: dict[str, Any]) -> dict[str, Any]:
    """What the row has from its references: a season's league. Raises Refused 422 for one that the caller
    does not see, and for the first, whose league the row will belong to, does not own."""
    taken: dict[str, Any] = {}
    for at, (name, named) in enumerate(kind.required.items()):
        if name not in fields:
            continue
        target = KINDS[named]
        row = _find(tx, caller, target, target.sees if at else target.owns, fields[name])
        if row is None:
            raise invalid(name, f"no such {named}", "unknown_reference")
        if named == "season":
            taken["league_id"] = row["league_id"]
    return taken


def _check(kind: Kind, row: dict[str, Any]) -> None:
    if kind.name == "event" and row["home_team_id"] == row["away_team_id"]:
        raise invalid("away_team_id", "is the home team")
    if kind.name == "season" and row["starts_on"] and row["ends_on"] and row["ends_on"] < row["starts_on"]:
        raise invalid("ends_on", "is before starts_on")


def _require_there(tx: ReadTx, kind: Kind, row: Row) -> None:
    """What an association that ended names may have been deleted since. Raises Refused 422."""
    for name, named in kind.required.items():
        sql = f"SELECT 1 FROM {KINDS[named].table} WHERE id = ? AND deleted_us IS NULL"
        if tx.value(sql, (row[name],)) is None:
            raise invalid(name, f"this {named} was deleted", "unknown_reference")


def _same_association(tx: ReadTx, own: dict[str, Any]) -> Row | None:
    sql = "SELECT * FROM associations WHERE season_id = ? AND team_id = ?"
    return tx.one(sql, (own["season_id"], own["team_id"]))


def _changed(tx: Tx, caller: Caller, kind: Kind, row: Row, changes: dict[str, Any]) -> Answer:
    """The row with these changes: nothing is written when it has them already."""
    news = {name: value for name, value in changes.items() if value != row[name]}
    if not news:
        return Answer(200, _whole(tx, kind, row))
    tx.update(kind.table, row["id"], news)
    return Answer(200, _journal(tx, caller, kind, row["id"], "updated", row))


def _journal(
    tx: Tx, caller: Caller, kind: Kind, row_id: str, what: str, before: Row | None
) -> dict[str, Any]:
    row = tx.one(f"SELECT * FROM {kind.table} WHERE id = ?", (row_id,))
    assert row is not None
    resource = shown(kind.shows, row)
    tx.append(
        f"{kind.name}_{what}", f"{kind.name}:{row_id}", {f"{kind.name}_id": row_id, kind.name: resource}
    )
    resource_changed(tx, kind.name, row, before, caller.device)
    return {**resource, **_parts(tx, kind, row_id)}


def _whole(tx: ReadTx, kind: Kind, row: Row) -> dict[str, Any]:
    """The resource with what other domains add to it."""
    return {**shown(kind.shows, row), **_parts(tx, kind, row["id"])}


def _parts(tx: ReadTx, kind: Kind, row_id: str) -> dict[str, Any]:
    return {part.name: part.read(tx, row_id) for part in resource_parts(kind.name)}
