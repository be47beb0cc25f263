"""How often a delivery is tried again: [webhooks]."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from appliance.kernel.fields import Section

Pause = Annotated[float, Field(gt=0, le=30 * 86_400)]


class WebhookSettings(Section):
    """[webhooks]. `retry_s`: the pause before each further attempt; after the last one a delivery fails."""

    retry_s: Annotated[tuple[Pause, ...], Field(max_length=50)] = (5, 60, 300, 1800, 7200, 28800, 86400)
