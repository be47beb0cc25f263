"""The hosted side in-process: its schema while a test runs, and its application over a real store."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from appliance.kernel.store import open_store
from tests.kit.clock import HandClock
from tests.kit.cloud import Cloud, cloud_over, cloud_schemas

__all__ = ["Cloud"]


@pytest.fixture(autouse=True)
def cloud_schema(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Databases that a test opens are the cloud's; afterwards the box's again."""
    for name in ("NODE_ENV", "API_DOMAIN", "INTERNAL_SERVICE_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    with cloud_schemas():
        yield


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[Cloud]:
    clock = HandClock()
    opened = open_store(tmp_path / "cloud.db", clock, in_thread=False)
    async with opened as store, cloud_over(store, clock, tmp_path) as cloud:
        yield cloud
