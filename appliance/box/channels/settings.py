"""The channel sections of the settings."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from appliance.box.channels.inputs import InputUrl, Liveness, default_liveness
from appliance.kernel.fields import ChannelKey, Section


class ChannelSettings(Section):
    """One [[channels]] entry."""

    id: ChannelKey
    name: str = ""
    input_url: InputUrl | None = None
    latency_ms: Annotated[int, Field(ge=0, le=60_000)] = 0
    liveness: Liveness | None = None

    @property
    def shown_name(self) -> str:
        return self.name or self.id

    @property
    def lives_by(self) -> Liveness:
        return self.liveness or default_liveness(self.input_url)


class HeartbeatSettings(Section):
    """[heartbeat]"""

    interval_s: Annotated[float, Field(gt=0, le=60)] = 5
    timeout_s: Annotated[float, Field(gt=0, le=3600)] = 30
