"""A channel's fields (V22), what may be sent, and how it is shown."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from appliance.box.channels.inputs import InputUrl, Liveness, shown_input_url
from appliance.kernel.clock import optional_rfc3339, to_rfc3339
from appliance.kernel.fields import ChannelKey, Input, Instant, Name
from appliance.kernel.paging import Page
from appliance.kernel.tx import Row

Footage = Literal["on", "stalled", "none"]
Status = Literal["inactive", "active", "error"]
Latency = Annotated[int, Field(ge=0, le=60_000, strict=True)]
Reason = Annotated[str, Field(min_length=1, max_length=500)]


class ChannelIn(Input):
    """POST /channels."""

    id: ChannelKey
    name: Name
    input_url: InputUrl | None = None
    latency_ms: Latency = 0
    liveness: Liveness | None = Field(
        None, description="default: footage with an input_url, else heartbeat (footage until one came)"
    )


class ChannelPatch(Input):
    """PATCH /channels/{id}: only the fields sent change; input_url may be cleared with null."""

    name: Name | None = None
    input_url: InputUrl | None = None
    latency_ms: Latency | None = None
    liveness: Liveness | None = None


class ChannelQuery(Page):
    status: Status | None = None


class DeactivateIn(Input):
    """POST /channels/{id}/deactivate, all of it optional."""

    reason: Reason | None = None


class FaultIn(Input):
    """POST /channels/{id}/error."""

    reason: Reason
    fatal: bool = Field(False, description="true: capture has stopped; the channel becomes inactive")


class Heartbeat(Input):
    """POST /channels/{id}/heartbeat, all of it optional."""

    ok: bool | None = Field(None, description="true ends a reported fault")
    resolution: Annotated[str, Field(min_length=1, max_length=32)] | None = None
    framerate: Annotated[float, Field(ge=0, le=10_000)] | None = None
    bitrate: Annotated[int, Field(ge=0, le=2**53)] | None = None
    dropped_frames: Annotated[int, Field(ge=0, le=2**53)] | None = None
    sent_at: Instant | None = Field(None, description="the device's clock: older reports never replace newer")


class Channel(BaseModel):
    """A channel as the API shows it."""

    id: str
    channel_id: str
    name: str
    input_url: str | None
    in_config: bool = Field(description="true: name and input_url come from the settings file")
    status: Status
    error_cause: Literal["timeout", "reported"] | None
    error_reason: str | None
    footage: Footage
    liveness: Liveness
    latency_ms: int
    last_seen_at: str | None
    resolution: str | None
    framerate: float | None
    bitrate: int | None
    dropped_frames: int | None
    created_at: str
    updated_at: str
    rev: int


def channel_resource(row: Row) -> dict[str, Any]:
    """The channel as the API shows it."""
    return {
        "id": row["id"],
        "channel_id": row["id"],
        "name": row["name"],
        "input_url": shown_input_url(row["input_url"]),
        "in_config": bool(row["in_config"]),
        **{key: row[key] for key in ("status", "error_cause", "error_reason", "footage", "liveness")},
        "latency_ms": row["latency_ms"],
        "last_seen_at": optional_rfc3339(row["last_seen_us"]),
        **{key: row[key] for key in ("resolution", "framerate", "bitrate", "dropped_frames")},
        "created_at": to_rfc3339(row["created_us"]),
        "updated_at": to_rfc3339(row["updated_us"]),
        "rev": row["rev"],
    }
