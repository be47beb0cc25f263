"""What every recordings test begins with."""

from __future__ import annotations

import pytest

from appliance.recordings import tell
from tests.recordings import family
from tests.recordings.tree import PATIENT_S


@pytest.fixture(autouse=True)
def _children_of_others() -> None:
    family.remember()


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Silence is told only where a test makes it (`fallen_silent`): a busy machine may be away for 3 s."""
    monkeypatch.setattr(tell, "STALLED_S", PATIENT_S)
