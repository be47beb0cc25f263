"""The bracket of a tournament as a row: drawn again in one transaction, with what a correction moved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from appliance.cloud.scoring.knockouts.bracket import Bracket, Note, Tie, draw_bracket
from appliance.cloud.scoring.knockouts.changes import Change, changes
from appliance.cloud.scoring.knockouts.groups import placed_by
from appliance.cloud.scoring.records.season import season_of, winners_of
from appliance.cloud.scoring.records.tournaments import Tournament, encoded, load_tournament
from appliance.cloud.scoring.tables.model import Season, View
from appliance.cloud.scoring.tables.standings import standings
from appliance.kernel import json
from appliance.kernel.tx import ReadTx, Tx


@dataclass(frozen=True, slots=True)
class BracketSummary:
    """`changes`: sides and winners that are not what they were; `notes`: what a person should look at."""

    ties: int
    decided: int
    changes: tuple[Change, ...] = ()
    notes: tuple[Note, ...] = ()


def draw(tx: ReadTx, tournament: Tournament, as_of: str | None = None) -> Bracket:
    """As results, tables and decisions are on that day (None: now)."""
    season = season_of(tx, tournament, as_of)
    return _drawn(season, winners_of(tx, tournament.id, as_of), as_of)


def _drawn(season: Season, winners: Mapping[str, str], as_of: str | None) -> Bracket:
    knockout = [match for match in season.matches if match.kind == "knockout"]
    if not knockout:
        return Bracket((), ())
    names = {name for match in knockout for name in (match.home, match.away)}
    facts: dict[str, dict[str, float]] = {}
    for fact in season.facts:
        if as_of is None or fact.on <= as_of:
            facts.setdefault(fact.team, {})[fact.criterion] = fact.value
    rows = [row for row in standings(season, View(as_of=as_of)).rows if row.group]
    orders = [each.order for each in season.decisions if as_of is None or each.on <= as_of]
    placed = placed_by(rows, season.rules.best_placed, names, facts, orders)
    return draw_bracket(knockout, season.rules.knockout, placed=placed, decisions=winners, as_of=as_of)


def update_bracket(tx: Tx, tournament_id: str) -> BracketSummary:
    """Draw the bracket again and store it. Raises Refused 404 or 410."""
    tournament = load_tournament(tx, tournament_id)
    before, after = stored_bracket(tx, tournament_id), draw(tx, tournament)
    moved = tuple(changes(before, after))
    if after != before:
        _store(tx, tournament_id, after)
        told = {
            "tournament_id": tournament_id,
            "changes": [{**asdict(each), "text": str(each)} for each in moved],
        }
        tx.append("bracket_changed", f"tournament:{tournament_id}", told)
    decided = sum(tie.winner is not None for tie in after.ties)
    return BracketSummary(len(after.ties), decided, moved, after.notes)


def stored_bracket(tx: ReadTx, tournament_id: str) -> Bracket:
    """As of the last update; empty before the first."""
    row = tx.one("SELECT * FROM brackets WHERE tournament_id = ?", (tournament_id,))
    if row is None:
        return Bracket((), ())
    notes = tuple(Note(**each) for each in json.decode_stored(row["notes"]))
    return Bracket(tuple(_tie(each) for each in json.decode_stored(row["ties"])), notes)


def slot_teams(bracket: Bracket) -> dict[str, dict[str, str | None]]:
    """By the id of a match: the team of each of its slots, as far as the bracket has it."""
    return {
        match_id: dict(zip(tie.slots, (tie.home, tie.away), strict=True))
        for tie in bracket.ties
        for match_id in tie.legs
    }


def _tie(given: Mapping[str, Any]) -> Tie:
    aggregate = given["aggregate"]
    return Tie(
        **{
            **given,
            "slots": tuple(given["slots"]),
            "legs": tuple(given["legs"]),
            "aggregate": None if aggregate is None else (aggregate[0], aggregate[1]),
        }
    )


def _store(tx: Tx, tournament_id: str, bracket: Bracket) -> None:
    ties = encoded([asdict(tie) for tie in bracket.ties])
    notes = encoded([asdict(note) for note in bracket.notes])
    values = (ties, notes, tx.now_us)
    sql = "UPDATE brackets SET ties = ?, notes = ?, updated_us = ? WHERE tournament_id = ?"
    if not tx.run(sql, (*values, tournament_id)):
        row = dict(
            zip(("tournament_id", "ties", "notes", "updated_us"), (tournament_id, *values), strict=True)
        )
        tx.insert("brackets", row)
