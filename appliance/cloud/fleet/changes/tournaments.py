"""A tournament as a box keeps it: its tables, the last results and the next matches of all teams.

Reads tables of cloud/scoring and cloud/competitions, writes none. Must not know: how tables are computed.
"""

from __future__ import annotations

from itertools import groupby
from typing import Any, Final

from appliance.kernel.clock import optional_rfc3339
from appliance.kernel.tx import ReadTx, Row

LAST, NEXT = 20, 10  # matches
_FIGURES: Final = ("position", "played", "won", "drawn", "lost", "goals_for", "goals_against", "points")
_TEAMS: Final = "SELECT subject_id FROM site_scope WHERE site_id = :site AND kind = 'team' AND is_removed = 0"

MEMBERS: Final = (
    "SELECT id FROM tournaments WHERE deleted_us IS NULL AND id IN (SELECT tournament_id FROM matches"
    f" WHERE home_team_id IN ({_TEAMS}) OR away_team_id IN ({_TEAMS}))"
)
"""Those in which a team plays that has an event at the site."""

OF_TEAM: Final = (
    "subject_id IN (SELECT tournament_id FROM matches WHERE home_team_id = ? OR away_team_id = ?)"
)

SITES_WITHOUT: Final = (
    "SELECT DISTINCT site_id FROM site_scope WHERE kind = 'team' AND is_removed = 0 AND subject_id IN"
    " (SELECT home_team_id FROM matches WHERE tournament_id = :id"
    " UNION SELECT away_team_id FROM matches WHERE tournament_id = :id)"
    " AND site_id NOT IN (SELECT site_id FROM site_scope WHERE kind = 'tournament' AND subject_id = :id"
    " AND is_removed = 0) ORDER BY site_id"
)
"""Sites that the tournament concerns and that do not have it yet."""


def read_tournament(tx: ReadTx, tournament_id: str) -> dict[str, Any] | None:
    """The whole resource; None: it does not exist."""
    sql = "SELECT id, name, season FROM tournaments WHERE id = ? AND deleted_us IS NULL"
    row = tx.one(sql, (tournament_id,))
    return row and {**row, "tables": _tables(tx, tournament_id), "matches": _matches(tx, tournament_id)}


def _tables(tx: ReadTx, tournament_id: str) -> list[dict[str, Any]]:
    rows = tx.all(
        "SELECT standings.*, teams.name AS team FROM standings JOIN teams ON teams.id = standings.team_id"
        " WHERE tournament_id = ? ORDER BY place",
        (tournament_id,),
    )
    return [
        {
            "stage": stage,
            "group": group or None,
            "rows": [{name: row[name] for name in ("team_id", "team", *_FIGURES)} for row in of_table],
        }
        for (stage, group), of_table in groupby(rows, key=lambda row: (row["stage"], row["group_name"]))
    ]


def _matches(tx: ReadTx, tournament_id: str) -> list[dict[str, Any]]:
    """In the order of play."""
    select = (
        "SELECT matches.*, home.name AS home, away.name AS away FROM matches"
        " LEFT JOIN teams AS home ON home.id = matches.home_team_id"
        " LEFT JOIN teams AS away ON away.id = matches.away_team_id WHERE"
    )
    last = tx.all(
        f"{select} tournament_id = ? AND status = 'ended' ORDER BY order_us DESC, matches.id DESC LIMIT ?",
        (tournament_id, LAST),
    )
    following = tx.all(
        f"{select} tournament_id = ? AND status <> 'ended' ORDER BY order_us, matches.id LIMIT ?",
        (tournament_id, NEXT),
    )
    return [_match(tx, row) for row in (*reversed(last), *following)]


def _match(tx: ReadTx, row: Row) -> dict[str, Any]:
    """The score that counts: of the office, else as awarded, else on the pitch."""
    latest = "SELECT home, away FROM official_results WHERE match_id = ? ORDER BY created_us DESC, id DESC"
    decided = tx.one(f"{latest} LIMIT 1", (row["id"],))
    pitch = (row["home_score"], row["away_score"])
    awarded = pitch if row["home_awarded"] is None else (row["home_awarded"], row["away_awarded"])
    is_official = decided is not None and decided["home"] is not None
    home, away = (decided["home"], decided["away"]) if decided is not None and is_official else awarded
    return {
        "id": row["id"],
        "event_id": row["event_id"],
        "round": row["round"],
        "day": row["day"],
        "kickoff": optional_rfc3339(row["kickoff_us"]),
        "home": row["home"] or row["home_slot"],
        "away": row["away"] or row["away_slot"],
        "home_score": home,
        "away_score": away,
        "status": row["status"],
        "official": is_official,
    }
