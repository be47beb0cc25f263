"""Who goes through, and why: every way in which ties are decided."""

from __future__ import annotations

from typing import Any

import pytest

from appliance.cloud.scoring.knockouts.tie import Outcome, decide
from appliance.cloud.scoring.match import Match
from tests.cloud.scoring.kit import played


def tie(*matches: str | Match, legs: int | None = None, away_goals: bool = False, **fields: Any) -> Outcome:
    """The last match has `fields`."""
    own = [each if isinstance(each, Match) else played(each) for each in matches]
    if fields:
        own[-1] = played(own[-1].id, **fields)
    return decide("A", "B", own, legs=legs or len(own), away_goals=away_goals)


@pytest.mark.parametrize(
    ("matches", "fields", "expected"),
    [
        (["A 2-1 B"], {}, ("A", "score", (2, 1))),
        (["A 1-1 B"], {"extra_time": (1, 2)}, ("B", "extra_time", (1, 2))),
        (["A 1-1 B"], {"extra_time": (2, 2), "shoot_out": (3, 4)}, ("B", "penalties", (2, 2))),
        (["A 1-1 B"], {"shoot_out": (5, 4)}, ("A", "penalties", (1, 1))),  # at once, without extra time
        (["A 1-1 B"], {}, (None, None, (1, 1))),
        (["A v B"], {}, (None, None, None)),
        (["A 2-0 B", "B 1-0 A"], {}, ("A", "aggregate", (2, 1))),
        (["A 1-0 B", "B 1-0 A"], {"extra_time": (2, 0)}, ("B", "extra_time", (1, 2))),
        (["A 1-0 B", "B 1-0 A"], {"extra_time": (1, 0), "shoot_out": (4, 3)}, ("B", "penalties", (1, 1))),
        (["A 1-0 B", "B v A"], {}, (None, None, (1, 0))),
        (["A 0-3 B"], {"official": (3, 0), "detail": "awarded"}, ("A", "awarded", (3, 0))),
        (["A v B"], {"official": (3, 0), "detail": "walkover", "status": "ended"}, ("A", "walkover", (3, 0))),
    ],
)
def test_decided(matches: list[str], fields: dict[str, Any], expected: tuple[object, ...]) -> None:
    outcome = tie(*matches, **fields)
    assert (outcome.winner, outcome.decided_by, outcome.aggregate) == expected and outcome.defect == ""


@pytest.mark.parametrize(
    ("first", "second", "fields", "winner"),
    [
        ("A 1-1 B", "B 2-2 A", {}, "A"),
        ("A 1-2 B", "B 0-1 A", {}, "B"),
        ("A 1-1 B", "B 1-1 A", {}, None),
        ("A 1-0 B", "B 1-0 A", {"extra_time": (2, 1)}, "A"),  # a goal away in extra time counts
    ],
)
def test_goals_away_from_home(first: str, second: str, fields: dict[str, Any], winner: str | None) -> None:
    outcome = tie(first, second, away_goals=True, **fields)
    assert outcome.winner == winner and outcome.decided_by == ("away_goals" if winner else None)
    assert tie(first, second, away_goals=False, **fields).winner is None


def test_goals_away_mean_nothing_on_neutral_ground_and_after_a_shoot_out_that_was_held() -> None:
    assert tie("A 1-1 B", "B 2-2 A", away_goals=True, is_neutral=True).winner is None
    outcome = tie("A 1-1 B", "B 2-2 A", away_goals=True, shoot_out=(4, 2))
    assert (outcome.winner, outcome.decided_by) == ("B", "penalties")


def test_goals_away_from_home_where_both_legs_are_at_one_ground() -> None:
    """The first-named team plays at home twice: all the other's goals are away."""
    outcome = decide("A", "B", [played("A 1-1 B"), played("A 1-1 B", id="2")], legs=2, away_goals=True)
    assert (outcome.winner, outcome.decided_by) == ("B", "away_goals")


def test_an_awarded_leg_counts_with_the_other() -> None:
    outcome = tie("A 1-0 B", "B 1-0 A", official=(3, 0), detail="awarded")
    assert (outcome.winner, outcome.decided_by, outcome.aggregate) == ("B", "aggregate", (1, 3))


def test_goals_away_from_home_mean_nothing_in_one_match() -> None:
    assert tie("A 1-1 B", away_goals=True).winner is None


def test_a_level_shoot_out_is_a_defect_and_nothing_is_guessed() -> None:
    outcome = tie("A 1-1 B", shoot_out=(4, 4))
    assert outcome.winner is None and "ended level, 4-4" in outcome.defect


def test_replays_decide_a_level_tie() -> None:
    replays = [played("B 0-0 A", is_replay=True), played("A 2-1 B", is_replay=True)]
    outcome = tie("A 1-1 B", *replays, legs=1)
    assert (outcome.winner, outcome.decided_by, outcome.aggregate) == ("A", "replay", (1, 1))
    after_two = decide(
        "A", "B", [played("A 1-0 B"), played("B 2-1 A"), played("A 1-0 B", id="3")], legs=2, away_goals=False
    )
    assert (after_two.winner, after_two.decided_by) == ("A", "replay")
    assert tie("A 1-1 B", replays[0], legs=1).winner is None


def test_a_bye_goes_through() -> None:
    assert decide("A", "", [played("A v -")], legs=1, away_goals=False) == Outcome("A", "bye")


def test_a_tie_as_of_a_day() -> None:
    legs = [played("A 2-0 B", date="2026-03-01"), played("B 0-0 A", date="2026-03-08")]
    assert decide("A", "B", legs, legs=2, away_goals=False, as_of="2026-03-07") == Outcome(aggregate=(2, 0))
