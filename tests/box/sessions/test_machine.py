"""The session's state table, cell by cell (V28)."""

from __future__ import annotations

import itertools

import pytest

from appliance.box.sessions.machine import SESSION, SESSION_EVENT_TYPE, SessionEvent, SessionState
from appliance.kernel.errors import Refused

LEGAL = {  # written from the requirement, not from the table: V28
    ("scheduled", "start"): "active",
    ("active", "pause"): "paused",
    ("active", "complete"): "completed",
    ("paused", "resume"): "active",
    ("paused", "complete"): "completed",
    ("completed", "reopen"): "active",
}


@pytest.mark.parametrize(("state", "event"), list(itertools.product(SessionState, SessionEvent)))
def test_every_cell_is_as_required(state: SessionState, event: SessionEvent) -> None:
    # V28
    expected = LEGAL.get((str(state), str(event)))
    if expected is not None:
        assert SESSION.next(state, event) == expected
        return
    with pytest.raises(Refused) as refused:
        SESSION.next(state, event)
    assert (refused.value.status, refused.value.code) == (409, "illegal_transition")
    allowed = [after for before, after in LEGAL if before == state]
    assert refused.value.extra == {"state": str(state), "event": str(event), "allowed": allowed}


def test_every_event_has_its_type_in_the_journal() -> None:
    # V02 V15: session_start and session_end are names of the contract
    assert {str(event): word for event, word in SESSION_EVENT_TYPE.items()} == {
        "start": "session_start",
        "pause": "session_paused",
        "resume": "session_resumed",
        "complete": "session_end",
        "reopen": "session_reopened",
    }


def test_every_state_can_be_reached_and_left() -> None:
    reached = {SessionState.SCHEDULED}
    while True:
        further = reached | {
            SESSION.next(state, event) for state in reached for event in SESSION.allowed(state)
        }
        if further == reached:
            break
        reached = further
    assert reached == set(SessionState)
    assert all(SESSION.allowed(state) for state in SessionState)
