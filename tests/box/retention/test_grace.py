"""Changed limits that delete more than the last run's are delayed; those that delete less apply at once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from appliance.box.retention.core import RetentionLimits
from appliance.box.retention.grace import LimitsRecord, due, settle
from tests.box.retention.disk import DAY_US, HOUR_US

GB = 10**9
OLD = RetentionLimits(20 * GB, 10 * GB, 7 * DAY_US, 90 * DAY_US, 12 * HOUR_US)
NOW_US = 1_795_203_000_000_000


def test_the_first_start_takes_the_settings_as_they_are() -> None:
    assert settle(None, OLD, NOW_US, DAY_US, 100 * GB) == LimitsRecord(OLD)


@pytest.mark.parametrize(("free", "kept"), [(15 * GB, 15 * GB), (0, GB)])
def test_a_first_start_deletes_nothing_to_reach_a_figure_at_once(free: int, kept: int) -> None:
    record = settle(None, OLD, NOW_US, DAY_US, free)
    now = replace(OLD, min_free_bytes=kept, reserve_bytes=min(kept, OLD.reserve_bytes))
    assert record == LimitsRecord(now, OLD, NOW_US + DAY_US)
    assert settle(None, OLD, NOW_US, 0, free) == LimitsRecord(OLD)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("reserve_bytes", 500 * GB, "reserve_gb 10 -> 500"),
        ("min_free_bytes", 21 * GB, "min_free_gb 20 -> 21"),
        ("raw_us", DAY_US, "raw_days 7 -> 1"),
        ("clip_us", DAY_US, "clip_days 90 -> 1"),
        ("guard_us", 0, "session_guard_h 12 -> 0"),
    ],
)
def test_a_stricter_figure_waits_its_time(field: str, value: int, message: str) -> None:
    wanted = replace(OLD, **{field: value})
    record = settle(LimitsRecord(OLD), wanted, NOW_US, DAY_US)
    assert record == LimitsRecord(OLD, wanted, NOW_US + DAY_US)
    assert record.changes() == [message]
    assert due(record, NOW_US + DAY_US - 1) is record
    assert due(record, NOW_US + DAY_US) == LimitsRecord(wanted)


def test_a_milder_figure_holds_at_once_beside_one_that_waits() -> None:
    wanted = replace(OLD, raw_us=30 * DAY_US, reserve_bytes=50 * GB)
    record = settle(LimitsRecord(OLD), wanted, NOW_US, DAY_US)
    assert record.now == replace(OLD, raw_us=30 * DAY_US) and record.later == wanted
    assert settle(LimitsRecord(OLD), replace(OLD, raw_us=30 * DAY_US), NOW_US, DAY_US).later is None


def test_a_restart_does_not_begin_the_wait_again_and_a_corrected_file_ends_it() -> None:
    wanted = replace(OLD, reserve_bytes=50 * GB)
    record = settle(LimitsRecord(OLD), wanted, NOW_US, DAY_US)
    again = settle(record, wanted, NOW_US + HOUR_US, DAY_US)
    assert again == record
    assert settle(again, wanted, NOW_US + 2 * DAY_US, DAY_US) == LimitsRecord(wanted), (
        "over while the box was off"
    )
    assert settle(again, OLD, NOW_US + HOUR_US, DAY_US) == LimitsRecord(OLD)
    other = replace(OLD, reserve_bytes=60 * GB)
    assert settle(again, other, NOW_US + HOUR_US, DAY_US) == LimitsRecord(
        OLD, other, NOW_US + HOUR_US + DAY_US
    )


def test_no_grace_is_none() -> None:
    wanted = replace(OLD, reserve_bytes=50 * GB)
    assert settle(LimitsRecord(OLD), wanted, NOW_US, 0) == LimitsRecord(wanted)


def test_a_record_is_read_back_from_the_database() -> None:
    record = LimitsRecord(OLD, replace(OLD, raw_us=1), 5)
    assert LimitsRecord.from_json(record.to_json()) == record
    with pytest.raises((KeyError, TypeError)):
        LimitsRecord.from_json({"now": {"x": 1}, "later": None, "until_us": 0})
