"""A team's value in each criterion."""

from __future__ import annotations

import pytest

from appliance.cloud.scoring.rules.model import CRITERIA, Points
from appliance.cloud.scoring.tables.ledger import Ledger, Result
from appliance.cloud.scoring.tables.measures import measure
from appliance.cloud.scoring.tables.schedule import Schedule


def ledger() -> Ledger:
    own = Ledger("ABC", Points(3, 1))
    own.add(Result("1", "2026-01-01", "A", "B", 2, 1))
    own.add(Result("2", "2026-01-02", "C", "A", 0, 3))
    return own


@pytest.mark.parametrize(
    ("criterion", "value"),
    [
        ("points", 6),
        ("points_per_game", 3),
        ("win_percentage", 2),
        ("wins", 2),
        ("goal_difference", 4),
        ("goal_average", 5.0),
        ("goals_for", 5),
        ("away_goals", 3),
        ("away_wins", 1),
        ("opponents_points", 0),
        ("opponents_goal_difference", -4),
        ("opponents_goals_for", 1),
        ("discipline", -4),
        ("coefficient", 20),
        ("ranking", None),
    ],
)
def test_values(criterion: str, value: float | None) -> None:
    facts = {"A": {"discipline": 4.0, "coefficient": 20.0}}
    assert measure(criterion, "A", ("A", "B"), ledger(), facts, None) == value


def test_no_goal_against_is_the_best_average() -> None:
    own = Ledger("AB", Points(2, 1))
    assert measure("goal_average", "A", ("A",), own, {}, None) == 0
    own.add(Result("1", "", "A", "B", 1, 0))
    assert measure("goal_average", "A", ("A",), own, {}, None) == float("inf")


def test_every_criterion_of_the_rules_can_be_measured() -> None:
    schedule = Schedule(ledger().results.values(), dict.fromkeys("ABC", ("", "")))
    for criterion in CRITERIA:
        measure(criterion, "A", ("A", "B"), ledger(), {}, schedule)
    with pytest.raises(KeyError):
        measure("luck", "A", ("A",), ledger(), {}, None)
