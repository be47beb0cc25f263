"""Rows of a tournament as the public API shows them, with names of teams: in a few queries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from appliance.cloud.competitions.mapping import team_names
from appliance.cloud.scoring.knockouts.bracket import Bracket, Tie
from appliance.cloud.scoring.match import WALKOVER, Match, Pair
from appliance.cloud.scoring.records.bracket import slot_teams, stored_bracket
from appliance.cloud.scoring.records.columns import pair
from appliance.cloud.scoring.records.season import in_force, official_results, with_decisions
from appliance.cloud.scoring.records.tournaments import read_tournament
from appliance.cloud.scoring.rules.model import Zone
from appliance.cloud.scoring.tables.model import Row as TableRow
from appliance.kernel.clock import optional_rfc3339, to_rfc3339
from appliance.kernel.tx import ReadTx, Row

_ROW_FIELDS = [name for name in TableRow._fields if name != "team"]


def shown_tournament(row: Row) -> dict[str, Any]:
    tournament = read_tournament(row)
    names = ("id", "name", "season", "sport", "timezone", "rules", "mode", "league_id", "season_id", "rev")
    curtailed = tournament.curtailed
    return {
        **{name: row[name] for name in (*names, "created_by")},
        "providers": dict(tournament.providers),
        "curtailed": None if curtailed is None else {"method": curtailed.method, "on": curtailed.on},
        "excluded_teams": [
            {"team_id": each.team, "mode": each.mode, "on": each.on} for each in tournament.excluded
        ],
        "created_at": to_rfc3339(row["created_us"]),
        "updated_at": to_rfc3339(row["updated_us"]),
    }


def shown_matches(tx: ReadTx, tournament_id: str, rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Matches of one tournament, as the rows are."""
    matches = with_decisions(tx, tournament_id, rows)
    official, slots = official_results(tx, tournament_id), slot_teams(stored_bracket(tx, tournament_id))
    teams = {row[f"{which}_team_id"] for row in rows for which in ("home", "away")}
    teams |= {team for row in rows for team in slots.get(row["id"], {}).values()}
    names = team_names(tx, sorted(team for team in teams if team is not None))
    return [
        _shown_match(row, match, in_force(official.get(row["id"], ())), slots.get(row["id"], {}), names)
        for row, match in zip(rows, matches, strict=True)
    ]


def _shown_match(
    row: Row, match: Match, decision: Row | None, slots: Mapping[str, str | None], names: Mapping[str, str]
) -> dict[str, Any]:
    kept = ("id", "tournament_id", "event_id", "kind", "stage", "number", "leg", "rev")
    sides = {
        which: shown_side(row[f"{which}_team_id"], row[f"{which}_slot"], slots, names)
        for which in ("home", "away")
    }
    home_score, away_score = match.score or (None, None)
    home_kicks, away_kicks = match.shoot_out or (None, None)
    return {
        **{name: row[name] for name in kept},
        "round": row["slug"],
        "round_name": row["round"],
        "group": row["group_name"],
        "kickoff": optional_rfc3339(row["kickoff_us"]),
        "date": row["day"],
        **sides,
        "status": match.status,
        "detail": match.detail,
        "home_score": home_score,
        "away_score": away_score,
        "home_penalty_score": home_kicks,
        "away_penalty_score": away_kicks,
        "half_time": shown_score(match.half_time),
        "extra_time": shown_score(match.extra_time),
        "decided_by": _decided_by(match),
        "official": _official(row, decision),
        "provisional": match.is_provisional,
        "source": "site" if match.is_provisional else row["source"],
        "is_neutral": match.is_neutral,
        "is_replay": match.is_replay,
        "updated_at": to_rfc3339(row["updated_us"]),
    }


def shown_side(
    team_id: str | None, slot: str | None, slots: Mapping[str, str | None], names: Mapping[str, str]
) -> dict[str, Any]:
    """The team that a provider named, else the one that the bracket has in the slot."""
    team_id = team_id or (None if slot is None else slots.get(slot))
    return {"team_id": team_id, "name": None if team_id is None else names.get(team_id), "slot": slot}


def shown_score(goals: Pair | None) -> dict[str, int] | None:
    return None if goals is None else {"home": goals[0], "away": goals[1]}


def _decided_by(match: Match) -> str | None:
    """How this one match ended; what decides a tie stands in the bracket."""
    if match.official is not None:
        return "awarded"
    if match.status != "ended":
        return None
    if match.detail in WALKOVER:
        return "walkover"
    if match.shoot_out is not None:
        return "penalties"
    return "extra_time" if match.extra_time is not None else "score"


def _official(row: Row, decision: Row | None) -> dict[str, Any] | None:
    if decision is not None:
        by = {"on": decision["day"], "reason": decision["reason"], "by": decision["created_by"]}
        return {"home": decision["home"], "away": decision["away"], **by}
    awarded = pair(row, "awarded")
    return (
        None
        if awarded is None
        else {"home": awarded[0], "away": awarded[1], "on": None, "reason": None, "by": None}
    )


def shown_rows(tx: ReadTx, rows: Sequence[TableRow]) -> list[dict[str, Any]]:
    """Rows of tables."""
    names = team_names(tx, sorted({row.team for row in rows}))
    return [
        {
            **{name: getattr(row, name) for name in _ROW_FIELDS},
            "team_id": row.team,
            "team": names.get(row.team, row.team),
        }
        for row in rows
    ]


def shown_zones(zones: Iterable[Zone]) -> list[dict[str, Any]]:
    return [{"name": each.name, "kind": each.kind, "first": each.first, "last": each.last} for each in zones]


@dataclass(frozen=True, slots=True)
class Ties:
    """A bracket's ties as resources. Their ids begin with that of the tournament, so that they stand alone in
    addresses."""

    tournament_id: str
    names: Mapping[str, str]
    slugs: Mapping[str, str]  # of rounds, by a match's id

    def rounds(self, bracket: Bracket) -> list[dict[str, Any]]:
        made: dict[tuple[str, str], dict[str, Any]] = {}
        for tie in bracket.ties:
            slug = self.slugs.get(tie.legs[0], "")
            first = {"round": slug, "name": tie.round or tie.stage, "stage": tie.stage, "ties": []}
            made.setdefault((tie.stage, tie.round), first)["ties"].append(self.shown(tie))
        return list(made.values())

    def shown(self, tie: Tie) -> dict[str, Any]:
        home, away = (
            shown_side(team, slot if team != slot else None, {}, self.names)
            for team, slot in zip((tie.home, tie.away), tie.slots, strict=True)
        )
        return {
            "id": self.id_of(tie.id),
            "home": home,
            "away": away,
            "legs": list(tie.legs),
            "aggregate": shown_score(tie.aggregate),
            "decided_by": tie.decided_by,
            "winner_team_id": tie.winner,
            "feeds": None if tie.feeds is None else self.id_of(tie.feeds),
        }

    def id_of(self, tie_id: str) -> str:
        return f"{self.tournament_id}.{tie_id}"
