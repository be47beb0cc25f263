"""Tables of a tournament as rows: recalculated in one transaction, with what changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from appliance.cloud.scoring.records.news import tell_domains
from appliance.cloud.scoring.records.season import season_of
from appliance.cloud.scoring.records.tournaments import encoded, load_tournament
from appliance.cloud.scoring.tables.model import Row as TableRow
from appliance.cloud.scoring.tables.standings import standings
from appliance.kernel import json
from appliance.kernel.tx import ReadTx, Row, Tx

FIGURES: Final = (
    "position",
    "played",
    "won",
    "drawn",
    "lost",
    "goals_for",
    "goals_against",
    "points",
    "zone",
)
_DETAILS: Final = (
    "shared",
    "adjustment",
    "points_per_game",
    "clinched",
    "eliminated",
    "tie_break",
    "tie_unresolved",
    "form",
    "best",
    "worst",
)
_Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class RowChange:
    """`before`, `after`: the figures that differ; `before` is empty for a new row, `after` for one that is
    gone."""

    stage: str
    group: str
    team_id: str
    before: Mapping[str, Any]
    after: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class StandingsSummary:
    """`rows`: of all tables. `unresolved`: teams that only a decision or a draw can separate."""

    rows: int
    changes: tuple[RowChange, ...] = ()
    unresolved: tuple[str, ...] = ()
    is_provisional: bool = False
    counts: Mapping[str, int] = field(default_factory=dict)


def recalculate_standings(tx: Tx, tournament_id: str) -> StandingsSummary:
    """Compute every table again from the results, and store what differs. Raises Refused 404 or 410."""
    tournament = load_tournament(tx, tournament_id)
    table = standings(season_of(tx, tournament))
    before = {
        _key(row): row for row in tx.all("SELECT * FROM standings WHERE tournament_id = ?", (tournament_id,))
    }
    changes: list[RowChange] = []
    for place, row in enumerate(table.rows):
        key = row.stage, row.group, row.team
        stored, known = _stored(row, place), before.pop(key, None)
        if known is not None and all(known[name] == value for name, value in stored.items()):
            continue
        _store(tx, tournament_id, key, stored, known)
        if (change := _change(key, known, stored)) is not None:
            changes.append(change)
    for key, known in before.items():
        _delete(tx, tournament_id, key)
        changes.append(RowChange(*key, _figures(known), {}))
    if changes:
        tx.append("standings_changed", f"tournament:{tournament_id}", _told(tournament_id, changes))
        tell_domains(tx, tournament_id)
    unresolved = tuple(row.team for row in table.rows if row.tie_unresolved)
    counts = {"rows": len(table.rows), "changed": len(changes)}
    return StandingsSummary(len(table.rows), tuple(changes), unresolved, table.is_provisional, counts)


def stored_standings(tx: ReadTx, tournament_id: str) -> list[dict[str, Any]]:
    """The rows as of the last recalculation, in their order."""
    rows = tx.all("SELECT * FROM standings WHERE tournament_id = ? ORDER BY place", (tournament_id,))
    return [
        {
            "stage": row["stage"],
            "group": row["group_name"],
            "team_id": row["team_id"],
            **{name: row[name] for name in FIGURES},
            **json.decode_stored(row["details"]),
        }
        for row in rows
    ]


def _key(row: Row) -> _Key:
    return row["stage"], row["group_name"], row["team_id"]


def _stored(row: TableRow, place: int) -> dict[str, Any]:
    details = encoded({name: getattr(row, name) for name in _DETAILS})
    return {"place": place, **{name: getattr(row, name) for name in FIGURES}, "details": details}


def _store(tx: Tx, tournament_id: str, key: _Key, stored: Mapping[str, Any], known: Row | None) -> None:
    if known is None:
        own = dict(
            zip(("tournament_id", "stage", "group_name", "team_id"), (tournament_id, *key), strict=True)
        )
        tx.insert("standings", {**own, **stored, "updated_us": tx.now_us})
        return
    sets = ", ".join(f"{name} = ?" for name in stored)
    tx.run(
        f"UPDATE standings SET {sets}, updated_us = ?"
        " WHERE tournament_id = ? AND stage = ? AND group_name = ? AND team_id = ?",
        (*stored.values(), tx.now_us, tournament_id, *key),
    )


def _delete(tx: Tx, tournament_id: str, key: _Key) -> None:
    tx.run(
        "DELETE FROM standings WHERE tournament_id = ? AND stage = ? AND group_name = ? AND team_id = ?",
        (tournament_id, *key),
    )


def _figures(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in FIGURES}


def _change(key: _Key, known: Row | None, stored: Mapping[str, Any]) -> RowChange | None:
    """None: only the details or the order of level rows differ."""
    after = _figures(stored)
    if known is None:
        return RowChange(*key, {}, after)
    differing = [name for name in FIGURES if known[name] != stored[name]]
    if not differing:
        return None
    return RowChange(
        *key, {name: known[name] for name in differing}, {name: after[name] for name in differing}
    )


def _told(tournament_id: str, changes: list[RowChange]) -> dict[str, Any]:
    rows = [
        {
            "stage": each.stage,
            "group": each.group,
            "team_id": each.team_id,
            "before": each.before,
            "after": each.after,
        }
        for each in changes
    ]
    return {"tournament_id": tournament_id, "changes": rows}
