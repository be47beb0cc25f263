"""A database of the server for each test, whose limits of time no slow machine reaches."""

from __future__ import annotations

import pytest

from appliance.kernel.postgres import connection, engine
from appliance.kernel.postgres import server as servers
from tests.kit.databases import PostgresDatabase, idle_limit
from tests.kit.postgres import Server
from tests.kit.waiting import LIMIT_S


@pytest.fixture
def database(postgres_server: Server, monkeypatch: pytest.MonkeyPatch) -> PostgresDatabase:
    monkeypatch.setattr(engine, "BATCH_S", 0.0)
    monkeypatch.setattr(servers, "AWAY_S", LIMIT_S)  # however slow the machine
    monkeypatch.setattr(connection, "_SETTINGS", idle_limit(LIMIT_S))
    return PostgresDatabase(postgres_server.new_database())
