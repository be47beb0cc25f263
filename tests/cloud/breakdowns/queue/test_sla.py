"""The clock of a job, as functions of instants."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.cloud.breakdowns.queue.sla import SlaState, percentile, sla_clock
from appliance.kernel.clock import HOUR_US

START_US = 1_700_000_000_000_000
H = 3600


@pytest.mark.parametrize(
    ("hours", "state"),
    [
        (0, "on_time"),
        (3.999, "on_time"),
        (4, "at_risk"),
        (7.999, "at_risk"),
        (8, "breached"),
        (99, "breached"),
    ],
)
def test_basic_is_at_risk_after_four_hours_and_breached_after_eight(hours: float, state: str) -> None:  # L19
    assert sla_clock(START_US, 4 * H, 8 * H).state(START_US + round(hours * HOUR_US)) == state


def test_more_time_moves_the_limit_and_not_the_target() -> None:  # L20
    clock, longer = sla_clock(START_US, 8 * H, 12 * H), sla_clock(START_US, 8 * H, 12 * H, 2 * H)
    assert (longer.target_us, longer.due_us) == (clock.target_us, clock.due_us + 2 * HOUR_US)
    assert longer.state(START_US + 13 * HOUR_US) is SlaState.AT_RISK


@given(st.integers(1, 100), st.integers(0, 100), st.lists(st.integers(0, 300), min_size=1))
def test_every_alarm_is_sent_once_whenever_it_is_looked(target_h: int, more_h: int, looks: list[int]) -> None:
    """However rarely it is looked, and whatever was missed meanwhile."""
    clock = sla_clock(START_US, target_h * H, (target_h + more_h) * H)
    sent: list[SlaState] = []
    for at_h in sorted(looks):
        alarm = clock.alarm(
            START_US + at_h * HOUR_US,
            at_risk_sent=SlaState.AT_RISK in sent,
            breached_sent=SlaState.BREACHED in sent,
        )
        if alarm is not None:
            sent.append(alarm)
    assert len(sent) == len(set(sent))
    last = clock.state(START_US + max(looks) * HOUR_US)
    assert (SlaState.BREACHED in sent) == (last is SlaState.BREACHED)
    assert last is not SlaState.AT_RISK or sent == [SlaState.AT_RISK]
    assert sent != [SlaState.BREACHED, SlaState.AT_RISK]


@pytest.mark.parametrize(
    ("values", "percent", "expected"),
    [([], 50, None), ([7], 95, 7), ([4, 1, 3, 2], 50, 2), (list(range(1, 101)), 95, 95), ([1, 9], 95, 9)],
)
def test_a_percentile_is_one_of_the_values(values: list[int], percent: int, expected: int | None) -> None:
    assert percentile(values, percent) == expected
