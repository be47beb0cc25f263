"""The resources of this domain as data: their models, and which rows a token sees by its leagues.

Owns: the SQL conditions of scopes. `{leagues}` stands for the placeholders of the league ids.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import BaseModel

from appliance.cloud.competitions import model
from appliance.kernel.operation import Caller

_OF_LEAGUE: Final = "league_id IN ({leagues})"
_TEAM: Final = (
    "({name}.league_id IN ({leagues}) OR EXISTS (SELECT 1 FROM associations WHERE"
    " associations.team_id = {name}.id AND associations.is_active = 1"
    " AND associations.league_id IN ({leagues})))"
)
_TEAMS_SEEN: Final = _TEAM.replace("{name}", "teams")


@dataclass(frozen=True, slots=True)
class Kind:
    """`sees`, `owns`: SQL conditions for reading and changing, with `{leagues}` once or more."""

    name: str
    table: str
    takes: type[BaseModel]
    patch: type[BaseModel]
    shows: type[model._Shown]
    sees: str = _OF_LEAGUE
    owns: str = _OF_LEAGUE
    filters: Sequence[str] = ("league_id",)
    required: Mapping[str, str] = field(default_factory=dict)  # columns of references: the kinds they name


LEAGUE: Final = Kind(
    "league",
    "leagues",
    model.LeagueIn,
    model.LeaguePatch,
    model.League,
    sees="id IN ({leagues})",
    owns="id IN ({leagues})",
    filters=(),
)
SEASON: Final = Kind(
    "season",
    "seasons",
    model.SeasonIn,
    model.SeasonPatch,
    model.Season,
    required={"league_id": "league"},
)
TEAM: Final = Kind(
    "team",
    "teams",
    model.TeamIn,
    model.TeamPatch,
    model.Team,
    sees=_TEAMS_SEEN,
    required={"league_id": "league"},
)
_OF_TEAM: Final = "team_id IN (SELECT id FROM teams WHERE {condition})"
ATHLETE: Final = Kind(
    "athlete",
    "athletes",
    model.AthleteIn,
    model.AthletePatch,
    model.Athlete,
    sees=_OF_TEAM.replace("{condition}", _TEAMS_SEEN),
    owns=_OF_TEAM.replace("{condition}", _OF_LEAGUE),
    filters=("team_id",),
    required={"team_id": "team"},
)
ASSOCIATION: Final = Kind(
    "association",
    "associations",
    model.AssociationIn,
    model.AssociationPatch,
    model.Association,
    filters=("league_id", "season_id", "team_id"),
    required={"season_id": "season", "team_id": "team"},
)
EVENT: Final = Kind(
    "event",
    "events",
    model.EventIn,
    model.EventPatch,
    model.Event,
    filters=("league_id", "season_id"),
    required={"season_id": "season", "home_team_id": "team", "away_team_id": "team"},
)
KINDS: Final[Mapping[str, Kind]] = {
    kind.name: kind for kind in (LEAGUE, SEASON, TEAM, ATHLETE, ASSOCIATION, EVENT)
}

KEPT: Final = frozenset({"association"})
"""Kinds that are not deleted: `is_active` ends one, and the next one of this team and season revives it."""


def users_of(kind: Kind) -> list[tuple[str, str]]:
    """(table, SQL condition on a row's id) of the rows that keep one of this kind from being deleted. An
    association that ended is history, and keeps nothing."""
    users = []
    for other in KINDS.values():
        columns = [column for column, named in other.required.items() if named == kind.name]
        if columns:
            condition = " OR ".join(f"{column} = ?" for column in columns)
            active = " AND is_active = 1" if other.name in KEPT else ""
            users.append((other.table, f"({condition}) AND deleted_us IS NULL{active}"))
    return users


LIMITED: Final = frozenset({"league", "manager", "client"})
"""Roles that see the leagues of their token's scope alone; all others see every league."""


def leagues_of(caller: Caller) -> tuple[str, ...] | None:
    """The leagues that a caller is limited to; None: no limit."""
    if caller.role not in LIMITED:
        return None
    return tuple(scope.removeprefix("league:") for scope in caller.scopes if scope.startswith("league:"))


def limited(condition: str, leagues: tuple[str, ...] | None) -> list[tuple[str, tuple[Any, ...]]]:
    """`condition` with these leagues filled in, as (SQL, parameters); without a condition when `leagues` is
    None."""
    if leagues is None:
        return []
    marks = ", ".join("?" * len(leagues)) or "NULL"  # IN (NULL) holds for nothing
    times = condition.count("{leagues}")
    return [(condition.replace("{leagues}", marks), leagues * times)]
