"""File names MediaMTX can be configured to write, and their times."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from appliance.media.clock.names import is_segment_name, name_time_us, name_times_us, nearest

MADRID = ZoneInfo("Europe/Madrid")


def at(year: int, month: int, day: int, hour: int, minute: int = 0, second: int = 0) -> int:
    moment = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    return round(moment.timestamp()) * 1_000_000


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("2024-09-01_13-00-00.mp4", at(2024, 9, 1, 13)),  # V05: the example of the requirement
        ("2024-09-01T13-00-00.mp4", at(2024, 9, 1, 13)),
        ("2026-11-21_00-56-30-525358.mp4", at(2026, 11, 21, 0, 56, 30) + 525358),
        ("2026-11-21T00-56-30-525358Z.mp4", at(2026, 11, 21, 0, 56, 30) + 525358),
        ("2026-11-21_00-56-30-525358+0100.mp4", at(2026, 11, 20, 23, 56, 30) + 525358),
        ("2026-11-21_00-56-30-0500.mp4", at(2026, 11, 21, 5, 56, 30)),
        ("2026-11-21_00-56-30-525358-0330.mp4", at(2026, 11, 21, 4, 26, 30) + 525358),
        ("2026-11-21_00-56-30-525358-1795218990.mp4", 1795218990_525358),
        ("2026-11-21_00-56-30_1795218990.mp4", 1795218990_000000),
        ("1795218990-525358.mp4", 1795218990_525358),
        ("1795218990.mp4", 1795218990_000000),
    ],
)
def test_the_start_of_a_segment_is_read_from_its_name(name: str, expected: int) -> None:  # V05
    assert name_time_us(name, UTC) == expected


def test_a_name_without_zone_is_read_in_the_configured_one() -> None:  # V05
    assert name_time_us("2026-07-01_14-00-00.mp4", MADRID) == at(2026, 7, 1, 12)
    assert name_time_us("2026-12-01_14-00-00.mp4", MADRID) == at(2026, 12, 1, 13)
    assert name_time_us("2026-12-01_14-00-00Z.mp4", MADRID) == at(2026, 12, 1, 14)


def test_the_hour_that_occurs_twice_is_two() -> None:
    assert name_time_us("2026-10-25_02-30-00.mp4", MADRID) == at(2026, 10, 25, 0, 30)
    both = at(2026, 10, 25, 0, 30), at(2026, 10, 25, 1, 30)
    assert name_times_us("2026-10-25_02-30-00.mp4", MADRID) == both
    assert name_times_us("2026-11-01_01-30-00-000007.mp4", ZoneInfo("America/New_York")) == (
        at(2026, 11, 1, 5, 30) + 7,
        at(2026, 11, 1, 6, 30) + 7,
    )
    assert all(isinstance(each, int) for each in name_times_us("2026-10-25_02-30-00.mp4", MADRID))
    for name in ("2026-10-25_01-59-59.mp4", "2026-10-25_03-00-00.mp4", "2026-10-25_02-30-00+0200.mp4"):
        assert len(name_times_us(name, MADRID)) == 1
    assert name_times_us("camera.mp4", MADRID) == ()


def test_the_hour_that_never_occurs_is_read_by_the_clock_before_the_change() -> None:
    assert name_times_us("2026-03-29_02-30-00.mp4", MADRID) == (at(2026, 3, 29, 1, 30),)
    assert name_times_us("2026-03-29_03-00-00.mp4", MADRID) == (at(2026, 3, 29, 1),)
    assert isinstance(name_time_us("2026-03-29_02-30-00.mp4", MADRID), int)


@pytest.mark.parametrize(("wanted_us", "expected"), [(0, 100), (240, 100), (260, 400), (999, 400)])
def test_the_nearest_time_of_a_name_is_used(wanted_us: int, expected: int) -> None:
    assert nearest([100, 400], wanted_us) == expected


@pytest.mark.parametrize("name", ["camera.mp4", "2026-13-01_00-00-00.mp4", "2026-11-21_25-00-00.mp4", ".mp4"])
def test_a_name_without_a_time_gives_none(name: str) -> None:
    assert name_time_us(name, UTC) is None


def test_other_files_beside_the_recordings_are_not_segments() -> None:
    assert is_segment_name("2026-11-21_00-56-30.mp4")
    for stranger in ("x.mp4.part", "x.mp4.json", ".x.mp4", "x.ts", "a/b.mp4"):
        assert not is_segment_name(stranger)
