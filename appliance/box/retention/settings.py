"""The [retention] section of the settings."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from appliance.kernel.fields import Section


class RetentionSettings(Section):
    """[retention]"""

    # the upper bounds mean "forever"; larger values do not fit into 64 bits of microseconds
    min_free_gb: Annotated[float, Field(ge=0, le=1e9)] = 20
    raw_days: Annotated[float, Field(gt=0, le=1e6)] = 7
    clip_days: Annotated[float, Field(gt=0, le=1e6)] = 90
    session_guard_h: Annotated[float, Field(ge=0, le=1e6)] = 12
    grace_h: Annotated[float, Field(ge=0, le=720)] = 24
