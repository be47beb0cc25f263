"""Reference data as the API takes and shows it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, Field, WithJsonSchema

from appliance.kernel.clock import optional_rfc3339, to_rfc3339
from appliance.kernel.fields import Input, Instant, Name, Uuid, Zone
from appliance.kernel.paging import Page

Sport = Literal["american_football", "football", "basketball"]
EventStatus = Literal["scheduled", "cancelled"]
Short = Annotated[str, Field(min_length=1, max_length=40)]
SiteId = Annotated[str, Field(pattern=r"^[a-z0-9-]{1,63}$")]
Provider = Annotated[str, Field(pattern=r"^[a-z0-9-]{1,32}$")]


def _day(text: str) -> str:
    if len(text) != 10:
        raise ValueError("must be a day such as 2026-08-15")
    return date.fromisoformat(text).isoformat()


Day = Annotated[str, AfterValidator(_day), WithJsonSchema({"type": "string", "format": "date"})]


class LeagueIn(Input):
    """POST /logging/v1/leagues."""

    id: Uuid | None = None
    name: Name
    sport: Sport
    timezone: Zone = "UTC"


class LeaguePatch(Input):
    """Only the fields sent change. The sport stays."""

    name: Name = ""
    timezone: Zone = "UTC"


class SeasonIn(Input):
    id: Uuid | None = None
    league_id: Uuid
    name: Name
    starts_on: Day | None = None
    ends_on: Day | None = None


class SeasonPatch(Input):
    name: Name = ""
    starts_on: Day | None = None
    ends_on: Day | None = None


class TeamIn(Input):
    id: Uuid | None = None
    league_id: Uuid = Field(description="whose tokens may change it; others see it by an association")
    name: Name
    short_name: Short | None = None


class TeamPatch(Input):
    name: Name = ""
    short_name: Short | None = None


class AthleteIn(Input):
    id: Uuid | None = None
    team_id: Uuid
    name: Name
    number: Short | None = None
    position: Short | None = None


class AthletePatch(Input):
    team_id: Uuid = ""
    name: Name = ""
    number: Short | None = None
    position: Short | None = None


class AssociationIn(Input):
    """A team plays in a season."""

    id: Uuid | None = None
    season_id: Uuid
    team_id: Uuid
    is_active: bool = True


class AssociationPatch(Input):
    is_active: bool = True


class EventIn(Input):
    """A match as it is scheduled, before it is played or filmed."""

    id: Uuid | None = None
    season_id: Uuid
    home_team_id: Uuid
    away_team_id: Uuid
    kickoff: Instant | None = None
    venue: Name | None = None
    site_id: SiteId | None = None
    status: EventStatus = "scheduled"


class EventPatch(Input):
    kickoff: Instant | None = None
    venue: Name | None = None
    site_id: SiteId | None = None
    status: EventStatus = "scheduled"


class AliasIn(Input):
    """POST /api/v2/teams/{id}/aliases."""

    provider: Provider
    name: Name
    reason: Annotated[str, Field(max_length=2000)] = ""


class ListQuery(Page):
    """Query of every list. A filter on a field that the resource does not have is refused."""

    league_id: Uuid | None = None
    season_id: Uuid | None = None
    team_id: Uuid | None = None


class _Shown(BaseModel):
    id: str
    created_at: str
    created_by: str
    updated_at: str
    rev: int


class League(_Shown):
    name: str
    sport: Sport
    timezone: str


class Season(_Shown):
    league_id: str
    name: str
    starts_on: str | None
    ends_on: str | None


class Team(_Shown):
    league_id: str
    name: str
    short_name: str | None


class Athlete(_Shown):
    team_id: str
    name: str
    number: str | None
    position: str | None


class Association(_Shown):
    league_id: str
    season_id: str
    team_id: str
    is_active: bool


class Event(_Shown):
    league_id: str
    season_id: str
    home_team_id: str
    away_team_id: str
    kickoff: str | None
    venue: str | None
    site_id: str | None
    status: EventStatus


class Alias(BaseModel):
    id: str
    team_id: str
    provider: str
    name: str
    reason: str
    created_at: str
    created_by: str


class Aliases(BaseModel):
    items: list[Alias]


def shown(model: type[_Shown], row: Mapping[str, Any]) -> dict[str, Any]:
    """A row as a resource."""
    own: dict[str, Any] = {}
    for name in model.model_fields:
        if name in row:
            own[name] = bool(row[name]) if name.startswith("is_") else row[name]
        elif f"{name}_us" in row:
            own[name] = optional_rfc3339(row[f"{name}_us"])
    own["created_at"], own["updated_at"] = to_rfc3339(row["created_us"]), to_rfc3339(row["updated_us"])
    return own


def shown_alias(row: Mapping[str, Any]) -> dict[str, Any]:
    own = {name: row[name] for name in ("id", "team_id", "provider", "name", "reason", "created_by")}
    return {**own, "created_at": to_rfc3339(row["created_us"])}


def columns(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Validated fields as columns: instants are named in microseconds, booleans are 0 or 1."""
    own = {f"{name}_us" if name == "kickoff" else name: value for name, value in fields.items()}
    return {name: int(value) if isinstance(value, bool) else value for name, value in own.items()}
