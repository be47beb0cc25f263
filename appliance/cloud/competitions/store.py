"""Transactions on reference data. Only this file writes the tables of this domain.

To a token, rows outside its leagues do not exist: it gets 404, or 422 for a reference in a body.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from appliance.cloud.competitions.kinds import ASSOCIATION, KINDS, TEAM, Kind, leagues_of, limited
from appliance.cloud.competitions.model import AliasIn, ListQuery, columns, shown, shown_alias
from appliance.kernel.errors import FieldError, Refused, invalid, not_found
from appliance.kernel.ids import new_uuid
from appliance.kernel.operation import Answer, Caller, check_rev, fingerprint
from appliance.kernel.paging import list_page
from appliance.kernel.rows import known_row
from appliance.kernel.tx import ReadTx, Row, Tx


def get(tx: ReadTx, caller: Caller, kind: Kind, row_id: str) -> dict[str, Any]:
    """One resource. Raises Refused 404."""
    return shown(kind.shows, _load(tx, caller, kind, row_id))


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
        resource=lambda _, row: shown(kind.shows, row),
    )


def create(tx: Tx, caller: Caller, kind: Kind, body: BaseModel) -> Answer:
    """A new row, or the existing one for the same id and body."""
    fields = body.model_dump()
    row_id = fields.pop("id")
    own = columns(fields) | _references(tx, caller, kind, fields)
    _check(kind, own)
    request_hash = fingerprint(body.model_dump_json())
    if (known := known_row(tx, kind.name, row_id, request_hash)) is not None:
        return Answer(200, shown(kind.shows, known))
    if kind is ASSOCIATION and (same := _same_association(tx, own)) is not None:
        return _changed(tx, kind, same, {"is_active": own["is_active"]})
    row = {
        "id": row_id or new_uuid(),
        **own,
        "request_hash": request_hash,
        "created_by": caller.device,
        "created_us": tx.now_us,
        "updated_us": tx.now_us,
    }
    tx.create(kind.table, row)
    return Answer(201, _journal(tx, kind, row["id"], "created"))


def change(tx: Tx, caller: Caller, kind: Kind, row_id: str, patch: BaseModel) -> Answer:
    """Merge per field: fields that were not sent stay, null clears."""
    row = _load(tx, caller, kind, row_id)
    _require_own(tx, caller, kind, row_id)
    check_rev(caller, kind.name, row["rev"])
    sent = patch.model_dump(exclude_unset=True)
    changes = columns(sent) | _references(tx, caller, kind, sent)
    _check(kind, {**row, **changes})
    return _changed(tx, kind, row, changes)


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
        "created_by": caller.device,
        "created_us": tx.now_us,
    }
    tx.insert("team_aliases", row)
    alias = shown_alias(row)
    tx.append("alias_created", f"team:{team_id}", {"team_id": team_id, "alias": alias})
    return Answer(201, alias)


def _load(tx: ReadTx, caller: Caller, kind: Kind, row_id: str) -> Row:
    row = _find(tx, caller, kind, kind.sees, row_id)
    if row is None:
        raise not_found(kind.name, row_id)
    return row


def _find(tx: ReadTx, caller: Caller, kind: Kind, condition: str, row_id: str) -> Row | None:
    """The row with this id for which the condition holds; every row for a caller who is not limited."""
    where = [("id = ?", (row_id,)), *limited(condition, leagues_of(caller))]
    sql = f"SELECT * FROM {kind.table} WHERE deleted_us IS NULL AND " + " AND ".join(sql for sql, _ in where)
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


def _same_association(tx: ReadTx, own: dict[str, Any]) -> Row | None:
    sql = "SELECT * FROM associations WHERE season_id = ? AND team_id = ?"
    return tx.one(sql, (own["season_id"], own["team_id"]))


def _changed(tx: Tx, kind: Kind, row: Row, changes: dict[str, Any]) -> Answer:
    """The row with these changes: nothing is written when it has them already."""
    news = {name: value for name, value in changes.items() if value != row[name]}
    if not news:
        return Answer(200, shown(kind.shows, row))
    tx.update(kind.table, row["id"], news)
    return Answer(200, _journal(tx, kind, row["id"], "updated"))


def _journal(tx: Tx, kind: Kind, row_id: str, what: str) -> dict[str, Any]:
    row = tx.one(f"SELECT * FROM {kind.table} WHERE id = ?", (row_id,))
    assert row is not None
    resource = shown(kind.shows, row)
    tx.append(
        f"{kind.name}_{what}", f"{kind.name}:{row_id}", {f"{kind.name}_id": row_id, kind.name: resource}
    )
    return resource
