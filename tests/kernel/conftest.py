"""The databases on which the kernel's tests run."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.kernel.postgres import connection, engine
from appliance.kernel.postgres import server as servers
from tests.kit import postgres
from tests.kit.databases import Database, PostgresDatabase, SqliteDatabase, idle_limit
from tests.kit.waiting import LIMIT_S


@pytest.fixture
def postgres_server() -> postgres.Server:
    """This process's PostgreSQL. Mark tests that use it with `postgres`."""
    if reason := postgres.missing():
        pytest.skip(reason)
    return postgres.server()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Database:
    """A new database with the kernel's tables, of both kinds."""
    if request.param == "sqlite":
        return SqliteDatabase(tmp_path / "box.db")
    server: postgres.Server = request.getfixturevalue("postgres_server")
    # So that a slow machine changes nothing: waiting closures share a batch, and no side's time limit passes.
    monkeypatch.setattr(engine, "BATCH_S", 0.0)
    monkeypatch.setattr(servers, "AWAY_S", LIMIT_S)
    monkeypatch.setattr(connection, "_SETTINGS", idle_limit(LIMIT_S))
    return PostgresDatabase(server.new_database())
