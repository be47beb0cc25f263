"""Followers in memory, and cursors as rows."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
from trio.testing import assert_checkpoints, wait_all_tasks_blocked

from appliance.kernel import journal as journal_module
from appliance.kernel.follow import (
    Cursor,
    EntriesPruned,
    all_cursors,
    calling_on_entries,
    find_cursor,
    follow,
    mark_pruned,
    move_cursor,
    place_cursor,
    remove_cursor,
)
from appliance.kernel.journal import PAGE_MAX, Entry
from appliance.kernel.store import Store
from appliance.kernel.tx import Tx
from tests.kit.box import sim_store
from tests.kit.clock import KICKOFF_US, HandClock
from tests.kit.databases import Database
from tests.kit.waiting import LIMIT_S


async def add(store: Store, *types: str) -> None:
    def closure(tx: Tx) -> None:
        for type_ in types:
            tx.append(type_, f"{type_}:1", {})

    await store.write(closure)


def is_clip(entry: Entry) -> bool:
    return entry.type == "clip"


async def test_a_follower_returns_every_later_entry_once(tmp_path: Path) -> None:
    """Also in pages, and when entries arrive while the previous ones are processed."""
    async with sim_store(tmp_path) as store, trio.open_nursery() as nursery:
        await add(store, "before")
        seen: list[int] = []
        follower = follow(store.journal)

        async def work() -> None:
            async for entries in follower:
                assert entries
                seen.extend(entry.seq for entry in entries)
                if len(seen) == 1:
                    await add(store, "meanwhile")

        nursery.start_soon(work)
        await wait_all_tasks_blocked()
        assert seen == []
        await add(store, "first")
        await add(store, *["many"] * (2 * PAGE_MAX + 1))
        with trio.fail_after(LIMIT_S):
            while len(seen) < 2 * PAGE_MAX + 3:
                await trio.lowlevel.checkpoint()
        assert seen == list(range(2, 2 * PAGE_MAX + 5))
        nursery.cancel_scope.cancel()


async def test_a_follower_from_the_past_reads_entries_that_are_no_longer_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "RING_MAX", 4)
    async with sim_store(tmp_path) as store:
        await add(store, *["old"] * 9)
        entries = await anext(follow(store.journal, 2))
        assert [entry.seq for entry in entries] == [3, 4, 5, 6, 7, 8, 9]


async def test_a_cancelled_wait_loses_no_entry(tmp_path: Path) -> None:
    async with sim_store(tmp_path) as store:
        follower = follow(store.journal)
        with trio.move_on_after(0):
            await anext(follower)
        await add(store, "clip")
        assert [entry.seq for entry in await anext(follower)] == [1]


async def test_waiting_lets_other_tasks_run_also_when_an_entry_is_there(tmp_path: Path) -> None:
    async with sim_store(tmp_path) as store:
        follower = follow(store.journal)
        await add(store, "clip")
        with assert_checkpoints():
            await follower.wait()


async def test_wait_for_ignores_other_entries_and_returns_once_for_many(tmp_path: Path) -> None:
    async with sim_store(tmp_path) as store, trio.open_nursery() as nursery:
        follower, woken = follow(store.journal), 0

        async def work() -> None:
            nonlocal woken
            while True:
                await follower.wait_for(is_clip)
                assert follower.cursor == store.journal.head
                woken += 1

        nursery.start_soon(work)
        await wait_all_tasks_blocked()
        await add(store, "tag", "tag")
        await wait_all_tasks_blocked()
        assert woken == 0 and follower.cursor == 2
        await add(store, "clip", *["tag"] * (PAGE_MAX + 5), "clip")
        await wait_all_tasks_blocked()
        assert woken == 1
        await add(store, *["tag"] * (PAGE_MAX + 5), "clip")  # the relevant entry is on a later page
        await wait_all_tasks_blocked()
        assert woken == 2
        nursery.cancel_scope.cancel()


async def test_entries_in_memory_are_taken_in_pages(tmp_path: Path) -> None:
    async with sim_store(tmp_path) as store:
        follower = follow(store.journal)
        await add(store, *["clip"] * 3)
        assert [entry.seq for entry in follower.take(2) or []] == [1, 2] and follower.cursor == 2
        assert [entry.seq for entry in follower.take(2) or []] == [3] and follower.cursor == 3


async def test_wait_for_returns_when_entries_were_dropped_from_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "RING_MAX", 4)
    async with sim_store(tmp_path) as store:
        store.journal._ring = type(store.journal._ring)(maxlen=4)
        follower, other = follow(store.journal), follow(store.journal)
        await add(store, *["tag"] * 5)
        assert other.take() is None and other.cursor == 5 and other.take() == []
        with trio.fail_after(LIMIT_S):
            await follower.wait_for(is_clip)
        assert follower.cursor == 5


async def test_calling_on_entries_calls_at_once_and_for_each_entry_of_its_type(tmp_path: Path) -> None:
    async with sim_store(tmp_path) as store:
        calls: list[int] = []

        async def look() -> None:
            await trio.lowlevel.checkpoint()
            calls.append(store.journal.head)

        async with calling_on_entries(store.journal, "channel_", look):
            assert calls == [0]
            await add(store, "clip_created")
            await wait_all_tasks_blocked()
            assert calls == [0]
            await add(store, "channel_created", "clip_created")
            await wait_all_tasks_blocked()
            assert calls == [0, 3]
        await add(store, "channel_created")
        await wait_all_tasks_blocked()
        assert calls == [0, 3], "not after the block"


async def test_a_durable_cursor_moves_forward_alone(database: Database) -> None:
    clock = HandClock()
    async with database.open(clock) as store:
        await store.write(lambda tx: place_cursor(tx, "scoring", 7))
        clock.advance(5)
        await store.write(lambda tx: move_cursor(tx, "scoring", 12))
        await store.write(lambda tx: move_cursor(tx, "scoring", 9))  # an answer that arrives late
        (cursor,) = await store.read(all_cursors)
        assert cursor == Cursor("scoring", 12, cursor.moved_us, False)
        if database.name == "sqlite":
            assert cursor.moved_us == KICKOFF_US + 5_000_000
        await store.write(lambda tx: remove_cursor(tx, "scoring"))
        assert await store.read(lambda tx: find_cursor(tx, "scoring")) is None
        with pytest.raises(LookupError, match="scoring"):
            await store.write(lambda tx: move_cursor(tx, "scoring", 13))


async def test_a_cursor_that_lost_entries_to_pruning_continues_only_from_a_snapshot(
    database: Database,
) -> None:
    async with database.open() as store:
        for name, seq in (("behind", 3), ("by one", 8), ("at the border", 9), ("ahead", 12)):
            await store.write(lambda tx, name=name, seq=seq: place_cursor(tx, name, seq))  # type: ignore[misc]
        assert await store.write(lambda tx: mark_pruned(tx, 10)) == ["behind", "by one"]
        assert await store.write(lambda tx: mark_pruned(tx, 10)) == [], "returned once"
        with pytest.raises(LookupError):  # missing entries cannot be determined
            await store.write(lambda tx: move_cursor(tx, "behind", 20))
        await store.write(lambda tx: place_cursor(tx, "behind", 40))
        await store.write(lambda tx: move_cursor(tx, "behind", 41))
        assert await store.read(lambda tx: find_cursor(tx, "b")) is None
        result = await store.read(lambda tx: find_cursor(tx, "behind"))
        assert result is not None and (result.seq, result.needs_resync) == (41, False)


async def test_a_follower_past_whose_cursor_was_pruned_is_not_handed_the_rest(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By another process, which this one has not noticed."""
    monkeypatch.setattr(journal_module, "RING_MAX", 2)
    async with database.open() as store:
        await add(store, *["clip"] * 6)
        await store.write(lambda tx: tx.run("DELETE FROM journal WHERE seq < 4"))
        assert store.journal.oldest == 1
        kept = follow(store.journal, 3)
        assert [entry.seq for entry in await anext(kept)] == [4, 5, 6]
        with pytest.raises(EntriesPruned, match="3 to 3"):
            await anext(follow(store.journal, 2))
        assert store.journal.oldest == 4
