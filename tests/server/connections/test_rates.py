"""A device that sends too many requests waits, but never for long; other devices do not wait for it."""

from __future__ import annotations

import pytest

from appliance.server.connections.rates import (
    CROWD_S,
    EACH,
    EACH_IN_A_CROWD,
    KEYS_MAX,
    WAIT_MAX_S,
    Rates,
)


def test_a_burst_passes_and_then_the_rate() -> None:
    rates = Rates()
    waits = [rates.delay_s("d", 100.0) for _ in range(int(EACH.burst) + 3)]
    assert waits[: int(EACH.burst)] == [0.0] * int(EACH.burst)
    assert waits[int(EACH.burst) :] == pytest.approx([1 / EACH.per_s, 2 / EACH.per_s, 3 / EACH.per_s])
    assert rates.delayed == 3
    assert rates.delay_s("other", 100.0) == 0.0
    assert rates.delay_s("d", 200.0) == 0.0


@pytest.mark.parametrize("per_s", [1.0, 10.0, EACH.per_s])
def test_a_device_within_its_rate_never_waits(per_s: float) -> None:
    rates = Rates()
    assert not any(rates.delay_s("d", number / per_s) for number in range(2000))


def test_no_request_waits_longer_than_the_limit() -> None:
    """Several coaches behind one address are delayed, but not refused."""
    rates = Rates()
    longest_s = max(rates.delay_s("d", 0.0) for _ in range(5000))
    assert WAIT_MAX_S <= longest_s <= WAIT_MAX_S + 1 / EACH_IN_A_CROWD.per_s + 0.001


def flood(rates: Rates, *, devices: int, per_s: float, from_s: float, to_s: float) -> None:
    """Requests of several devices that do not wait for their answers."""
    for tick in range(int((to_s - from_s) * per_s)):
        for device in range(devices):
            rates.delay_s(f"flood {device}", from_s + tick / per_s)


def test_a_coach_does_not_wait_while_many_devices_exceed_the_total() -> None:
    rates = Rates()
    for second in range(10):
        flood(rates, devices=40, per_s=90, from_s=second, to_s=second + 1)  # each within its own rate
        assert [rates.delay_s("coach", second + 1.0) for _ in range(15)] == [0.0] * 15
    assert rates.delay_s("flood 0", 10.0) > 0


def test_many_devices_together_are_slowed_down_at_once_and_only_for_a_moment() -> None:
    """Requests from before the total was exceeded do not count towards the smaller rate."""
    rates = Rates()
    for tick in range(1000):  # alone, at its full rate for ten seconds
        rates.delay_s("scrubber", tick / EACH.per_s)
    flood(rates, devices=40, per_s=90, from_s=10, to_s=11)
    waits = [rates.delay_s("scrubber", 11.0) for _ in range(int(EACH_IN_A_CROWD.per_s) + 5)]
    assert waits[0] == 0.0 and 0 < waits[-1] <= 6 / EACH_IN_A_CROWD.per_s
    assert rates.delay_s("scrubber", 11.0 + CROWD_S) == 0.0, "the crowd has gone"


def test_many_names_take_no_more_memory() -> None:
    rates = Rates()
    for number in range(3 * KEYS_MAX):
        rates.delay_s(f"name {number}", 0.0)
    assert len(rates._devices) == KEYS_MAX
