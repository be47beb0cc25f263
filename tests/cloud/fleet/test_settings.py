"""[fleet]."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from appliance.cloud.fleet.settings import FleetSettings


@pytest.mark.parametrize("days", [0, 89, 40_000])
def test_journals_are_kept_for_a_season_at_least(days: int) -> None:
    assert FleetSettings().events_days == 400
    with pytest.raises(ValidationError):
        FleetSettings(events_days=days)
