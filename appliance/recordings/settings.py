"""The recordings' part of the settings tree."""

from __future__ import annotations

from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field

from appliance.kernel.fields import Section


def known_zone(name: str) -> str:
    """The name itself. Raises ValueError for a zone this machine does not know."""
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"unknown time zone {name!r}; use a name such as Europe/Madrid") from None
    return name


Zone = Annotated[str, AfterValidator(known_zone)]


class RecorderSettings(Section):
    """[recorder]"""

    mode: Literal["embedded", "external"] = "embedded"
    part_s: Annotated[float, Field(ge=0.05, le=2)] = 0.2
    segment_s: Annotated[float, Field(ge=2, le=3600)] = 60
    name_timezone: Zone = "UTC"


class MediamtxSettings(Section):
    """[mediamtx]: external mode; all optional, without them previews and publisher state are missing."""

    api_url: str = ""
    read_user: str = ""
    read_password: Annotated[str, Field(repr=False)] = ""
    webrtc_url: str = ""


class RetentionSettings(Section):
    """[retention]"""

    # the upper bounds mean "for ever"; what is larger does not fit into 64 bits of microseconds
    min_free_gb: Annotated[float, Field(ge=0, le=1e9)] = 20
    raw_days: Annotated[float, Field(gt=0, le=1e6)] = 7
    clip_days: Annotated[float, Field(gt=0, le=1e6)] = 90
    session_guard_h: Annotated[float, Field(ge=0, le=1e6)] = 12
    grace_h: Annotated[float, Field(ge=0, le=720)] = 24
