"""A tournament as the engine takes it, in a few queries: matches, and what people have decided."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from appliance.cloud.scoring.match import ABANDONED, Match
from appliance.cloud.scoring.records.columns import as_match
from appliance.cloud.scoring.records.tournaments import Tournament
from appliance.cloud.scoring.tables.model import Adjustment, Decision, Fact, Season
from appliance.kernel import json
from appliance.kernel.tx import ReadTx, Row

_DECIDED = "WHERE tournament_id = ? ORDER BY created_us, id"


def matches_of(tx: ReadTx, tournament_id: str, as_of: str | None = None) -> list[Match]:
    """Every match in the order in which they were made, with the official result in force on that day (None:
    now), and with the score that a box has observed where no provider has one."""
    rows = tx.all("SELECT * FROM matches WHERE tournament_id = ? ORDER BY created_us, id", (tournament_id,))
    return with_decisions(tx, tournament_id, rows, as_of)


def with_decisions(
    tx: ReadTx, tournament_id: str, rows: Iterable[Row], as_of: str | None = None
) -> list[Match]:
    """The same for some rows of the tournament."""
    official, observed = official_results(tx, tournament_id), _observed(tx, tournament_id)
    return [
        _decided(as_match(row), official.get(row["id"], ()), observed.get(row["id"]), as_of) for row in rows
    ]


def official_results(tx: ReadTx, tournament_id: str) -> dict[str, list[Row]]:
    """Decisions by match, in the order in which they were made."""
    sql = (
        "SELECT o.* FROM official_results o JOIN matches m ON m.id = o.match_id WHERE m.tournament_id = ?"
        " ORDER BY o.created_us, o.id"
    )
    found: dict[str, list[Row]] = {}
    for row in tx.all(sql, (tournament_id,)):
        found.setdefault(row["match_id"], []).append(row)
    return found


def in_force(decisions: Iterable[Row], as_of: str | None = None) -> Row | None:
    """The last of them that counts on that day; None: there is none, or it was withdrawn."""
    counting = [row for row in decisions if as_of is None or row["day"] <= as_of]
    return counting[-1] if counting and counting[-1]["home"] is not None else None


def _observed(tx: ReadTx, tournament_id: str) -> dict[str, Row]:
    sql = (
        "SELECT o.* FROM observed_scores o JOIN matches m ON m.id = o.match_id"
        " WHERE m.tournament_id = ? AND m.status = 'open'"
    )
    return {row["match_id"]: row for row in tx.all(sql, (tournament_id,))}


def _decided(match: Match, official: Iterable[Row], observed: Row | None, as_of: str | None) -> Match:
    if (decision := in_force(official, as_of)) is not None:
        match = replace(match, official=(decision["home"], decision["away"]), official_on=decision["day"])
    if (
        observed is not None
        and match.status == "open"
        and match.score is None
        and match.detail not in ABANDONED
    ):
        score = observed["home"], observed["away"]
        match = replace(match, score=score, detail="live", is_provisional=True)
    return match


def season_of(tx: ReadTx, tournament: Tournament, as_of: str | None = None) -> Season:
    """Everything that its tables are computed from."""
    of = (tournament.id,)
    return Season(
        tournament.rules,
        matches_of(tx, tournament.id, as_of),
        groups=tournament.listed,
        adjustments=[
            Adjustment(row["team_id"], row["points"], row["day"], row["stage"])
            for row in tx.all(f"SELECT * FROM adjustments {_DECIDED}", of)
        ],
        facts=[
            Fact(row["team_id"], row["criterion"], row["value"], row["day"])
            for row in tx.all(f"SELECT * FROM team_facts {_DECIDED}", of)
        ],
        decisions=[
            Decision(row["stage"], row["group_name"], tuple(json.decode_stored(row["team_ids"])), row["day"])
            for row in tx.all(f"SELECT * FROM tie_orders {_DECIDED}", of)
        ],
        curtailed=tournament.curtailed,
        excluded=tournament.excluded,
    )


def winners_of(tx: ReadTx, tournament_id: str, as_of: str | None = None) -> dict[str, str]:
    """Winners of ties that people recorded, by the tie's id."""
    winners: dict[str, str] = {}
    for row in tx.all(f"SELECT * FROM tie_winners {_DECIDED}", (tournament_id,)):
        if as_of is not None and row["day"] > as_of:
            continue
        if row["team_id"] is None:
            winners.pop(row["tie_id"], None)
        else:
            winners[row["tie_id"]] = row["team_id"]
    return winners
