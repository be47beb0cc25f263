"""How long the journals of sites are kept: [fleet]."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from appliance.kernel.fields import Section


class FleetSettings(Section):
    """[fleet]. `events_days`: entries of boxes' journals are deleted so long after they came; the resources
    that they made stay."""

    events_days: Annotated[int, Field(ge=90, le=36_500)] = 400
