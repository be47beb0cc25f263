"""The schema on PostgreSQL: made once by several processes, forward only, never in another's database."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from appliance.kernel.batch import StoreBroken
from appliance.kernel.migrate import WrongDatabase
from appliance.kernel.postgres import migrate as migrations
from appliance.kernel.postgres.migrate import migrate
from appliance.kernel.schema import KERNEL_SCHEMA, numbered
from tests.kernel.test_migrate import schema
from tests.kit.postgres import Server

pytestmark = pytest.mark.postgres
FIRST = ("0001_kernel.sql", "CREATE TABLE meta (key TEXT, value TEXT) STRICT;")


def rows(url: str, sql: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        return list(connection.execute(sql))


def version(url: str) -> object:
    return rows(url, "SELECT version FROM schema_version")[0][0]


def test_processes_that_start_at_once_make_it_once(postgres_server: Server) -> None:
    url = postgres_server.empty_database()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: migrate(url, KERNEL_SCHEMA), range(4)))
    assert version(url) == numbered(KERNEL_SCHEMA)[-1][0]
    assert len(rows(url, "SELECT value FROM meta WHERE key = 'epoch'")) == 1


def test_a_lock_that_is_held_on_is_reported_with_its_holder(
    postgres_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrations, "LOCK_S", "0.05")
    url = postgres_server.empty_database()
    with psycopg.connect(url, autocommit=True, application_name="appliance elsewhere 7") as other:
        other.execute("SELECT pg_advisory_lock(%s)", (migrations._LOCK,))
        with pytest.raises(StoreBroken, match="appliance elsewhere 7") as caught:
            migrate(url, KERNEL_SCHEMA)
        assert f"pg_terminate_backend({other.info.backend_pid})" in str(caught.value)
        assert rows(url, "SELECT to_regclass('meta')") == [(None,)]
    migrate(url, KERNEL_SCHEMA)


def test_each_file_is_applied_once_and_a_broken_step_changes_nothing(
    postgres_server: Server, tmp_path: Path
) -> None:
    url, folder = postgres_server.empty_database(), schema(tmp_path, FIRST)
    migrate(url, folder)
    schema(folder, ("0002_more.sql", "CREATE TABLE more (id INTEGER) STRICT; INSERT INTO more VALUES (1);"))
    migrate(url, folder)
    migrate(url, folder)
    assert (rows(url, "SELECT id FROM more"), version(url)) == ([(1,)], 2)
    schema(folder, ("0003_bad.sql", "CREATE TABLE half (id INTEGER); CREATE TABEL oops;"))
    with pytest.raises(psycopg.errors.SyntaxError):
        migrate(url, folder)
    assert (rows(url, "SELECT to_regclass('half')"), version(url)) == ([(None,)], 2)


@pytest.mark.parametrize(("ahead", "is_accepted"), [(0, True), (1, True), (2, False)])
def test_a_schema_one_newer_is_accepted(
    postgres_server: Server, tmp_path: Path, ahead: int, is_accepted: bool
) -> None:
    url, folder = postgres_server.empty_database(), schema(tmp_path, FIRST)
    migrate(url, folder)
    with psycopg.connect(url) as connection:
        connection.execute("UPDATE schema_version SET version = %s", (1 + ahead,))
    if is_accepted:
        migrate(url, folder)
    else:
        with pytest.raises(WrongDatabase, match="newer"):
            migrate(url, folder)


def test_another_programs_database_is_refused_untouched(postgres_server: Server, tmp_path: Path) -> None:
    url = postgres_server.empty_database()
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE theirs (id INTEGER)")
    with pytest.raises(WrongDatabase, match="another program"):
        migrate(url, schema(tmp_path, FIRST))
    assert rows(url, "SELECT to_regclass('meta')") == [(None,)]


def test_an_old_server_or_another_encoding_is_refused(
    postgres_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    postgres_server.run("CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0")
    with pytest.raises(WrongDatabase, match="UTF8"):
        migrate(postgres_server.url("latin"), KERNEL_SCHEMA)
    monkeypatch.setattr(migrations, "OLDEST_SERVER", 990000)
    with pytest.raises(WrongDatabase, match="too old"):
        migrate(postgres_server.url("postgres"), KERNEL_SCHEMA)
