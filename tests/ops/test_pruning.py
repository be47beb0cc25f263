"""Old rows are deleted, and no others."""

from pathlib import Path
from typing import Any

import apsw
import pytest

from appliance.kernel.follow import all_cursors, move_cursor, place_cursor
from appliance.kernel.operation import Answer, Caller, perform
from appliance.kernel.store import Store
from appliance.kernel.tx import ReadTx
from appliance.ops import pruning
from appliance.ops.pruning import BATCH, ROW_BYTES
from tests.kit.box import sim_store
from tests.kit.clock import HandClock

DAY_S = 24 * 3600


async def prune(store: Store) -> None:
    """As of the store's own time."""
    await pruning.prune(store, await store.read(lambda tx: tx.now_us))


async def test_journal_entries_are_deleted_after_thirty_days_and_oldest_changes(tmp_path: Path) -> None:
    clock = HandClock()
    async with sim_store(tmp_path, clock) as store:
        for _ in range(BATCH + 50):
            await store.write(lambda tx: tx.append("x", "x:1", {}))
        clock.advance(20 * DAY_S)
        await store.write(lambda tx: tx.append("x", "x:2", {}))
        clock.advance(11 * DAY_S)
        await prune(store)
        assert store.journal.oldest == BATCH + 51
        assert await store.read(lambda tx: tx.value("SELECT count(*) FROM journal")) == 1


async def test_the_newest_entry_stays_whatever_its_age(tmp_path: Path) -> None:
    clock = HandClock()
    async with sim_store(tmp_path, clock) as store:
        for _ in range(3):
            await store.write(lambda tx: tx.append("x", "x:1", {}))
        clock.advance(400 * DAY_S)
        await prune(store)
        assert (store.journal.oldest, store.journal.head) == (3, 3)
        assert await store.write(lambda tx: tx.append("x", "x:1", {})) == 4


async def test_idempotency_keys_go_after_seven_days(tmp_path: Path) -> None:
    clock, runs = HandClock(), []

    async with sim_store(tmp_path, clock) as store:

        async def once() -> None:
            caller = Caller(device="d", key="k", fingerprint="f")
            await perform(store, caller, lambda tx: Answer(200, {"run": runs.append(1)}))  # type: ignore[func-returns-value]

        await once()
        clock.advance(6.9 * DAY_S)
        await prune(store)
        await once()
        assert len(runs) == 1
        clock.advance(0.2 * DAY_S)
        await prune(store)
        await once()
        assert len(runs) == 2


async def add(store: Store, count: int) -> None:
    for _ in range(count):
        await store.write(lambda tx: tx.append("x", "x:1", {}))


async def left(store: Store) -> list[int]:
    return [row["seq"] for row in await store.read(lambda tx: tx.all("SELECT seq FROM journal ORDER BY seq"))]


async def lost(store: Store) -> list[str]:
    return [cursor.name for cursor in await store.read(all_cursors) if cursor.needs_resync]


async def test_entries_that_a_durable_cursor_has_not_passed_stay_for_ninety_days(tmp_path: Path) -> None:
    clock = HandClock()
    async with sim_store(tmp_path, clock) as store:
        await add(store, 10)
        await store.write(lambda tx: place_cursor(tx, "scoring", 4))
        await store.write(lambda tx: place_cursor(tx, "logging", 8))
        clock.advance(31 * DAY_S)
        await prune(store)
        assert await left(store) == [5, 6, 7, 8, 9, 10]
        await store.write(lambda tx: move_cursor(tx, "scoring", 7))
        await prune(store)
        assert await left(store) == [8, 9, 10] and await lost(store) == []
        clock.advance(60 * DAY_S)
        await prune(store)
        assert await left(store) == [10] and store.journal.oldest == 10
        assert await lost(store) == ["logging", "scoring"]


async def test_a_cursor_that_needs_a_resync_keeps_no_entries(tmp_path: Path) -> None:
    clock = HandClock()
    async with sim_store(tmp_path, clock) as store:
        await add(store, 3)
        await store.write(lambda tx: place_cursor(tx, "scoring", 0))
        clock.advance(91 * DAY_S)
        await prune(store)
        assert await lost(store) == ["scoring"]
        await add(store, 3)
        clock.advance(31 * DAY_S)
        await prune(store)
        assert await left(store) == [6]


async def test_a_journal_that_is_too_large_loses_its_oldest_entries_whatever_the_cursors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with sim_store(tmp_path) as store:
        await add(store, 50)
        await store.write(lambda tx: place_cursor(tx, "scoring", 5))
        monkeypatch.setattr(pruning, "JOURNAL_MAX_BYTES", 20.5 * (ROW_BYTES + 2))  # plus a body: {}
        await prune(store)
        assert await left(store) == list(range(30, 51))
        assert await lost(store) == ["scoring"]
        await prune(store)
        assert len(await left(store)) == 21


async def test_entries_of_a_clock_that_was_set_back_go_with_those_after_them(tmp_path: Path) -> None:
    """Rows dated next year: neither deleted first nor kept forever, and without a gap."""
    clock = HandClock()
    async with sim_store(tmp_path, clock) as store:
        await add(store, 2)
        clock.advance(400 * DAY_S)
        await add(store, 2)
        clock.advance(-400 * DAY_S)
        await add(store, 2)
        await prune(store)
        assert await left(store) == [1, 2, 3, 4, 5, 6]
        clock.advance(31 * DAY_S)
        await add(store, 1)
        await prune(store)
        assert await left(store) == [7]


async def test_no_query_for_old_entries_reads_more_than_a_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client of a database server would hold all rows of a query in memory."""
    monkeypatch.setattr(pruning, "PAGE", 3, raising=False)
    counts: list[int] = []

    def began(*_: object) -> bool:
        counts.append(0)
        return True

    def fetched(_: apsw.Cursor, row: Any) -> Any:
        counts[-1] += 1
        return row

    def due_to(tx: ReadTx) -> int:
        assert isinstance(tx.db, apsw.Connection)
        tx.db.exec_trace, tx.db.row_trace = began, fetched
        try:
            return pruning._journal_due_to(tx, tx.now_us)
        finally:
            tx.db.exec_trace = tx.db.row_trace = None

    clock = HandClock()
    async with sim_store(tmp_path, clock) as store:
        await add(store, 10)
        clock.advance(31 * DAY_S)
        await add(store, 10)
        assert await store.read(due_to) == 10
        assert max(counts) == 3
        await prune(store)
        assert await left(store) == list(range(11, 21))
