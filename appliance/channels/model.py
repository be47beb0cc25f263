"""A channel's fields (V22), what may be sent, and how it is shown."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal
from urllib.parse import parse_qsl, urlsplit

from pydantic import AfterValidator, BaseModel, Field

from appliance.kernel.clock import optional_rfc3339, to_rfc3339
from appliance.kernel.fields import ChannelKey, Input, Instant, Name
from appliance.kernel.paging import Page
from appliance.kernel.tx import Row

Liveness = Literal["heartbeat", "footage"]
Footage = Literal["on", "stalled", "none"]
Status = Literal["inactive", "active", "error"]
Latency = Annotated[int, Field(ge=0, le=60_000, strict=True)]
Reason = Annotated[str, Field(min_length=1, max_length=500)]

SRT_OPTIONS = ("mode", "latency", "streamid", "passphrase", "pbkeylen")
_EXPECTED = 'use "srt://:8891" (the camera calls the box), "srt://host:port" (the box calls) or "synthetic:"'


def check_input_url(text: str) -> str:
    """The address itself. Raises ValueError saying what is wrong: srt:// and synthetic: are all we take."""
    if text == "synthetic:":
        return text
    if not text.startswith("srt://"):
        raise ValueError(f"{_short(text)} is no input; {_EXPECTED}")
    if re.search(r"[\x00-\x20\x7f]", text):
        raise ValueError(f"holds a space or a control character; {_EXPECTED}")
    parts = urlsplit(text)
    try:
        port = parts.port
    except ValueError:
        port = None
    if not port or parts.path not in ("", "/") or parts.username is not None or parts.fragment:
        raise ValueError(f"needs a port from 1 to 65535 and nothing else before the '?'; {_EXPECTED}")
    _check_srt_options(dict(parse_qsl(parts.query, keep_blank_values=True)), listens=not parts.hostname)
    return text


def _check_srt_options(options: dict[str, str], *, listens: bool) -> None:
    unknown = sorted(set(options) - set(SRT_OPTIONS))
    if unknown:
        raise ValueError(f"unknown SRT option {_short(unknown[0])}; known are {', '.join(SRT_OPTIONS)}")
    mode = options.get("mode")
    if mode not in (None, "listener", "caller") or (mode == "caller" and listens):
        raise ValueError("mode must be listener, or caller with a host")
    if not re.fullmatch(r"\d{1,5}", options.get("latency", "0")):
        raise ValueError("latency must be milliseconds")
    if options.get("pbkeylen", "16") not in ("16", "24", "32"):
        raise ValueError("pbkeylen must be 16, 24 or 32")
    if not 10 <= len(options.get("passphrase", "x" * 10)) <= 79:
        raise ValueError("passphrase must have 10 to 79 characters (the SRT protocol's limits)")


def shown_input_url(text: str | None) -> str | None:
    """The address without its passphrase: resources go to every client and into the journal."""
    return None if text is None else re.sub(r"(?<=[?&]passphrase=)[^&]*", "***", text)


def _short(text: str) -> str:
    return repr(text[:60])


InputUrl = Annotated[str, Field(max_length=500), AfterValidator(check_input_url)]


def default_liveness(input_url: str | None) -> Liveness:
    """Where the box itself brings the footage in, footage says whether the camera lives."""
    return "footage" if input_url else "heartbeat"


class ChannelIn(Input):
    """POST /channels."""

    id: ChannelKey
    name: Name
    input_url: InputUrl | None = None
    latency_ms: Latency = 0
    liveness: Liveness | None = Field(None, description="default: footage with an input_url, else heartbeat")


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


class HeartbeatAnswer(BaseModel):
    status: Status
    server_time: str
    interval_s: float


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
