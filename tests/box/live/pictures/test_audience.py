"""Limits on viewers of live pictures."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from appliance.box.live.pictures.audience import Audience
from appliance.kernel.errors import Refused, Unavailable


def test_seats_are_given_back() -> None:
    audience = Audience(viewers_max=2)
    for _ in range(5):
        with audience.seat("10.0.0.1"), audience.seat("10.0.0.2"):
            assert audience.count == 2
            with pytest.raises(Unavailable) as full, audience.seat("10.0.0.3"):
                raise AssertionError("there is no seat")
            assert full.value.status == 503
    assert audience.count == 0 and not audience.addresses
    assert audience.refused == 5


def test_viewers_of_one_address_are_limited_but_not_those_of_this_machine() -> None:
    audience = Audience(viewers_max=10, per_address=2)
    with ExitStack() as seats:
        for _ in range(2):
            seats.enter_context(audience.seat("10.0.0.1"))
        with pytest.raises(Refused) as refused:
            seats.enter_context(audience.seat("10.0.0.1"))
        assert refused.value.status == 429
        seats.enter_context(audience.seat("10.0.0.2"))
        for _ in range(7):
            seats.enter_context(audience.seat("127.0.0.1"))
        with pytest.raises(Unavailable):
            seats.enter_context(audience.seat("127.0.0.1"))
