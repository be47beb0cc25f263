"""Stores of both databases for the tests of logging."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from appliance.cloud.database import open_database
from appliance.kernel.store import Store, open_store
from tests.kit import postgres
from tests.kit.clock import HandClock


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
async def store(tmp_path: Path, clock: HandClock) -> AsyncIterator[Store]:
    async with open_store(tmp_path / "cloud.db", clock, in_thread=False) as store:
        yield store


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
async def any_store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    """A store on each of the two databases, with their own clocks."""
    url = "sqlite:cloud.db"
    if request.param == "postgres":
        if reason := postgres.missing():
            pytest.skip(reason)
        url = postgres.server().empty_database()
    async with open_database(url, tmp_path, connections=4) as store:
        yield store
