"""Several stores on one PostgreSQL, as of several processes; and reads beside writes."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import trio

from appliance.kernel.store import Store, StoreReadOnly
from appliance.kernel.tx import ReadTx
from tests.kernel.postgres.test_engine import add_one, journal_of
from tests.kernel.test_store import put
from tests.kit.databases import PostgresDatabase
from tests.kit.postgres import Server
from tests.kit.waiting import LIMIT_S

pytestmark = pytest.mark.postgres


async def test_other_stores_follow_the_commits_of_one_in_order(database: PostgresDatabase) -> None:
    async with database.open() as first, database.open() as second:
        assert first.journal.epoch == second.journal.epoch
        for number in range(6):
            store = (first, second)[number % 2]
            await store.write(lambda tx: add_one(tx, "n"))
            assert store.journal.head == number + 1, "one's own is there with its answer"
        for store in (first, second):
            with trio.fail_after(LIMIT_S):
                while store.journal.head < 6:
                    await store.journal.changed.wait_past(store.journal.changed.count)
            assert [entry.seq for entry in store.journal.recent(0) or []] == [1, 2, 3, 4, 5, 6]
            assert [entry.event for entry in store.journal.recent(0) or []] == [
                entry.event for entry in await first.journal.read(0)
            ]


async def test_two_stores_that_count_the_same_row_lose_nothing(database: PostgresDatabase) -> None:
    async with database.open() as first, database.open() as second, trio.open_nursery() as nursery:

        async def count(store: Store) -> None:
            for _ in range(20):
                await store.write(lambda tx: add_one(tx, "n"))

        for store in (first, second) * 3:
            nursery.start_soon(count, store)
    async with database.open() as store:
        assert await store.read(lambda tx: tx.value("SELECT value FROM meta WHERE key = 'n'")) == "120"
        assert [seq for seq, _ in await store.read(journal_of)] == list(range(1, 121))


async def test_a_read_and_its_head_are_of_one_snapshot(database: PostgresDatabase) -> None:
    async with database.open() as store, database.open() as other:
        looked, written = threading.Event(), threading.Event()

        def look(tx: ReadTx) -> tuple[int, list[Any], int]:
            head = tx.head()
            looked.set()
            assert written.wait(LIMIT_S)
            return head, journal_of(tx), tx.head()

        async with trio.open_nursery() as nursery:

            async def write() -> None:
                await trio.to_thread.run_sync(looked.wait)
                await other.write(put("b"))
                written.set()

            nursery.start_soon(write)
            assert await store.read(look) == (0, [], 0)


async def test_a_reader_cannot_write(database: PostgresDatabase) -> None:
    async with database.open() as store:
        with pytest.raises(StoreReadOnly):
            await store.read(lambda tx: tx.db.execute("DELETE FROM meta"))


async def test_a_column_that_a_newer_process_adds_does_not_disturb(
    database: PostgresDatabase, postgres_server: Server
) -> None:
    """A connection's prepared statements then fail: the batch is run on another connection."""

    def look(tx: ReadTx) -> list[str]:
        return sorted(tx.all("SELECT * FROM cursors")[0])

    async with database.open() as store, database.open() as other:
        await store.write(lambda tx: tx.run("INSERT INTO cursors (name, seq, moved_us) VALUES ('a', 1, 1)"))
        for _ in range(8):
            before = await store.write(look), await store.read(look)
        await other.write(lambda tx: tx.run("ALTER TABLE cursors ADD COLUMN extra BIGINT"))
        after = await store.write(look), await store.read(look)
        assert after == tuple(sorted([*columns, "extra"]) for columns in before)
