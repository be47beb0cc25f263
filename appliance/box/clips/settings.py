"""The [clips] section of the settings."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from appliance.kernel.fields import Section


class ClipsSettings(Section):
    """[clips]"""

    workers: Annotated[int, Field(ge=1, le=16)] = 2
    mode: Literal["instant", "exact", "transcode"] = "instant"
    lead_s: Annotated[float, Field(ge=0, le=60)] = 0
    lag_s: Annotated[float, Field(ge=0, le=60)] = 0
    max_duration_s: Annotated[float, Field(gt=0, le=7200)] = 600
    max_open: Annotated[int, Field(ge=1, le=1000)] = 50
    coverage_wait_s: Annotated[float, Field(gt=0, le=3600)] = 15
