"""How often runs change."""

from __future__ import annotations

from appliance.recordings.run_changes import run_changes

S = 1_000_000


def test_runs_of_the_last_minute_but_the_first_are_changes() -> None:
    begun = [number * 10 * S for number in range(10)]
    assert run_changes(begun, 90 * S, is_on=True) == 5
    assert run_changes(begun[-1:], 90 * S, is_on=True) == 0
    assert run_changes([], 90 * S, is_on=True) == 0


def test_while_nothing_is_recorded_the_last_minute_that_was_counts_for_a_day() -> None:
    begun = [number * 10 * S for number in range(10)]
    assert run_changes(begun, 3600 * S, is_on=False) == 5
    assert run_changes(begun, 3600 * S, is_on=True) == 0
    assert run_changes(begun, 2 * 86_400 * S, is_on=False) == 0
