"""The query of a replay; the routes are tested in test_http.py."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from appliance.box.clips.viewing.replay_model import (
    DEFAULT_S,
    FrozenQuery,
    ReplayQuery,
    check_replay_query,
    times_of,
)
from appliance.http.requests import parse_query
from appliance.kernel.errors import Refused
from appliance.media.clock.timeline import Knot, RunClock
from appliance.media.cut.plan import Plan
from tests.kit.box import mark_rules
from tests.kit.clock import KICKOFF_US
from tests.kit.hand_footage import plan_of

LATE_US = 120_000


def test_without_parameters_it_is_the_last_seconds() -> None:
    request = check_replay_query(parse_query("", ReplayQuery), mark_rules())
    assert (request.start_us, request.duration_us, request.wait) == (None, DEFAULT_S * 1_000_000, False)


@pytest.mark.parametrize(
    "start", ["2026-11-20T19:00:00Z", "2026-11-20T20:00:00+01:00", "2026-11-20T20:00:00%2B01:00"]
)
def test_an_instant_may_come_with_a_zone_whose_plus_was_not_escaped(start: str) -> None:
    query = check_replay_query(parse_query(f"start={start}&duration=1.5&wait=1", ReplayQuery), mark_rules())
    assert (query.start_us, query.duration_us, query.wait) == (KICKOFF_US, 1_500_000, True)


def test_a_replay_longer_than_a_clip_may_be_is_refused() -> None:
    rules = mark_rules()
    longest = rules.clips.max_duration_s
    assert (
        check_replay_query(parse_query(f"duration={longest}", ReplayQuery), rules).duration_us
        == longest * 1_000_000
    )
    with pytest.raises(Refused) as refused:
        check_replay_query(parse_query(f"duration={longest + 0.1}", ReplayQuery), rules)
    assert [each.loc for each in refused.value.errors] == ["duration"]


def test_only_bytes_are_named_by_their_plan() -> None:
    assert parse_query("v=abc", FrozenQuery).v == "abc"
    with pytest.raises(Refused):
        parse_query("v=abc", ReplayQuery)


def clock_of(*knots: tuple[float, float, float]) -> RunClock:
    """A clock through (media s, wall s, wall s per media s)."""
    return RunClock.of(
        Knot(round(media * 1e9), KICKOFF_US + round(wall * 1e6), round(rate * 1e9))
        for media, wall, rate in knots
    )


def plan_from(media_s: float, length_s: float, clock: RunClock) -> Plan:
    start_ns, end_ns = round(media_s * 1e9), round((media_s + length_s) * 1e9)
    start_us, end_us = clock.wall_us(start_ns) - LATE_US, clock.wall_us(end_ns) - LATE_US
    made = plan_of(start_us, end_us, end_us)
    spans = (("run", start_ns, end_ns),)
    return replace(made, media_spans=spans, duration_s=length_s, latency_us=LATE_US)


def capture_time_at(times: list[tuple[float, int]], at_s: float) -> float:
    """Capture time from the returned times, us."""
    for (left_s, left_us), (right_s, right_us) in pairwise(times):
        if at_s <= right_s:
            return left_us + (right_us - left_us) * (at_s - left_s) / (right_s - left_s)
    raise AssertionError("after the end")


@pytest.mark.parametrize(
    "clock",
    [
        clock_of((0, 0, 1)),
        clock_of((0, 0, 1.0002), (10, 10.002, 0.9998)),
        clock_of((0, 0, 0.7), (2.3, 1.61, 1.0)),  # a run that starts with a burst
        clock_of((0, 0, 1), (3.1, 3.1, 1.2), (3.15, 3.16, 1.0), (20, 20.01, 1.0005)),
    ],
)
def test_every_frame_between_the_returned_times_has_its_published_time(clock: RunClock) -> None:
    plan = plan_from(1.04, 28.0, clock)
    times = times_of(plan, clock)
    assert [times[0], times[-1]] == [(0.0, plan.coverage_start_us), (28.0, plan.coverage_end_us)]
    assert len(times) <= 20
    for frame in range(700):
        published_us = clock.wall_us(round((1.04 + frame * 0.04) * 1e9)) - LATE_US
        assert abs(capture_time_at(times, frame * 0.04) - published_us) < 250


def test_an_even_clock_needs_two_times() -> None:
    clock = clock_of((0, 0, 1.0001))
    assert len(times_of(plan_from(5, 600, clock), clock)) == 2


def test_over_a_hole_only_its_ends_are_reported() -> None:
    clock = clock_of((0, 0, 0.7), (2.3, 1.61, 1.0))
    plan = plan_from(0, 8, clock)
    assert len(times_of(plan, clock)) > 2
    ends = [(0.0, plan.coverage_start_us), (8.0, plan.coverage_end_us)]
    changed = replace(plan, media_spans=(*plan.media_spans, ("next", 0, 1)))
    assert times_of(changed, clock) == times_of(plan, None) == ends
    squeezed = replace(plan, media_spans=(("run", 0, round(9e9)),))
    assert times_of(squeezed, clock) == ends


def test_of_a_source_whose_clock_is_off_every_frame_has_its_published_time() -> None:
    """The file follows wall time in two linear segments; the clock changes its rate outside of the file."""
    clock = clock_of((0, 0, 0.98), (10, 9.8, 1.03), (10.4, 10.212, 1.02))
    plan = plan_from(0, 20, clock)
    length_s = (plan.coverage_end_us - plan.coverage_start_us) / 1e6
    course = ((0.0, 0), (9.8, 10_000_000_000), (length_s, 20_000_000_000))
    plan = replace(plan, course=course, duration_s=length_s)
    times = times_of(plan, clock)
    assert [times[0], times[-1]] == [(0.0, plan.coverage_start_us), (length_s, plan.coverage_end_us)]
    for frame in range(500):
        media_s = frame * 0.04
        at_s = media_s * 0.98 if media_s < 10 else 9.8 + (media_s - 10) * (length_s - 9.8) / 10
        assert abs(capture_time_at(times, at_s) - (clock.wall_us(round(media_s * 1e9)) - LATE_US)) < 250
