"""Scoring as the API takes and shows it."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, WithJsonSchema

from appliance.kernel.fields import Input, Name, Uuid, Written, Zone
from appliance.kernel.paging import Page

Sport = Literal["american_football", "football", "basketball"]
Mode = Literal["league", "groups", "cup", "mixed"]
_TOURNAMENT: Final = Written(
    r"[a-z0-9][a-z0-9_-]{0,62}",
    "lower-case letters, digits, - and _, at most 63, first a letter or digit, such as premier-league-2026",
)
_PROVIDER: Final = Written(
    r"[a-z0-9-]{1,32}", "the name of a provider in lower-case letters, digits and -, such as openfootball"
)
_SEASON: Final = Written(
    r"\d{4}(\s*[-/–]\s*(\d{4}|\d{2}))?", "a year or two, such as 2026, 2026-27 or 2026/2027"
)

TournamentId = Annotated[str, AfterValidator(_TOURNAMENT), WithJsonSchema(_TOURNAMENT.schema)]
"""A UUID, or a short name for addresses."""
ProviderName = Annotated[str, AfterValidator(_PROVIDER), WithJsonSchema(_PROVIDER.schema)]
Reference = Annotated[str, Field(min_length=1, max_length=500)]
SeasonName = Annotated[str, AfterValidator(_SEASON), WithJsonSchema(_SEASON.schema)]
Reason = Annotated[str, Field(min_length=1, max_length=2000)]
StageName = Annotated[str, Field(min_length=1, max_length=200)]
Goals = Annotated[int, Field(ge=0, le=999)]


def _day(text: str) -> str:
    if len(text) != 10:
        raise ValueError("must be a day such as 2026-08-15")
    return date.fromisoformat(text).isoformat()


Day = Annotated[str, AfterValidator(_day), WithJsonSchema({"type": "string", "format": "date"})]


class CurtailedIn(Input):
    """The season ended early."""

    method: Literal["points_per_game", "as_it_stands", "void"]
    on: Day


class ExcludedIn(Input):
    """A team that leaves the tournament. `on`: from when it counts; today if it is not given. `expunge`:
    all its results go; `void_rest`: those after that day do, the ones up to it stay."""

    team_id: Uuid
    mode: Literal["expunge", "void_rest"]
    on: Day | None = None


class TournamentIn(Input):
    """POST /api/v2/tournaments."""

    id: TournamentId | None = None
    name: Name
    season: SeasonName | None = None
    sport: Sport = "football"
    timezone: Zone = "UTC"
    rules: Name = "default"
    league_id: Uuid | None = None
    season_id: Uuid | None = None
    providers: dict[ProviderName, Reference] = Field(default_factory=dict, max_length=20)
    curtailed: CurtailedIn | None = None
    excluded_teams: list[ExcludedIn] = Field(default_factory=list, max_length=100)


class TournamentPatch(Input):
    """Only the fields sent change; null clears those that may be empty."""

    name: Name = ""
    season: SeasonName | None = None
    timezone: Zone = "UTC"
    rules: Name = "default"
    league_id: Uuid | None = None
    season_id: Uuid | None = None
    providers: Annotated[dict[ProviderName, Reference], Field(max_length=20)] | None = None
    curtailed: CurtailedIn | None = None
    excluded_teams: Annotated[list[ExcludedIn], Field(max_length=100)] | None = None


class MatchPatch(Input):
    """What no provider knows: the event that films the match, and whether the ground is neutral."""

    event_id: Uuid | None = None
    is_neutral: bool = False


class _Decision(Input):
    on: Annotated[Day | None, Field(description="from when it counts; today if it is not given")] = None
    reason: Reason


class AdjustmentIn(_Decision):
    """POST /api/v2/tournaments/{id}/adjustments."""

    team_id: Uuid
    points: Annotated[int, Field(ge=-1000, le=1000)]
    stage: Annotated[StageName | None, Field(description="where the team has several tables")] = None


class FactIn(_Decision):
    """POST /api/v2/tournaments/{id}/facts: a value that results do not tell."""

    team_id: Uuid
    criterion: Literal["discipline", "red_cards", "yellow_cards", "coefficient", "ranking"]
    value: Annotated[float, Field(ge=-1_000_000, le=1_000_000)]


class OfficialIn(_Decision):
    """POST /api/v2/matches/{id}/official. Both null: the decision before is withdrawn."""

    home: Goals | None
    away: Goals | None


class TieOrderIn(_Decision):
    """POST /api/v2/tournaments/{id}/ties: level teams in their order."""

    stage: StageName
    group: Annotated[str, Field(max_length=200)] = ""
    order: Annotated[list[Uuid], Field(min_length=2, max_length=100)]


class WinnerIn(_Decision):
    """POST /api/v2/ties/{id}/winner. Null: the decision before is withdrawn."""

    team_id: Uuid | None


# -- queries -----------------------------------------------------------------------------------------------


class MatchQuery(Page):
    """`round`: its name in addresses."""

    round: Annotated[str, Field(max_length=200)] | None = None
    status: Literal["open", "ended", "not-defined"] | None = None
    date: Day | None = None


class StandingsQuery(Input):
    """`as_of`: the end of that day. `last`: each team's last matches. `live`: with matches that are being
    played."""

    as_of: Day | None = None
    venue: Literal["all", "home", "away"] = "all"
    last: Annotated[int, Field(ge=1, le=1000)] | None = None
    group: Annotated[str, Field(max_length=200)] | None = None
    stage: Annotated[str, Field(max_length=200)] | None = None
    live: bool = False


class BracketQuery(Input):
    as_of: Day | None = None


class DiscrepancyQuery(Input):
    """`open`: only those that are not resolved, or only those that are."""

    open: bool | None = None
