"""Times with and without zones."""

from __future__ import annotations

from datetime import UTC, tzinfo
from zoneinfo import ZoneInfo

import pytest

from appliance.cloud.scoring.imports.kickoff import as_date, kickoff, zone_of

MADRID = ZoneInfo("Europe/Madrid")


@pytest.mark.parametrize(
    ("time", "zone", "expected"),
    [
        ("20:45", MADRID, ("2014-08-16T18:45:00Z", False)),
        ("20.45", UTC, ("2014-08-16T20:45:00Z", False)),
        ("18h30", UTC, ("2014-08-16T18:30:00Z", False)),
        ("13:00 UTC-6", MADRID, ("2014-08-16T19:00:00Z", True)),
        ("18:30 (UTC+5:30)", UTC, ("2014-08-16T13:00:00Z", True)),
        ("01:00 UTC+3", UTC, ("2014-08-15T22:00:00Z", True)),
        ("20:45Z", MADRID, ("2014-08-16T20:45:00Z", True)),
        ("25:00", UTC, None),
        ("noon", UTC, None),
    ],
)
def test_kickoff(time: str, zone: tzinfo, expected: tuple[str, bool] | None) -> None:
    assert kickoff("2014-08-16", time, zone) == expected


def test_days() -> None:
    assert as_date("2014-08-16") == "2014-08-16"
    assert [as_date(text) for text in ("2014-02-30", "16.8.2014", "20140816")] == [None] * 3
    assert [as_date(text) for text in ("0001-01-01", "1849-12-31", "9999-12-31")] == [None] * 3


def test_zone_of_a_ground() -> None:
    assert (
        str(zone_of("Arena Amazônia, Manaus (UTC-4)")) == "UTC-04:00" and zone_of("Wembley, London") is None
    )
