"""Whose a tournament is: a token with the role league changes those of its leagues alone, and sees their
updates alone."""

from __future__ import annotations

from typing import Any

from appliance.cloud.scoring.records.tournaments import Tournament, load_tournament
from appliance.kernel.errors import invalid, not_found
from appliance.kernel.operation import Caller
from appliance.kernel.tx import ReadTx


def owned(tx: ReadTx, caller: Caller, tournament_id: str) -> Tournament:
    """Raises Refused 404 for one of another league, as for one that does not exist."""
    tournament = load_tournament(tx, tournament_id)
    require_own(caller, tournament)
    return tournament


def require_own(caller: Caller, tournament: Tournament) -> None:
    """Raises Refused 404."""
    if not may_own(caller, tournament.league_id):
        raise not_found("tournament", tournament.id)


def require_league(caller: Caller, league_id: str | None) -> None:
    """What a tournament may be made of, or changed to. Raises Refused 422."""
    if not may_own(caller, league_id):
        raise invalid("league_id", "must be a league of this token", "unknown_reference")


def may_own(caller: Caller, league_id: str | None) -> bool:
    return caller.role != "league" or (league_id is not None and f"league:{league_id}" in caller.scopes)


def own_tournaments(caller: Caller, column: str) -> list[tuple[str, tuple[Any, ...]]]:
    """(SQL condition, its values) of rows whose `column` names a tournament of the caller, also one that was
    deleted; no condition for a caller to whom all belong. Rows of no tournament belong to no league."""
    if caller.role != "league":
        return []
    prefix = "league:"
    leagues = tuple(each.removeprefix(prefix) for each in caller.scopes if each.startswith(prefix))
    marks = ", ".join("?" * len(leagues)) or "NULL"  # IN (NULL) holds for nothing
    return [(f"{column} IN (SELECT id FROM tournaments WHERE league_id IN ({marks}))", leagues)]
