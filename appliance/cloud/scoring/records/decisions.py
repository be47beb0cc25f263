"""What people decide: points given or taken, official results, the order of level teams, who goes through.

Each is a row with reason and author that is never changed; the last one of a subject holds. Tables and
bracket are recalculated in the same transaction.
"""

from __future__ import annotations

from typing import Any, Final

from appliance.cloud.competitions import mapping
from appliance.cloud.scoring.model import AdjustmentIn, FactIn, OfficialIn, TieOrderIn, WinnerIn
from appliance.cloud.scoring.records import discrepancies
from appliance.cloud.scoring.records.bracket import draw, update_bracket
from appliance.cloud.scoring.records.season import season_of
from appliance.cloud.scoring.records.tables import recalculate_standings
from appliance.cloud.scoring.records.tournaments import Tournament, encoded, load_tournament
from appliance.cloud.scoring.tables.model import Phase, View
from appliance.cloud.scoring.tables.model import Row as TableRow
from appliance.cloud.scoring.tables.standings import if_not_level
from appliance.kernel import json
from appliance.kernel.clock import to_rfc3339
from appliance.kernel.errors import invalid, not_found
from appliance.kernel.ids import new_uuid
from appliance.kernel.operation import Caller
from appliance.kernel.tx import ReadTx, Row, Tx


def recalculate(tx: Tx, tournament_id: str) -> None:
    """Tables and bracket, after what they are made from has changed."""
    recalculate_standings(tx, tournament_id)
    update_bracket(tx, tournament_id)


def adjust(tx: Tx, caller: Caller, tournament: Tournament, body: AdjustmentIn) -> dict[str, Any]:
    """Give or take points. Raises Refused 422 for a team that does not play in it."""
    _require_teams(tx, tournament.id, "team_id", [body.team_id])
    own = {"team_id": body.team_id, "points": body.points, "stage": body.stage}
    return _keep(tx, caller, tournament, "adjustment", own, body.on, body.reason)


def state_fact(tx: Tx, caller: Caller, tournament: Tournament, body: FactIn) -> dict[str, Any]:
    """A team's value of a criterion that results do not tell."""
    _require_teams(tx, tournament.id, "team_id", [body.team_id])
    own = {"team_id": body.team_id, "criterion": body.criterion, "value": body.value}
    return _keep(tx, caller, tournament, "fact", own, body.on, body.reason)


def order_level_teams(tx: Tx, caller: Caller, tournament: Tournament, body: TieOrderIn) -> dict[str, Any]:
    """The order of teams that are level in all criteria, as a person decided it, or a draw. Without a
    group, of a stage with groups: of teams that are in the same place of theirs. Raises Refused 422 for
    teams that are level neither now nor on its day; one that was recorded stays, whatever comes."""
    if len(set(body.order)) != len(body.order):
        raise invalid("order", "names a team twice")
    stage, group = _phase(tx, tournament.id, body.stage, body.group)
    _require_teams(tx, tournament.id, "order", body.order)
    _require_level(tx, tournament, (stage, group), body)
    own = {"stage": stage, "group_name": group, "team_ids": encoded(body.order)}
    return _keep(tx, caller, tournament, "tie", own, body.on, body.reason)


def set_official(
    tx: Tx, caller: Caller, tournament: Tournament, match_id: str, body: OfficialIn
) -> dict[str, Any]:
    """The result that counts instead of what was played, which is kept. Without goals: the decision before is
    withdrawn."""
    if (body.home is None) != (body.away is None):
        raise invalid(
            "away" if body.away is None else "home", "send both, or neither to withdraw the decision"
        )
    own = {"match_id": match_id, "home": body.home, "away": body.away}
    if body.home is not None:
        discrepancies.decide(tx, match_id)
    return _keep(tx, caller, tournament, "official", own, body.on, body.reason)


def set_winner(tx: Tx, caller: Caller, tournament: Tournament, tie_id: str, body: WinnerIn) -> dict[str, Any]:
    """Who goes through; null: the decision before is withdrawn. Raises Refused 422 for a team that is not in
    the tie."""
    tie = next((tie for tie in draw(tx, tournament).ties if tie.id == tie_id), None)
    if tie is None:
        raise not_found("tie", f"{tournament.id}.{tie_id}")
    if body.team_id is not None and body.team_id not in (tie.home, tie.away):
        raise invalid("team_id", "is not in this tie", "unknown_reference")
    own = {"tie_id": tie_id, "team_id": body.team_id}
    return _keep(tx, caller, tournament, "winner", own, body.on, body.reason)


def tournament_of_match(tx: ReadTx, match_id: str) -> Tournament:
    """Raises Refused 404."""
    tournament_id = tx.value("SELECT tournament_id FROM matches WHERE id = ?", (match_id,))
    if tournament_id is None:
        raise not_found("match", match_id)
    return load_tournament(tx, tournament_id)


_TABLES: Final = {
    "adjustment": "adjustments",
    "official": "official_results",
    "tie": "tie_orders",
    "winner": "tie_winners",
    "fact": "team_facts",
}


def decisions_of(tx: ReadTx, tournament_id: str) -> list[dict[str, Any]]:
    """Every decision of the tournament with its reason and author, the oldest first."""
    found: list[tuple[int, str, dict[str, Any]]] = []
    for kind, table in _TABLES.items():
        of = (
            "match_id IN (SELECT id FROM matches WHERE tournament_id = ?)"
            if kind == "official"
            else "tournament_id = ?"
        )
        for row in tx.all(f"SELECT * FROM {table} WHERE {of} ORDER BY created_us, id", (tournament_id,)):
            found.append((row["created_us"], row["id"], shown_decision(kind, row)))
    return [decision for _, _, decision in sorted(found, key=lambda each: each[:2])]


def shown_decision(kind: str, row: Row) -> dict[str, Any]:
    """A decision as a resource."""
    own = {
        name: value
        for name, value in row.items()
        if name not in ("created_us", "day", "group_name", "team_ids")
    }
    if kind == "tie":
        own |= {"group": row["group_name"], "order": json.decode_stored(row["team_ids"])}
    return {"kind": kind, **own, "on": row["day"], "created_at": to_rfc3339(row["created_us"])}


def _keep(
    tx: Tx,
    caller: Caller,
    tournament: Tournament,
    kind: str,
    own: dict[str, Any],
    on: str | None,
    reason: str,
) -> dict[str, Any]:
    """Store the decision, apply it, and tell of it."""
    row = {
        "id": new_uuid(),
        **({} if kind == "official" else {"tournament_id": tournament.id}),
        **own,
        "day": on or tournament.day(tx.now_us),
        "reason": reason,
        "created_by": caller.device,
        "created_us": tx.now_us,
    }
    tx.insert(_TABLES[kind], row)
    decision = shown_decision(kind, row)
    subject = f"tournament:{tournament.id}"
    tx.append("decision_recorded", subject, {"tournament_id": tournament.id, "decision": decision})
    recalculate(tx, tournament.id)
    return decision


def _require_teams(tx: ReadTx, tournament_id: str, field: str, team_ids: list[str]) -> None:
    for team_id in team_ids:
        sql = (
            "SELECT 1 FROM matches WHERE tournament_id = ? AND (home_team_id = ? OR away_team_id = ?) LIMIT 1"
        )
        if tx.value(sql, (tournament_id, team_id, team_id)) is None:
            raise invalid(field, f"{team_id} plays no match of this tournament", "unknown_reference")


def _require_level(tx: ReadTx, tournament: Tournament, phase: Phase, body: TieOrderIn) -> None:
    """Level now, or, for a decision of another day, at the end of that day."""
    rows: list[TableRow] = []
    for day in (None, body.on):
        rows = if_not_level(season_of(tx, tournament, day), phase, body.order, View(as_of=day))
        if not rows:
            return
    names = mapping.team_names(tx, body.order)
    has = [
        f"{names[row.team]} is in place {row.position} with {row.points} points,"
        f" goals {row.goals_for}-{row.goals_against}"
        for row in rows
    ]
    there = {row.team for row in rows}
    has += [f"{names[team]} is not in this table" for team in body.order if team not in there]
    raise invalid("order", f"only level teams need one: {'; '.join(has)}")


def _phase(tx: ReadTx, tournament_id: str, stage: str, group: str) -> tuple[str, str]:
    """The names of a table as they are stored; "A" is Group A. Raises Refused 422."""
    sql = "SELECT DISTINCT stage, group_name FROM matches WHERE tournament_id = ? AND kind <> 'knockout'"
    phases = sorted((row["stage"], row["group_name"]) for row in tx.all(sql, (tournament_id,)))
    known = {(one.casefold(), other.casefold()): (one, other) for one, other in phases}
    known |= {(key[0], key[1].removeprefix("group ")): phase for key, phase in list(known.items())}
    known |= {(one.casefold(), ""): (one, "") for one, _ in phases}
    found = known.get((stage.casefold(), group.casefold()))
    if found is None:
        tables = ", ".join(" ".join(phase).strip() for phase in phases)
        raise invalid(
            "stage", f"no table of this stage and group; there are: {tables or 'none'}", "unknown_reference"
        )
    return found
