"""The [recorder] section of the settings."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, IPvAnyNetwork

from appliance.kernel.fields import Section, Zone


class RecorderSettings(Section):
    """[recorder]"""

    mode: Literal["embedded", "external"] = "embedded"
    part_s: Annotated[float, Field(ge=0.05, le=2)] = 0.2
    segment_s: Annotated[float, Field(ge=2, le=3600)] = 60
    name_timezone: Zone = "UTC"
    input_networks: tuple[IPvAnyNetwork, ...] = ()
