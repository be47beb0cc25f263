"""Waiting before another try."""

from __future__ import annotations

from appliance.kernel.backoff import Backoff


def test_waits_grow_to_the_cap_and_are_never_zero() -> None:
    backoff = Backoff(base_s=1.0, cap_s=8.0)
    for ceiling in (1, 2, 4, 8, 8, 8):
        assert 0 < backoff.next_s() <= ceiling


def test_a_success_starts_again_from_the_base() -> None:
    backoff = Backoff(base_s=1.0, cap_s=60.0, tries=50)
    assert backoff.next_s() <= 60.0
    backoff.reset()
    assert backoff.next_s() <= 1.0


def test_waits_are_spread_over_the_whole_span() -> None:
    waits = [Backoff(base_s=1.0).next_s() for _ in range(1000)]
    assert min(waits) < 0.1 and max(waits) > 0.9
    assert len({round(each, 6) for each in waits}) > 900
