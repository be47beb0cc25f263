"""The states of an upload: the whole product of states and events."""

from __future__ import annotations

import pytest

from appliance.cloud.uploads.machine import UPLOAD, UploadEvent, UploadState
from appliance.kernel.errors import Refused

LEGAL = {
    ("receiving", "fill"): "joining",
    ("receiving", "expire"): "expired",
    ("receiving", "delete"): "deleted",
    ("joining", "join"): "complete",
    ("joining", "fail"): "failed",
    ("failed", "delete"): "deleted",
}


@pytest.mark.parametrize("state", UploadState)
@pytest.mark.parametrize("event", UploadEvent)
def test_every_cell(state: UploadState, event: UploadEvent) -> None:
    if (after := LEGAL.get((state.value, event.value))) is not None:
        assert UPLOAD.next(state, event) == after
        return
    with pytest.raises(Refused, match="illegal_transition"):
        UPLOAD.next(state, event)
