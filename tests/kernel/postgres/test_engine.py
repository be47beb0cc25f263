"""Where PostgreSQL differs from SQLite: lost connections, unknown outcomes, other processes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from functools import partial
from typing import Any

import psycopg
import pytest
import trio

from appliance.kernel.batch import CaughtError
from appliance.kernel.errors import Refused, Unavailable
from appliance.kernel.postgres import connection as connections
from appliance.kernel.postgres import engine as engines
from appliance.kernel.postgres import server as servers
from appliance.kernel.postgres.store import open_postgres
from appliance.kernel.schema import KERNEL_SCHEMA
from appliance.kernel.store import Store, StoreBroken
from appliance.kernel.tx import ReadTx, Tx
from tests.kernel.test_store import Gate, keys, one_batch, outcome, put
from tests.kit.clock import HandClock
from tests.kit.databases import PostgresDatabase, idle_limit
from tests.kit.postgres import Server, own_server
from tests.kit.postgres_proxy import SIDES, Proxy, cutting_proxy
from tests.kit.waiting import LIMIT_S, eventually

pytestmark = pytest.mark.postgres


def open_at(url: str) -> Any:
    return open_postgres(url, HandClock(), connections=4, folders=[KERNEL_SCHEMA])


def fails_with(state: str, times: int) -> Callable[[Tx], str]:
    """A closure that meets this error of the server `times` times, and then succeeds."""
    met = 0

    def closure(tx: Tx) -> str:
        nonlocal met
        if met < times:
            met += 1
            tx.run(f"DO $$ BEGIN RAISE EXCEPTION 'injected' USING ERRCODE = '{state}'; END $$")
        return put("bad")(tx)

    return closure


def add_one(tx: Tx, name: str) -> int:
    """Count up a row and append an entry: runs that were not undone show in both."""
    number = int(tx.value("SELECT value FROM meta WHERE key = ?", (name,)) or 0) + 1
    tx.run(
        "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        (name, str(number)),
    )
    tx.append("counted", f"count:{name}", {"n": number})
    return number


def append(tx: Tx, subject: str) -> int:
    return tx.append("x", subject, {})


def journal_of(tx: ReadTx) -> list[tuple[int, str]]:
    return [(row["seq"], row["subject"]) for row in tx.all("SELECT seq, subject FROM journal ORDER BY seq")]


# -- errors of the server ----------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["40001", "40P01"])
async def test_a_batch_with_a_conflict_is_run_again(database: PostgresDatabase, state: str) -> None:
    async with database.open(rehearse=False) as store:
        answers = await one_batch(store, {"a": put("a"), "bad": fails_with(state, 1), "b": put("b")})
        assert answers == {"a": "a", "bad": "bad", "b": "b"}
        assert await store.read(keys) == ["a", "b", "bad"]
        assert [seq for seq, _ in await store.read(journal_of)] == [1, 2, 3]


async def test_a_conflict_that_a_closure_has_caught_runs_the_batch_again(database: PostgresDatabase) -> None:
    """Also when an error of its own followed it."""
    conflict = fails_with("40001", 1)

    def parts(tx: Tx) -> str:
        with suppress(psycopg.Error), tx.savepoint():
            conflict(tx)
        with pytest.raises(psycopg.Error), tx.savepoint():
            put("a")(tx)
        return "done"

    async with database.open(rehearse=False) as store:
        answers = await one_batch(store, {"a": put("a"), "parts": parts})
        assert answers == {"a": "a", "parts": "done"}
        assert await store.read(keys) == ["a", "bad"]


async def test_a_closure_that_always_conflicts_fails_alone(database: PostgresDatabase) -> None:
    async with database.open(rehearse=False) as store:
        answers = await one_batch(store, {"bad": fails_with("40P01", 99), "a": put("a"), "b": put("b")})
        assert (answers["a"], answers["b"]) == ("a", "b")
        assert isinstance(answers["bad"], Unavailable) and answers["bad"].code == "storage_unavailable"
        assert await store.read(keys) == ["a", "b"]


async def test_an_error_of_the_database_that_a_closure_caught_undoes_it(database: PostgresDatabase) -> None:
    """Otherwise COMMIT would answer ROLLBACK without an error, and the batch's other closures would be
    lost."""

    def catches(tx: Tx) -> str:
        put("half")(tx)
        with pytest.raises(psycopg.Error):
            tx.run("SELECT 1 / 0")
        return "fine"

    async with database.open() as store:
        answers = await one_batch(store, {"a": put("a"), "bad": catches, "b": put("b")})
        assert (answers["a"], answers["b"]) == ("a", "b")
        assert isinstance(answers["bad"], CaughtError)
        assert await store.read(keys) == ["a", "b"]


async def test_a_disk_without_room_fails_the_closure_alone(database: PostgresDatabase) -> None:
    async with database.open(rehearse=False) as store:
        answers = await one_batch(store, {"a": put("a"), "bad": fails_with("53100", 1), "b": put("b")})
        assert isinstance(answers["bad"], Unavailable) and answers["bad"].status == 507
        assert await store.read(keys) == ["a", "b"]


async def test_nul_and_surrogates_are_refused_where_they_are_written(database: PostgresDatabase) -> None:
    async with database.open() as store:
        for subject in ("clip:\0", "clip:\ud800"):
            bad = partial(append, subject=subject)
            answers = await one_batch(store, {"a": bad, "b": partial(add_one, name="b")})
            assert isinstance(answers["a"], ValueError) and isinstance(answers["b"], int)


async def test_a_batch_holds_the_head_no_longer_than_its_limit(
    database: PostgresDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rest becomes the next batch, in order and complete."""
    monkeypatch.setattr(engines, "BATCH_S", 1e-9)
    async with database.open() as store:
        woken = store.journal.changed.count
        answers = await one_batch(store, {f"k{n}": put(f"k{n}") for n in range(5)})
        assert answers == {f"k{n}": f"k{n}" for n in range(5)}
        assert store.journal.changed.count == woken + 5
        entries = await store.journal.read(0)
        assert [entry.subject for entry in entries] == [f"clip:k{n}" for n in range(5)]


# -- time, head and rows agree -----------------------------------------------------------------------------


async def test_time_is_the_databases_and_one_for_the_batch(database: PostgresDatabase) -> None:
    clock = HandClock(start_us=5)
    async with database.open(clock) as store:
        times = await one_batch(store, {f"k{n}": lambda tx: tx.now_us for n in range(5)})
        assert len(set(times.values())) == 1
        read_us = await store.read(lambda tx: tx.now_us)
        assert clock.now_us() == 5 < times["k0"] < read_us < times["k0"] + LIMIT_S * 1e6


async def test_a_statement_that_names_the_journal_finds_its_entries(
    database: PostgresDatabase,
) -> None:
    def append_and_look(tx: Tx) -> tuple[int, int]:
        tx.append("clip_created", "clip:x", {})
        with pytest.raises(Refused), tx.savepoint():
            tx.append("clip_created", "clip:undone", {})
            assert tx.value("SELECT count(*) FROM journal") == 2
            raise Refused(409, "no", "no")
        return int(tx.value("SELECT count(*) FROM journal")), tx.head()

    async with database.open() as store:
        assert await store.write(append_and_look) == (1, 1)
        assert await store.write(lambda tx: tx.append("clip_created", "clip:y", {})) == 2
        assert await store.read(journal_of) == [(1, "clip:x"), (2, "clip:y")]


# -- lost connections --------------------------------------------------------------------------------------


async def count_exchanges(store: Store, proxy: Proxy) -> int:
    await one_batch(store, {name: partial(add_one, name=name) for name in ("warm", "up")})
    return proxy.exchanges + 1


async def test_a_change_takes_two_exchanges_beside_those_of_its_statements(
    database: PostgresDatabase, postgres_server: Server
) -> None:
    """Beginning, with head row, time and savepoint; and the entries, with head, NOTIFY and COMMIT."""
    async with cutting_proxy(database.url, postgres_server.folder) as proxy, open_at(proxy.url) as store:
        for _ in range(2):
            assert await store.write(partial(add_one, name="n"))
            assert proxy.exchanges + 1 == 2 + 2


async def test_cut_at_any_exchange_a_batch_has_one_effect(
    database: PostgresDatabase, postgres_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection is cut before the server gets a message or after it has answered; also at COMMIT, whose
    outcome is then unknown."""
    monkeypatch.setattr(engines, "PAUSE_S", 0.001)
    async with cutting_proxy(database.url, postgres_server.folder) as proxy, open_at(proxy.url) as store:
        exchanges = await count_exchanges(store, proxy)
        assert exchanges > 6
        rounds = 0
        for exchange in range(exchanges):
            for side in SIDES:
                rounds += 1
                proxy.cut_at(exchange, side)
                names = ("a", "b")
                answers = await one_batch(store, {name: partial(add_one, name=name) for name in names})
                assert answers == dict.fromkeys(names, rounds), f"cut {side} exchange {exchange}"
                assert proxy.has_cut
        numbers = [seq for seq, _ in await store.read(journal_of)]
        assert numbers == list(range(1, 2 * rounds + 3))
        with trio.fail_after(LIMIT_S):
            while store.journal.head < numbers[-1]:
                await store.journal.changed.wait_past(store.journal.changed.count)
        assert [entry.seq for entry in await store.journal.read(0)] == numbers


async def test_a_reader_whose_connection_is_lost_reads_again(
    database: PostgresDatabase, postgres_server: Server
) -> None:
    async with cutting_proxy(database.url, postgres_server.folder) as proxy, open_at(proxy.url) as store:
        await store.write(put("a"))
        proxy.go_down()
        proxy.is_down = False
        assert await store.read(keys) == ["a"]


async def test_a_server_that_is_away_for_long_gives_503_until_it_returns(
    database: PostgresDatabase, postgres_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(servers, "AWAY_S", 0.2)
    monkeypatch.setattr(servers, "AGAIN_S", 0.0)
    async with cutting_proxy(database.url, postgres_server.folder) as proxy, open_at(proxy.url) as store:
        await store.write(put("a"))
        proxy.go_down()
        for call in (partial(store.write, put("lost")), partial(store.read, keys)):
            with pytest.raises(Unavailable) as caught:
                await call()
            assert (caught.value.status, caught.value.code) == (503, "storage_unavailable")
        assert store.detached and store.refused
        proxy.is_down = False
        with trio.fail_after(LIMIT_S):
            assert await store.write_retrying(put("b")) == "b"
        assert await store.read(keys) == ["a", "b"]
        assert store.detached is None and store.refused == ""


async def test_the_batch_of_a_stopped_process_is_ended_by_the_server_and_run_again(
    database: PostgresDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that is stopped (SIGSTOP) in the middle of a batch holds the lock of the head row."""
    gate, short = Gate(), idle_limit(0.2)

    def stands_still(tx: Tx) -> int:
        number = add_one(tx, "n")
        gate(tx)
        return number

    async with AsyncExitStack() as stack:
        other = await stack.enter_async_context(database.open())
        with monkeypatch.context() as patch:  # for its first connections alone
            patch.setattr(connections, "_SETTINGS", short)
            stopped = await stack.enter_async_context(database.open(rehearse=False))
        nursery = await stack.enter_async_context(trio.open_nursery())
        answers: dict[str, Any] = {}
        nursery.start_soon(outcome, stopped, stands_still, answers, "stopped")
        await gate.wait_reached()
        with trio.fail_after(LIMIT_S):
            assert await other.write(lambda tx: add_one(tx, "n")) == 1
        gate.open.set()
        await eventually(lambda: answers)
        assert answers == {"stopped": 2}
        assert await other.read(journal_of) == [(1, "count:n"), (2, "count:n")]


async def test_a_server_that_does_not_answer_is_given_up(
    database: PostgresDatabase,
) -> None:
    silent = connections.PostgresConnection(database.url)
    silent.raw.silent_s = 0.2
    try:
        with pytest.raises(psycopg.OperationalError):
            silent.run("SELECT pg_sleep(60)")
        assert silent.is_lost
    finally:
        silent.close()


async def test_a_server_that_stops_answering_does_not_look_like_a_process_that_hangs(
    database: PostgresDatabase, postgres_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Writes are answered in a time that the watchdog waits for, however many wait."""
    async with cutting_proxy(database.url, postgres_server.folder) as proxy, open_at(proxy.url) as store:
        await store.write(put("a"))
        for module in (connections, servers):
            monkeypatch.setattr(module, "SILENT_S", 0.3)
        monkeypatch.setattr(servers, "AWAY_S", 0.2)
        engine, answers = store.engine, dict[str, Any]()
        assert isinstance(engine, engines.PostgresEngine) and engine._writer is not None
        engine._writer.raw.silent_s = 0.3
        limit_s = engine.answers_within_s
        proxy.is_frozen = True
        with trio.fail_after(limit_s):
            async with trio.open_nursery() as nursery:
                for name in map(str, range(2 * engine.batch_max)):
                    nursery.start_soon(outcome, store, put(name), answers, name)
        assert {type(answer) for answer in answers.values()} == {Unavailable}
        proxy.thaw()
        monkeypatch.setattr(servers, "AGAIN_S", 0.0)
        with trio.fail_after(LIMIT_S):
            assert await store.write_retrying(put("b")) == "b"


def test_the_watchdog_waits_longer_than_any_write() -> None:
    """By the limits of one attempt, of trying again, and of connecting."""
    assert connections.SILENT_S > connections.STATEMENT_S, "the server's own limit comes first"
    longest_s = connections.SILENT_S + servers.AWAY_S + connections.CONNECT_S
    assert servers.answers_within_s() > longest_s + servers.AWAY_S + connections.CONNECT_S


async def test_a_server_killed_and_started_again_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with own_server() as server:
        url = server.empty_database()
        async with open_at(url) as store:
            await store.write(lambda tx: add_one(tx, "n"))
            server.kill()
            async with trio.open_nursery() as nursery:
                answers: dict[str, Any] = {}
                nursery.start_soon(outcome, store, lambda tx: add_one(tx, "n"), answers, "second")
                await trio.to_thread.run_sync(server.start)
            if isinstance(answers["second"], Unavailable):  # the start took longer than callers wait
                answers["second"] = await store.write_retrying(lambda tx: add_one(tx, "n"))
            assert answers == {"second": 2}
            assert [seq for seq, _ in await store.read(journal_of)] == [1, 2]


async def test_another_database_behind_the_same_address_ends_the_store(
    database: PostgresDatabase, postgres_server: Server
) -> None:
    answers: dict[str, Any] = {}
    with pytest.raises(BaseExceptionGroup) as caught:
        async with cutting_proxy(database.url, postgres_server.folder) as proxy, open_at(proxy.url) as store:
            await store.write(put("a"))
            await store.write(lambda tx: tx.run("UPDATE meta SET value = 'restored' WHERE key = 'epoch'"))
            proxy.go_down()
            proxy.is_down = False
            await outcome(store, put("b"), answers, "b")
            await trio.sleep_forever()
    assert caught.group_contains(StoreBroken) and isinstance(answers["b"], StoreBroken)


async def test_an_older_database_is_recognised_and_one_that_others_write_to_is_not_older(
    database: PostgresDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a process reconnects, its tailer publishes what the snapshot of the check cannot have."""
    async with database.open() as store:
        await store.write(put("a"))
        engine, begin_read = store.engine, engines._begin_read
        assert isinstance(engine, engines.PostgresEngine)
        newer = [replace(store.journal.recent(0)[0], seq=2)]  # type: ignore[index]

        def followed_meanwhile(connection: connections.PostgresConnection) -> Any:
            snapshot = begin_read(connection)
            store.journal.publish_read(newer)
            return snapshot

        connection = connections.PostgresConnection(database.url)
        try:
            with monkeypatch.context() as patch:
                patch.setattr(engines, "_begin_read", followed_meanwhile)
                engine._check(connection)
            assert store.journal.head == 2
            with pytest.raises(StoreBroken, match="older"):
                engine._check(connection)
        finally:
            connection.close()


async def test_a_server_that_cannot_be_reached_at_the_start_ends_it_with_an_error(
    postgres_server: Server,
) -> None:
    with pytest.raises(StoreBroken, match="cannot be opened"):
        async with open_at(postgres_server.url("nothing_here")):
            pass
