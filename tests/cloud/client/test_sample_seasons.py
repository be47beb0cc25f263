"""The demo's competitions: every day a round is under way."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from appliance.cloud.client.sample_seasons import sample_seasons
from appliance.cloud.scoring.providers.invented_season import recipe, season


@pytest.mark.parametrize("today", [date(2026, 11, 30), date(2028, 2, 29)])
def test_the_season_is_under_way_on_any_day(today: date) -> None:
    league, cup = sample_seasons(today)
    noon = datetime(today.year, today.month, today.day, 11, tzinfo=UTC)
    for sample, rounds in ((league, {"Matchday 8"}), (cup, {"Semi-finals"})):
        given = recipe(sample.reference)
        assert given is not None
        matches = season(given, noon)["matches"]
        assert {match["round"] for match in matches if match["date"] == str(today)} == rounds
        assert all("score" in match for match in matches if match["date"] <= str(today - timedelta(days=6)))
        assert not any("score" in match for match in matches if match["date"] >= str(today))
