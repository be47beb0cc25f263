"""The channels' part of the settings tree."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from appliance.kernel.fields import ChannelKey, Section


class ChannelSettings(Section):
    """One [[channels]] entry."""

    id: ChannelKey
    name: str = ""
    input_url: str | None = None
    latency_ms: Annotated[int, Field(ge=0, le=60_000)] = 0
    liveness: Literal["heartbeat", "footage"] | None = None


class HeartbeatSettings(Section):
    """[heartbeat]"""

    interval_s: Annotated[float, Field(gt=0, le=60)] = 5
    timeout_s: Annotated[float, Field(gt=0, le=3600)] = 30
