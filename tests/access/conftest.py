"""Calls in threads are made in the event loop instead, so that a test may use simulated time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from appliance.access import codes, revocations
from tests.access.kit import Side, running_side
from tests.kit.box import in_the_loop


@pytest.fixture
async def side(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Side]:
    """Paired, bound to the network."""
    for module in (codes, revocations):
        monkeypatch.setattr(module, "in_thread", in_the_loop)
    async with running_side(tmp_path) as made:
        yield made
