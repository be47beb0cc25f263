"""The channel's state table: every cell, compared with the requirement's text."""

from __future__ import annotations

import itertools

import pytest

from appliance.box.channels.machine import (
    CHANNEL,
    ChannelEvent,
    ChannelState,
    columns_of,
    heartbeat_event,
    state_of,
)
from appliance.kernel.errors import Refused

S, E = ChannelState, ChannelEvent

LEGAL = {  # V30, row by row
    (S.INACTIVE, E.ACTIVATE): S.ACTIVE,
    (S.INACTIVE, E.HEARTBEAT): S.INACTIVE,  # a heartbeat never switches a channel on
    (S.INACTIVE, E.HEARTBEAT_OK): S.INACTIVE,
    (S.INACTIVE, E.REPORT_OK): S.INACTIVE,
    (S.ACTIVE, E.ACTIVATE): S.ACTIVE,
    (S.ACTIVE, E.DEACTIVATE): S.INACTIVE,
    (S.ACTIVE, E.TIMEOUT): S.TIMED_OUT,
    (S.ACTIVE, E.FAULT): S.FAULTY,
    (S.ACTIVE, E.FATAL_FAULT): S.INACTIVE,
    (S.ACTIVE, E.HEARTBEAT): S.ACTIVE,
    (S.ACTIVE, E.HEARTBEAT_OK): S.ACTIVE,
    (S.ACTIVE, E.REPORT_OK): S.ACTIVE,
    (S.ACTIVE, E.FOOTAGE): S.ACTIVE,
    (S.TIMED_OUT, E.ACTIVATE): S.ACTIVE,
    (S.TIMED_OUT, E.DEACTIVATE): S.INACTIVE,
    (S.TIMED_OUT, E.FAULT): S.FAULTY,
    (S.TIMED_OUT, E.FATAL_FAULT): S.INACTIVE,
    (S.TIMED_OUT, E.HEARTBEAT): S.ACTIVE,  # a timeout ends by any heartbeat
    (S.TIMED_OUT, E.HEARTBEAT_OK): S.ACTIVE,
    (S.TIMED_OUT, E.REPORT_OK): S.TIMED_OUT,
    (S.TIMED_OUT, E.FOOTAGE): S.ACTIVE,
    (S.FAULTY, E.ACTIVATE): S.ACTIVE,
    (S.FAULTY, E.DEACTIVATE): S.INACTIVE,
    (S.FAULTY, E.FAULT): S.FAULTY,
    (S.FAULTY, E.FATAL_FAULT): S.INACTIVE,
    (S.FAULTY, E.HEARTBEAT): S.FAULTY,  # a reported fault does not
    (S.FAULTY, E.HEARTBEAT_OK): S.ACTIVE,
    (S.FAULTY, E.REPORT_OK): S.ACTIVE,
    (S.FAULTY, E.FOOTAGE): S.FAULTY,
}


@pytest.mark.parametrize(("state", "event"), list(itertools.product(S, E)))
def test_every_cell_is_as_the_requirement_defines_it(state: ChannelState, event: ChannelEvent) -> None:  # V30
    expected = LEGAL.get((state, event))
    if expected is not None:
        assert CHANNEL.next(state, event) is expected
        return
    with pytest.raises(Refused) as refused:
        CHANNEL.next(state, event)
    assert refused.value.status == 409
    assert refused.value.extra["state"] == state
    assert event not in refused.value.extra["allowed"]


@pytest.mark.parametrize("state", list(S))
def test_a_state_and_its_stored_columns_are_the_same_thing(state: ChannelState) -> None:
    assert state_of(*columns_of(state)) is state
    assert columns_of(state)[0] in ("inactive", "active", "error")


def test_the_effect_of_a_heartbeat_depends_on_the_liveness_of_the_channel() -> None:
    assert heartbeat_event("heartbeat", ok=None) is E.HEARTBEAT
    assert heartbeat_event("heartbeat", ok=False) is E.HEARTBEAT
    assert heartbeat_event("heartbeat", ok=True) is E.HEARTBEAT_OK
    assert heartbeat_event("footage", ok=True) is E.REPORT_OK
    assert heartbeat_event("footage", ok=None) is None
