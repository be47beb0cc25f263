"""The hosted side's store on both databases; every batch is run twice, the first time rolled back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from appliance.cloud.domains import schemas
from appliance.kernel.postgres.store import open_postgres
from appliance.kernel.schema import KERNEL_SCHEMA
from appliance.kernel.store import Store, open_store
from tests.kit import postgres
from tests.kit.clock import HandClock


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    async with AsyncExitStack() as stack:
        if request.param == "sqlite":
            opened = open_store(tmp_path / "cloud.db", HandClock(), in_thread=False, rehearse=True)
        elif reason := postgres.missing():
            pytest.skip(reason)
        else:
            url = postgres.server().empty_database()
            folders = [KERNEL_SCHEMA, *schemas()]
            opened = open_postgres(url, HandClock(), connections=4, folders=folders, rehearse=True)
        yield await stack.enter_async_context(opened)
