"""What a replay's query says; the doors themselves are in test_http.py."""

from __future__ import annotations

import pytest

from appliance.clips.replay_model import DEFAULT_S, FrozenQuery, ReplayQuery, asked_of
from appliance.kernel.errors import Refused
from appliance.web.requests import parse_query
from tests.kit.box import KICKOFF_US, mark_rules


def test_without_a_word_it_is_the_last_seconds() -> None:
    asked = asked_of(parse_query("", ReplayQuery), mark_rules())
    assert (asked.start_us, asked.duration_us, asked.wait) == (None, DEFAULT_S * 1_000_000, False)


@pytest.mark.parametrize(
    "start", ["2026-11-20T19:00:00Z", "2026-11-20T20:00:00+01:00", "2026-11-20T20:00:00%2B01:00"]
)
def test_an_instant_may_come_with_a_zone_whose_plus_was_not_escaped(start: str) -> None:
    asked = asked_of(parse_query(f"start={start}&duration=1.5&wait=1", ReplayQuery), mark_rules())
    assert (asked.start_us, asked.duration_us, asked.wait) == (KICKOFF_US, 1_500_000, True)


def test_nothing_is_longer_than_a_clip_may_be() -> None:
    rules = mark_rules()
    longest = rules.clips.max_duration_s
    assert asked_of(parse_query(f"duration={longest}", ReplayQuery), rules).duration_us == longest * 1_000_000
    with pytest.raises(Refused) as refused:
        asked_of(parse_query(f"duration={longest + 0.1}", ReplayQuery), rules)
    assert [each.loc for each in refused.value.errors] == ["duration"]


def test_only_bytes_are_named_by_their_plan() -> None:
    assert parse_query("v=abc", FrozenQuery).v == "abc"
    with pytest.raises(Refused):
        parse_query("v=abc", ReplayQuery)
