"""Field types of requests, shared by every domain, so that one rule behaves the same everywhere."""

from __future__ import annotations

from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from appliance.kernel.clock import from_rfc3339
from appliance.kernel.ids import canonical_uuid


class Input(BaseModel):
    """A request body or query: an unknown field is an error that names it."""

    model_config = ConfigDict(
        extra="forbid", allow_inf_nan=False, str_max_length=4000, hide_input_in_errors=True
    )


class Section(BaseModel):
    """A part of the settings tree: frozen, unknown keys refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def _instant(value: Any) -> int:
    if not isinstance(value, str):
        raise ValueError("must be an RFC 3339 time, such as 2026-11-20T19:31:04.120Z")
    return from_rfc3339(value)


Instant = Annotated[int, BeforeValidator(_instant), WithJsonSchema({"type": "string", "format": "date-time"})]
"""Microseconds UTC, written as an RFC 3339 time."""

Uuid = Annotated[str, AfterValidator(canonical_uuid), WithJsonSchema({"type": "string", "format": "uuid"})]

Name = Annotated[str, Field(min_length=1, max_length=200)]

ChannelKey = Annotated[str, Field(pattern=r"^[a-z0-9_-]{1,32}$")]


def known_zone(name: str) -> str:
    """The name itself. Raises ValueError for a zone this machine does not know."""
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"unknown time zone {name!r}; use a name such as Europe/Madrid") from None
    return name


Zone = Annotated[str, AfterValidator(known_zone)]
