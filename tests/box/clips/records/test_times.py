"""The start time of a mark (V08): midnight, DST, wrong clocks."""

import pytest

from appliance.box.clips.records.times import SessionSpan, refuse_ahead, resolve_start
from appliance.kernel.clock import from_rfc3339, to_rfc3339
from appliance.kernel.errors import Refused

MADRID = "Europe/Madrid"


def resolve(
    text: str, *, now: str, start: str | None = None, end: str | None = None, zone: str = MADRID
) -> str:
    span = SessionSpan(from_rfc3339(start) if start else None, from_rfc3339(end) if end else None)
    instant_us = resolve_start(text, now_us=from_rfc3339(now), zone=zone, span=span)
    assert type(instant_us) is int, "no float reaches a row"
    return to_rfc3339(instant_us)


def test_a_time_of_day_is_read_in_the_sites_zone() -> None:  # V08
    result = resolve("14:23:15", now="2026-11-20T13:24:00Z", start="2026-11-20T13:00:00Z")
    assert result == "2026-11-20T13:23:15.000000Z"


def test_fractions_of_a_second_are_kept() -> None:
    actual = resolve("14:23:15.25", now="2026-11-20T13:24:00Z", start="2026-11-20T13:00:00Z")
    assert actual == "2026-11-20T13:23:15.250000Z"


def test_an_rfc3339_time_is_taken_as_it_is() -> None:
    assert resolve("2026-11-20T14:23:15+01:00", now="2026-11-20T14:00:00Z") == "2026-11-20T13:23:15.000000Z"


def test_a_game_over_midnight_finds_the_evening_before() -> None:  # V08
    outcome = resolve("23:59:50", now="2026-11-21T00:10:00Z", start="2026-11-20T21:00:00Z")
    assert outcome == "2026-11-20T22:59:50.000000Z"


def test_after_midnight_the_new_day_wins() -> None:  # V08
    start_time = resolve("00:05:00", now="2026-11-20T23:10:00Z", start="2026-11-20T21:00:00Z")
    assert start_time == "2026-11-20T23:05:00.000000Z"


def test_of_a_repeated_hour_the_latest_instant_not_ahead_wins() -> (
    None
):  # V08: 2026-10-25, 03:00 CEST -> 02:00 CET
    start = "2026-10-24T23:30:00Z"
    assert resolve("02:30:00", now="2026-10-25T01:40:00Z", start=start) == "2026-10-25T01:30:00.000000Z"
    assert resolve("02:30:00", now="2026-10-25T00:40:00Z", start=start) == "2026-10-25T00:30:00.000000Z"


def test_a_skipped_hour_is_refused_and_the_span_is_named() -> (
    None
):  # V08: 2026-03-29, 02:00 CET -> 03:00 CEST
    with pytest.raises(Refused) as refused:
        resolve("02:30:00", now="2026-03-29T02:00:00Z", start="2026-03-29T00:30:00Z")
    assert refused.value.status == 422 and refused.value.code == "not_in_session"
    assert refused.value.extra["span"]["start"] == "2026-03-28T23:30:00.000000Z"


def test_a_time_up_to_an_hour_before_the_start_counts() -> None:
    start = "2026-11-20T13:00:00Z"
    assert resolve("13:00:00", now="2026-11-20T15:00:00Z", start=start) == "2026-11-20T12:00:00.000000Z"
    with pytest.raises(Refused):
        resolve("12:59:59", now="2026-11-20T15:00:00Z", start=start)


def test_after_the_session_the_time_is_looked_for_within_it() -> None:
    span = {"start": "2026-11-19T19:00:00Z", "end": "2026-11-19T21:00:00Z"}
    assert resolve("20:30:00", now="2026-11-20T22:00:00Z", **span) == "2026-11-19T19:30:00.000000Z"
    with pytest.raises(Refused):
        resolve("22:30:00", now="2026-11-20T22:00:00Z", **span)


def test_without_a_start_the_last_day_is_searched() -> None:
    assert resolve("23:00:00", now="2026-11-20T12:00:00Z", zone="UTC") == "2026-11-19T23:00:00.000000Z"


@pytest.mark.parametrize(
    "text", ["25:00:00", "24:00:00", "12:60:00", "12:59:60", "12:00", "noon", "", "2026-11-20T14:23:15"]
)
def test_nonsense_is_refused_naming_the_field(text: str) -> None:
    with pytest.raises(Refused) as refused:
        resolve(text, now="2026-11-20T13:24:00Z")
    assert refused.value.status == 422 and refused.value.errors[0].loc == "start_time"


def test_a_start_more_than_five_seconds_ahead_is_refused_with_the_boxs_time() -> None:
    now_us = from_rfc3339("2026-11-20T13:00:00Z")
    assert refuse_ahead("start_time", now_us + 5_000_000, now_us) == now_us + 5_000_000
    with pytest.raises(Refused) as refused:
        refuse_ahead("start_time", now_us + 5_000_001, now_us)
    assert (refused.value.status, refused.value.code) == (422, "clock_ahead")
    assert refused.value.extra["server_time"] == "2026-11-20T13:00:00.000000Z"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("23:59:59.000001", "2026-11-19T23:59:59.000001Z"),
        ("12:00:00", "2026-11-20T12:00:00.000000Z"),
        ("12:00:05", "2026-11-20T12:00:05.000000Z"),  # 5 s ahead: a clock that is a little fast
        ("12:00:06", "2026-11-19T12:00:06.000000Z"),
    ],
)
def test_without_a_start_the_latest_instant_of_the_last_day_counts(text: str, wanted: str) -> None:
    assert resolve(text, now="2026-11-20T12:00:00Z", zone="UTC") == wanted


def test_an_end_in_the_future_does_not_permit_a_start_in_the_future() -> None:
    span = {"start": "2026-11-20T11:00:00Z", "end": "2026-11-20T15:00:00Z", "zone": "UTC"}
    with pytest.raises(Refused) as refused:
        resolve("14:00:00", now="2026-11-20T12:00:00Z", **span)
    assert "between 2026-11-20T10:00:00.000000Z and 2026-11-20T12:00:00.000000Z" in refused.value.detail
    assert refused.value.extra["span"] == {
        "start": "2026-11-20T10:00:00.000000Z",
        "end": "2026-11-20T12:00:00.000000Z",
    }


def test_without_a_start_no_more_than_the_last_day_is_searched() -> None:
    """At 04:00 of the day on which 02:30 was skipped, the last 02:30 is 24.5 hours ago."""
    with pytest.raises(Refused):
        resolve("02:30:00", now="2026-03-29T02:00:00Z")


def test_how_far_ahead_is_named_in_seconds() -> None:
    with pytest.raises(Refused, match=r"is 1000000\.0 s ahead of the box"):
        refuse_ahead("start_time", 2 * 10**12, 10**12)
