"""A store of the cloud on each database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from appliance.cloud.database import open_database
from appliance.kernel.store import Store
from tests.kit import postgres


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    url = "sqlite:cloud.db"
    if request.param == "postgres":
        if reason := postgres.missing():
            pytest.skip(reason)
        url = postgres.server().empty_database()
    async with open_database(url, tmp_path, connections=3) as store:
        yield store
