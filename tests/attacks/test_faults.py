"""The criteria of an hour of attacks, without the hour."""

from __future__ import annotations

from tests.attacks.faults import ROUND_S, WARM_ROUNDS, grown, rounds_in


def test_steadily_growing_memory_is_a_violation_and_warming_up_is_not() -> None:
    warm = [80.0 + 5 * number for number in range(WARM_ROUNDS)]
    flat = [110.0 + number % 5 for number in range(300)]
    assert grown(warm + flat) == []
    creeping = [110.0 + number * 0.1 for number in range(300)]
    assert len(grown(warm + creeping)) == 1
    assert grown(warm + [500.0]) == [], "too few rounds say nothing"


def test_minutes_are_rounds() -> None:
    assert rounds_in(60) == 3600 / ROUND_S
    assert rounds_in(0.01) == 1
