"""The states of a file on its way: the whole product of states and events."""

from __future__ import annotations

import pytest

from appliance.box.sync.media.machine import MEDIA, MediaEvent, MediaState
from appliance.kernel.errors import Refused

LEGAL = {
    ("asked", "plan"): "planned",
    ("asked", "fail"): "failed",
    ("asked", "lose"): "lost",
    ("asked", "ask"): "asked",
    ("planned", "send"): "sent",
    ("planned", "confirm"): "up",
    ("planned", "fail"): "failed",
    ("planned", "lose"): "lost",
    ("planned", "ask"): "planned",
    ("sent", "confirm"): "up",
    ("sent", "fail"): "failed",
    ("sent", "ask"): "planned",
    ("up", "ask"): "up",
    ("failed", "ask"): "asked",
    ("lost", "ask"): "asked",
}


@pytest.mark.parametrize("state", MediaState)
@pytest.mark.parametrize("event", MediaEvent)
def test_every_cell(state: MediaState, event: MediaEvent) -> None:
    if (after := LEGAL.get((state.value, event.value))) is not None:
        assert MEDIA.next(state, event) == after
        return
    with pytest.raises(Refused, match="illegal_transition"):
        MEDIA.next(state, event)
