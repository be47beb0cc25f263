"""What callers get after a COMMIT that was not answered, and how long one call tries."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import psycopg
import pytest
import trio

from appliance.kernel.errors import Unavailable
from appliance.kernel.postgres import engine as engines
from appliance.kernel.postgres import server as servers
from appliance.kernel.postgres.connection import PostgresConnection
from appliance.kernel.postgres.writer import PostgresWriter
from appliance.kernel.tx import ReadTx, Tx
from tests.kernel.postgres.test_engine import add_one, open_at
from tests.kernel.test_store import one_batch
from tests.kit.databases import PostgresDatabase
from tests.kit.postgres import Server
from tests.kit.postgres_proxy import Side, cutting_proxy
from tests.kit.waiting import LIMIT_S, eventually

pytestmark = pytest.mark.postgres


@pytest.fixture
def database(postgres_server: Server, monkeypatch: pytest.MonkeyPatch) -> PostgresDatabase:
    monkeypatch.setattr(engines, "BATCH_S", 0.0)
    monkeypatch.setattr(engines, "PAUSE_S", 0.001)
    monkeypatch.setattr(servers, "AWAY_S", LIMIT_S)  # however slow the machine
    return PostgresDatabase(postgres_server.new_database())


def counted(tx: ReadTx) -> dict[str, str]:
    names = ("a", "b", "c")
    return {row["key"]: row["value"] for row in tx.all("SELECT key, value FROM meta") if row["key"] in names}


async def test_a_batch_that_may_be_committed_is_not_run_again(
    database: PostgresDatabase, postgres_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every connection is lost before the outcome is known: then no closure of the batch is run later
    either."""

    def lost(*_: object) -> bool:
        raise psycopg.OperationalError("lost while it waited for the row")

    cuts: list[bytes] = []

    def cut_commit(data: bytes) -> Side | None:
        if b"NOTIFY" not in data or cuts:
            return None
        cuts.append(data)
        return "after"

    closures: dict[str, Callable[[Tx], Any]] = {name: partial(add_one, name=name) for name in ("a", "b", "c")}
    async with cutting_proxy(database.url, postgres_server.folder) as proxy, open_at(proxy.url) as store:
        assert await one_batch(store, closures) == dict.fromkeys(closures, 1)
        with monkeypatch.context() as patch:
            patch.setattr(engines.PostgresEngine, "_is_committed", lost)
            patch.setattr(proxy, "decide", cut_commit)
            answers = await one_batch(store, closures)
        assert cuts
        assert await store.read(counted) == dict.fromkeys(closures, "2")
        for answer in answers.values():
            assert isinstance(answer, Unavailable) and "is not known" in answer.detail


async def test_the_first_batch_of_a_process_is_waited_for_too(
    database: PostgresDatabase, postgres_server: Server
) -> None:
    """The lost session may still commit in the server after another connection has checked."""
    waiting = (
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%FOR UPDATE'"
    )
    async with database.open() as store:
        engine = store.engine
        assert isinstance(engine, engines.PostgresEngine)
        lost, asking = PostgresConnection(database.url), PostgresConnection(database.url)
        writer = PostgresWriter(lost, store.journal, engine.process, 1)
        writer.begin()
        answers: list[bool] = []

        async def ask() -> None:
            answers.append(await trio.to_thread.run_sync(engine._is_committed, asking, writer))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            await eventually(lambda: answers or postgres_server.run(waiting))
            writer.commit()
        assert answers == [True]
        lost.close()
        asking.close()


def fails_while_others_succeed(server: servers.Server, runs: list[int], limit: int) -> None:
    """A closure whose connection is lost, while other connections of the process are answered. From `limit`
    runs on it succeeds."""
    runs.append(1)
    if len(runs) < limit:
        server.worked()
        raise psycopg.OperationalError("lost")


async def test_a_query_that_always_loses_its_connection_ends_in_time(database: PostgresDatabase) -> None:
    runs: list[int] = []
    async with database.open() as store:
        assert isinstance(store.engine, engines.PostgresEngine)
        server = store.engine._server
        with pytest.raises(Unavailable):
            await store.read(lambda _: fails_while_others_succeed(server, runs, 10 * engines.ATTEMPTS))
        assert len(runs) == engines.ATTEMPTS
        assert await store.read(counted) == {}


async def test_a_batch_that_gets_no_connection_ends_in_time(
    database: PostgresDatabase, postgres_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Although other connections of the process are answered, as when the server's limit of connections is
    met."""
    runs: list[int] = []
    async with database.open() as store:
        engine = store.engine
        assert isinstance(engine, engines.PostgresEngine)
        assert engine._writer is not None
        engine._writer.close()
        with monkeypatch.context() as patch:
            patch.setattr(servers, "AWAY_S", 0.05)
            patch.setattr(engine, "_check", lambda _: fails_while_others_succeed(engine._server, runs, 1000))
            with pytest.raises(Unavailable):
                await store.write(partial(add_one, name="a"))
        assert len(runs) < 1000
        assert await store.write(partial(add_one, name="a")) == 1
