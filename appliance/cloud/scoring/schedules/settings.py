"""When rounds are asked for: [scheduler]."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from appliance.cloud.scoring.schedules.plan import Times
from appliance.kernel.fields import Section

Minutes = Annotated[int, Field(ge=1, le=24 * 60)]


class SchedulerSettings(Section):
    """[scheduler]. Minutes from the kick-off, except `repoll_min` (between two requests for a match that has
    not ended) and `test_delay_min` (from now, in the demo)."""

    daily_utc: Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")] = "00:01"
    score_after_min: Minutes = 90
    standings_after_min: Minutes = 120
    repoll_min: Minutes = 10
    give_up_min: Minutes = 240
    test_delay_min: Minutes = 2

    def times(self, environment: str) -> Times:
        """The demo asks soon after a schedule is made, instead of after the match."""
        delay = self.test_delay_min if environment == "demo" else None
        return Times(self.score_after_min, self.standings_after_min, delay)

    @property
    def daily_minute(self) -> int:
        """Minutes after midnight, UTC."""
        hours, minutes = self.daily_utc.split(":")
        return int(hours) * 60 + int(minutes)
