"""The store's guarantees: acknowledged data exists, refused data does not, no caller waits forever."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import psycopg
import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from appliance.kernel.batch import CaughtError
from appliance.kernel.errors import Refused, Unavailable, not_found
from appliance.kernel.retry import Backoff
from appliance.kernel.sqlite.engine import SqliteEngine, on_disk
from appliance.kernel.store import QUEUE_MAX, Store, StoreBroken, StoreFull, open_store
from appliance.kernel.tx import ReadTx, Tx
from tests.kit.clock import HandClock
from tests.kit.databases import Database
from tests.kit.waiting import LIMIT_S


def put(key: str, value: str = "x") -> Callable[[Tx], str]:
    """A closure that writes one row of `meta` and one journal entry."""

    def closure(tx: Tx) -> str:
        tx.insert("meta", {"key": key, "value": value})
        tx.append("clip_created", f"clip:{key}", {"clip_id": key})
        return key

    return closure


def keys(tx: ReadTx) -> list[str]:
    return [row["key"] for row in tx.all("SELECT key FROM meta WHERE key <> 'epoch' ORDER BY key")]


class Gate:
    """A closure that blocks the writer until it is released, so that later closures share one batch."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.open = threading.Event()

    def __call__(self, tx: Tx) -> None:
        self.reached.set()
        assert self.open.wait(LIMIT_S)

    async def wait_reached(self) -> None:
        await trio.to_thread.run_sync(self.reached.wait)


async def outcome(store: Store, closure: Callable[[Tx], Any], into: dict[str, Any], name: str) -> None:
    try:
        into[name] = await store.write(closure)
    except (apsw.Error, psycopg.Error, CaughtError, Refused, Unavailable, StoreBroken, ValueError) as error:
        into[name] = error


async def one_batch(store: Store, closures: dict[str, Callable[[Tx], Any]]) -> dict[str, Any]:
    """Run the closures in this order inside one transaction; the result of each caller."""
    report: dict[str, Any] = {}
    gate = Gate()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(store.write, gate)
        await gate.wait_reached()
        for name, closure in closures.items():
            nursery.start_soon(outcome, store, closure, report, name)
            await wait_all_tasks_blocked()
        gate.open.set()
    return report


async def test_write_returns_the_closures_value_once_it_is_on_disk(tmp_path: Path) -> None:
    async with open_store(tmp_path / "box.db", HandClock()) as store:
        assert await store.write(put("a")) == "a"
        other = apsw.Connection(str(tmp_path / "box.db"))
        assert other.execute("SELECT count(*) FROM meta WHERE key = 'a'").get == 1
        other.close()


async def test_waiting_closures_share_one_transaction(database: Database) -> None:
    async with database.open() as store:
        rings = store.journal.changed.count
        answers = await one_batch(store, {f"k{n}": put(f"k{n}") for n in range(20)})
        assert answers == {f"k{n}": f"k{n}" for n in range(20)}
        assert store.journal.changed.count == rings + 1, "twenty closures, one commit, one wake-up"


async def test_a_failing_closure_undoes_only_its_own_changes(database: Database) -> None:
    def half_done(tx: Tx) -> None:
        put("half")(tx)
        raise not_found("clip", "x")

    async with database.open() as store:
        answers = await one_batch(store, {"a": put("a"), "bad": half_done, "twice": put("a"), "b": put("b")})
        assert answers["a"] == "a" and answers["b"] == "b"
        assert isinstance(answers["bad"], Refused) and answers["bad"].status == 404
        assert isinstance(answers["twice"], apsw.ConstraintError | psycopg.IntegrityError)
        assert await store.read(keys) == ["a", "b"]


async def test_a_rolled_back_closure_leaves_no_gap_in_the_journal(database: Database) -> None:
    def half_done(tx: Tx) -> None:
        put("half")(tx)
        raise ValueError("after the append")

    async with database.open() as store:
        await one_batch(store, {"a": put("a"), "bad": half_done, "b": put("b")})
        entries = await store.journal.read(0)
        assert [(entry.seq, entry.subject) for entry in entries] == [(1, "clip:a"), (2, "clip:b")]


async def test_disk_full_on_the_sixth_of_twelve_leaves_exactly_what_was_acknowledged(tmp_path: Path) -> None:
    """SQLITE_FULL may undo the whole transaction: then no caller of the batch may get success."""
    async with open_store(tmp_path / "box.db", HandClock()) as store:
        await store.write(put("before"))

        def fill(tx: Tx) -> str:
            pages = tx.value("PRAGMA page_count")
            tx.value(f"PRAGMA max_page_count = {pages + 1}")
            return put("k05", "x" * 100_000)(tx)

        closures: dict[str, Callable[[Tx], Any]] = {f"k{n:02}": put(f"k{n:02}") for n in range(12)}
        closures["k05"] = fill
        answers = await one_batch(store, closures)
        acknowledged = {name for name, answer in answers.items() if answer == name}
        rows = set(await store.read(keys)) - {"before"}
        assert acknowledged == rows
        assert isinstance(answers["k05"], StoreFull) and answers["k05"].status == 507
        subjects = {entry.subject for entry in await store.journal.read(0)}
        assert subjects == {f"clip:{key}" for key in {"before", *rows}}
        await store.write(lambda tx: tx.value("PRAGMA max_page_count = 1000000"))
        assert await store.write(put("after")) == "after", "the box goes on once there is space"


async def test_a_transaction_lost_inside_a_closure_fails_the_whole_batch(database: Database) -> None:
    """Simulates what SQLite does on FULL and NOMEM, hidden by the closure behind an error of its own."""

    def loses(tx: Tx) -> None:
        tx.run("ROLLBACK")
        raise not_found("clip", "hides the cause")

    def hides(tx: Tx) -> str:
        tx.run("ROLLBACK")
        return "fine"

    async with database.open() as store:
        for bad in (loses, hides):
            answers = await one_batch(store, {"a": put("a"), "bad": bad, "b": put("b")})
            assert [type(each).__mro__[1] for each in answers.values()] == [Unavailable] * 3
            assert await store.read(keys) == []
            assert store.journal.head == 0
        assert await store.write(put("a")) == "a"


async def test_an_io_error_ends_the_store_and_every_caller_gets_it(tmp_path: Path) -> None:
    def broken_disk(tx: Tx) -> None:
        raise apsw.IOError("disk I/O error")

    answers: dict[str, Any] = {}
    with pytest.raises(BaseExceptionGroup) as caught:
        async with open_store(tmp_path / "box.db", HandClock()) as store:
            answers = await one_batch(store, {"a": put("a"), "bad": broken_disk, "b": put("b")})
            await trio.sleep_forever()
    assert caught.group_contains(StoreBroken)
    assert {type(each) for each in answers.values()} == {StoreBroken}


async def test_a_commit_over_the_limit_ends_with_store_broken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SqliteEngine, "commit_limit_s", 0.01)
    gate = Gate()
    answers: dict[str, Any] = {}
    with pytest.raises(BaseExceptionGroup) as caught, trio.fail_after(LIMIT_S):
        async with open_store(tmp_path / "box.db", HandClock()) as store:
            await outcome(store, gate, answers, "slow")
            await trio.sleep_forever()
    gate.open.set()
    assert caught.group_contains(StoreBroken)
    assert isinstance(answers["slow"], StoreBroken) and "unknown" in str(answers["slow"])


async def test_a_full_queue_behind_a_dead_writer_empties(tmp_path: Path) -> None:
    """More callers than the queue holds: those blocked in front of it get the result as well."""
    answers: dict[str, Any] = {}
    gate = Gate()

    def then_breaks(tx: Tx) -> None:
        gate(tx)
        raise apsw.IOError("disk I/O error")

    callers = QUEUE_MAX + 300
    with pytest.raises(BaseExceptionGroup), trio.fail_after(LIMIT_S):
        async with open_store(tmp_path / "box.db", HandClock()) as store, trio.open_nursery() as nursery:
            nursery.start_soon(outcome, store, then_breaks, answers, "first")
            await gate.wait_reached()
            for n in range(callers):
                nursery.start_soon(outcome, store, put(f"k{n}"), answers, f"k{n}")
            await wait_all_tasks_blocked()
            gate.open.set()
    assert isinstance(answers["first"], StoreBroken)
    assert not any(isinstance(each, str) for each in answers.values()), "no caller got success"


async def test_cancelling_before_the_closure_is_queued_leaves_nothing(database: Database) -> None:
    async with database.open() as store:
        with trio.CancelScope() as scope:
            scope.cancel()
            await store.write(put("a"))
        assert scope.cancelled_caught
        assert await store.read(keys) == []


async def test_after_the_closure_is_queued_a_cancelled_caller_still_gets_the_outcome(
    database: Database,
) -> None:
    async with database.open() as store:
        gate = Gate()
        answers: dict[str, Any] = {}
        async with trio.open_nursery() as nursery:
            nursery.start_soon(store.write, gate)
            await gate.wait_reached()
            scope = trio.CancelScope()

            async def cancelled_caller() -> None:
                with scope:
                    await outcome(store, put("a"), answers, "a")

            nursery.start_soon(cancelled_caller)
            await wait_all_tasks_blocked()
            scope.cancel()
            await wait_all_tasks_blocked()
            assert answers == {}, "the caller waits for the truth"
            gate.open.set()
        assert answers == {"a": "a"}
        assert await store.read(keys) == ["a"]


async def test_leaving_finishes_what_is_queued_and_refuses_what_comes_late(database: Database) -> None:
    answers: dict[str, Any] = {}
    gate = Gate()
    async with trio.open_nursery() as callers:
        async with database.open() as store:
            callers.start_soon(store.write, gate)
            await gate.wait_reached()
            callers.start_soon(outcome, store, put("queued"), answers, "queued")
            await wait_all_tasks_blocked()
            gate.open.set()
        await outcome(store, put("late"), answers, "late")
    assert answers["queued"] == "queued"
    assert isinstance(answers["late"], Unavailable) and answers["late"].code == "stopping"


async def test_a_read_sees_one_snapshot_while_writers_go_on(database: Database) -> None:
    async with database.open() as store:
        await store.write(put("a"))
        first_look = threading.Event()
        written = threading.Event()

        def two_looks(tx: ReadTx) -> tuple[list[str], int, list[str], int]:
            before = keys(tx), tx.head()
            first_look.set()
            assert written.wait(LIMIT_S)
            return *before, keys(tx), tx.head()

        async with trio.open_nursery() as nursery:

            async def write_in_between() -> None:
                await trio.to_thread.run_sync(first_look.wait)
                await store.write(put("b"))
                written.set()

            nursery.start_soon(write_in_between)
            assert await store.read(two_looks) == (["a"], 1, ["a"], 1)
        assert await store.read(keys) == ["a", "b"]


async def test_a_reader_cannot_write(tmp_path: Path) -> None:
    async with open_store(tmp_path / "box.db", HandClock()) as store:
        with pytest.raises(apsw.ReadOnlyError):
            await store.read(lambda tx: tx.db.execute("DELETE FROM meta"))
        assert await store.read(lambda tx: tx.value("SELECT count(*) FROM meta")) == 1


async def test_all_of_a_transaction_shares_one_instant(tmp_path: Path) -> None:
    clock = HandClock()
    async with open_store(tmp_path / "box.db", clock) as store:

        def two_entries(tx: Tx) -> None:
            tx.append("clip_created", "clip:a", {})
            clock.advance(1)
            tx.append("clip_created", "clip:b", {})

        began_us = clock.now_us()
        await store.write(two_entries)
        assert [entry.ts_us for entry in await store.journal.read(0)] == [began_us, began_us]


async def test_a_backup_is_a_whole_database(tmp_path: Path) -> None:
    async with open_store(tmp_path / "box.db", HandClock()) as store:
        await store.write(put("a"))
        on_disk(store).backup(tmp_path / "copy.db")
    async with open_store(tmp_path / "copy.db", HandClock()) as copy:
        assert await copy.read(keys) == ["a"]


async def test_the_store_works_without_threads_for_simulated_time(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async with open_store(tmp_path / "box.db", HandClock(), in_thread=False) as store:
        with trio.fail_after(LIMIT_S):
            assert await store.write(put("a")) == "a"
            assert await store.read(keys) == ["a"]


async def test_a_change_that_is_made_again_may_be_another_closure(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After an answer that says nothing about the outcome."""
    runs: list[str] = []
    async with database.open(rehearse=False) as store:
        write = store.write

        async def unanswered(closure: Callable[[Tx], str]) -> str:
            runs.append(await write(closure))
            if len(runs) < 3:
                raise Unavailable("storage_unavailable", "no answer", "")
            return runs[-1]

        monkeypatch.setattr(store, "write", unanswered)
        monkeypatch.setattr(Backoff, "next_s", lambda self: 0.0)
        assert await store.write_retrying(put("a"), lambda tx: "again") == "again"
    assert runs == ["a", "again", "again"]
