"""Scoring as the API takes and shows it."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, WithJsonSchema

from appliance.kernel.fields import Input, Name, Uuid, Zone

Sport = Literal["american_football", "football", "basketball"]
Mode = Literal["league", "groups", "cup", "mixed"]
TournamentId = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
"""A UUID, or a short name for addresses."""
ProviderName = Annotated[str, Field(pattern=r"^[a-z0-9-]{1,32}$")]
Reference = Annotated[str, Field(min_length=1, max_length=500)]
SeasonName = Annotated[str, Field(pattern=r"^\d{4}(\s*[-/–]\s*(\d{4}|\d{2}))?$")]


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
    """A team that leaves the tournament. `on`: from when it counts; today if it is not given."""

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
