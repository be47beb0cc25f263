"""The clip's state table: every cell (V29)."""

import pytest

from appliance.box.clips.records.machine import CLIP, ClipEvent, ClipState
from appliance.kernel.errors import Refused

LEGAL = {
    ("pending", "claim"): "processing",
    ("processing", "finish"): "ready",
    ("processing", "fail"): "failed",
    ("failed", "retry"): "pending",
    ("ready", "recut"): "pending",
    ("pending", "recut"): "pending",
    ("processing", "recut"): "pending",
    ("failed", "recut"): "pending",
    ("ready", "lost"): "pending",
    ("processing", "crash"): "pending",
    ("pending", "give_up"): "failed",
    ("processing", "put_back"): "pending",
}


@pytest.mark.parametrize("state", ClipState)
@pytest.mark.parametrize("event", ClipEvent)
def test_every_cell_is_as_the_requirement_defines_it(state: ClipState, event: ClipEvent) -> None:  # V29
    wanted = LEGAL.get((state, event))
    if wanted is None:
        with pytest.raises(Refused) as refused:
            CLIP.next(state, event)
        assert refused.value.status == 409
        assert refused.value.extra["state"] == state
        assert sorted(refused.value.extra["allowed"]) == sorted(e for s, e in LEGAL if s == state)
    else:
        assert CLIP.next(state, event) == wanted
