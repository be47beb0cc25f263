"""Setup of every recordings test."""

from __future__ import annotations

import pytest

from appliance.box.recordings.following import footage_facts
from tests.box.recordings.tree import PATIENT_S


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Silence is reported only where a test causes it (`fallen_silent`): a busy machine may pause for 3 s."""
    monkeypatch.setattr(footage_facts, "STALLED_S", PATIENT_S)
