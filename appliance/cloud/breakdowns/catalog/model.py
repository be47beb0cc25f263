"""Break-down types, rules, offices and loggers, as the API takes and shows them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

from pydantic import BaseModel, Field

from appliance.cloud.competitions.model import Sport
from appliance.kernel import json
from appliance.kernel.clock import to_rfc3339
from appliance.kernel.fields import Input, Name, Uuid
from appliance.kernel.paging import Page

FieldName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
Fields = Annotated[list[FieldName], Field(max_length=200)]
Rank = Annotated[int, Field(ge=0, le=1000)]
Seconds = Annotated[int, Field(ge=60, le=30 * 86_400)]
Capacity = Annotated[int, Field(ge=0, le=10_000)]
Sports = Annotated[list[Sport], Field(max_length=10)]
TypeIds = Annotated[list[Uuid], Field(max_length=100)]


class BreakdownTypeIn(Input):
    """POST /logging/v1/breakdown-types. `rank`: how extensive it is; of several rules the greatest wins.
    `target_s`, `due_s`: seconds after the video is usable at which a job is at risk, and breached."""

    id: Uuid | None = None
    name: Name
    rank: Rank
    fields: Annotated[Fields, Field(default_factory=list)]
    target_s: Seconds = 4 * 3600
    due_s: Seconds = 8 * 3600


class BreakdownTypePatch(Input):
    """Only the fields sent change. Other times hold for jobs made from then on."""

    name: Name = ""
    rank: Rank = 0
    fields: Annotated[Fields, Field(default_factory=list)]
    target_s: Seconds = 4 * 3600
    due_s: Seconds = 8 * 3600


class RuleIn(Input):
    """POST /logging/v1/rules: events of the league, or of one team in it, are logged as this type.
    `season_id`: of one season alone."""

    id: Uuid | None = None
    league_id: Uuid
    season_id: Uuid | None = None
    team_id: Uuid | None = None
    breakdown_type_id: Uuid
    is_active: bool = True


class RulePatch(Input):
    breakdown_type_id: Uuid = ""
    is_active: bool = True


class OfficeIn(Input):
    """POST /logging/v1/offices. `league_id`: the only league that it works for; null, which an admin may set
    alone: every league. `capacity`: jobs that its loggers may have open at a time."""

    id: Uuid | None = None
    league_id: Uuid | None = None
    name: Name
    capacity: Capacity


class OfficePatch(Input):
    name: Name = ""
    capacity: Capacity = 0


class LoggerIn(Input):
    """POST /logging/v1/loggers. `is_available`: the queue assigns jobs."""

    id: Uuid | None = None
    office_id: Uuid
    name: Name
    sports: Sports
    breakdown_type_ids: TypeIds
    is_available: bool = True


class LoggerPatch(Input):
    office_id: Uuid = ""
    name: Name = ""
    sports: Annotated[Sports, Field(default_factory=list)]
    breakdown_type_ids: Annotated[TypeIds, Field(default_factory=list)]
    is_available: bool = True


class CatalogQuery(Page):
    """Query of every list. A filter on a field that the resource does not have is refused."""

    league_id: Uuid | None = None
    office_id: Uuid | None = None
    team_id: Uuid | None = None


class Shown(BaseModel):
    id: str
    created_at: str
    created_by: str
    updated_at: str
    rev: int


class BreakdownType(Shown):
    name: str
    rank: int
    fields: list[str]
    target_s: int
    due_s: int


class RuleShown(Shown):
    league_id: str
    season_id: str | None
    team_id: str | None
    breakdown_type_id: str
    is_active: bool


class Office(Shown):
    league_id: str | None
    name: str
    capacity: int


class Logger(Shown):
    """`job_id`: the open job."""

    office_id: str
    name: str
    sports: list[str]
    breakdown_type_ids: list[str]
    is_available: bool
    job_id: str | None


_LISTS: Final = frozenset({"fields", "sports", "breakdown_type_ids"})


def shown(model: type[Shown], row: Mapping[str, Any]) -> dict[str, Any]:
    """A row as a resource."""
    own: dict[str, Any] = {}
    for name in model.model_fields:
        if name in _LISTS and name in row:
            own[name] = json.decode_stored(row[name])
        elif name in row:
            own[name] = bool(row[name]) if name.startswith("is_") else row[name]
    own["created_at"], own["updated_at"] = to_rfc3339(row["created_us"]), to_rfc3339(row["updated_us"])
    return own


def columns(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Validated fields as columns: lists are JSON without doubles, booleans 0 or 1."""
    return {name: _column(value) for name, value in fields.items()}


def _column(value: Any) -> Any:
    if isinstance(value, list):
        return json.encode(list(dict.fromkeys(value))).decode()
    return int(value) if isinstance(value, bool) else value
