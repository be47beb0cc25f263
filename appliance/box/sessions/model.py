"""A session's fields (V21)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, Field, create_model

from appliance.domain import counter_fields
from appliance.kernel.fields import ChannelKey, Input, Instant, Name, Uuid
from appliance.kernel.paging import Page

SessionType = Literal["game", "practice", "scrimmage", "other"]
Season = Annotated[str, BeforeValidator(lambda v: str(v) if type(v) is int else v), Field(max_length=32)]
Week = Annotated[int, Field(ge=0, le=400)]


class SessionIn(Input):
    """POST /sessions."""

    id: Uuid | None = None
    name: Name
    type: SessionType
    opponent: str | None = None
    location: str | None = None
    season: Season | None = None
    week: Week | None = None
    scheduled_start: Instant | None = None
    event_id: Uuid | None = Field(default=None, description="of the cloud: one session an event")
    channel_ids: list[ChannelKey] | None = Field(None, description="default: every channel of the venue")


class SessionPatch(Input):
    """PATCH /sessions/{id}: only the fields sent change."""

    name: Name | None = None
    type: SessionType | None = None
    opponent: str | None = None
    location: str | None = None
    season: Season | None = None
    week: Week | None = None
    scheduled_start: Instant | None = None
    event_id: Uuid | None = None
    channel_ids: list[ChannelKey] | None = None


@dataclass(frozen=True, slots=True)
class PlannedSession:
    """An event that is to be filmed. `moved_from_us`: its start, microseconds, before the last change."""

    event_id: str
    name: str
    location: str | None
    season: str | None
    start_us: int
    moved_from_us: int | None


class SessionQuery(Page):
    type: SessionType | None = None
    status: Literal["scheduled", "active", "paused", "completed"] | None = None
    deleted: Literal[0, 1] = Field(0, description="1: those whose delete can still be undone, instead")


class ForceQuery(Input):
    force: Literal[0, 1] = Field(0, description="1: delete although it holds favourites")


class Session(BaseModel):
    """A session as the API shows it."""

    id: str
    session_id: str
    name: str
    type: SessionType
    status: str
    opponent: str | None
    location: str | None
    season: str | None
    week: int | None
    scheduled_start: str | None
    event_id: str | None = Field(description="of the cloud")
    actual_start: str | None
    actual_end: str | None
    channel_ids: list[str] | None = Field(description="null: every channel of the venue")
    created_at: str
    updated_at: str
    created_by: str
    rev: int


def shown_session() -> type[Session]:
    """The session with the counters of every domain."""
    return create_model("Session", __base__=Session, __doc__=Session.__doc__, **counter_fields())
