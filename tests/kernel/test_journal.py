"""The journal: one order for all readers, from memory or from SQLite, without a gap between them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from appliance.kernel import journal as journal_module
from appliance.kernel.journal import Entry, Journal, event_bytes
from appliance.kernel.store import Store, open_store
from appliance.kernel.tx import Tx
from tests.kit.clock import KICKOFF_US, HandClock
from tests.kit.databases import Database
from tests.kit.waiting import LIMIT_S


async def add(store: Store, count: int) -> None:
    def closure(tx: Tx) -> None:
        for _ in range(count):
            tx.append("clip_created", "clip:x", {"clip_id": "x"}, session_id="s1")

    await store.write(closure)


def seqs(entries: list[Entry]) -> list[int]:
    return [entry.seq for entry in entries]


def test_event_is_flat_json_with_type_seq_and_ts_first() -> None:
    event = event_bytes("clip_ready", 7, KICKOFF_US, b'{"clip_id":"c1"}')
    assert json.loads(event) == {
        "type": "clip_ready",
        "seq": 7,
        "ts": "2026-11-20T19:00:00.000000Z",
        "clip_id": "c1",
    }
    assert json.loads(event_bytes("clock_step", 8, KICKOFF_US, b"{}"))["seq"] == 8


async def test_entries_come_in_seq_order_with_all_their_fields(database: Database) -> None:
    async with database.open() as store:
        await add(store, 3)
        entries = await store.journal.read(0)
        assert seqs(entries) == [1, 2, 3]
        first = entries[0]
        assert (first.type, first.subject, first.session_id) == ("clip_created", "clip:x", "s1")
        if database.name == "sqlite":
            assert first.ts_us == KICKOFF_US
        assert json.loads(first.event)["seq"] == 1


async def test_entries_before_and_after_the_end_of_the_ring_are_the_same(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "RING_MAX", 10)
    async with database.open() as store:
        for _ in range(5):
            await add(store, 5)
        assert store.journal.recent(14) is None, "15 has left the ring"
        assert seqs(store.journal.recent(15) or []) == list(range(16, 26))
        for since in range(26):
            assert seqs(await store.journal.read(since)) == list(range(since + 1, 26))
        assert seqs(await store.journal.read(12, limit=5)) == [13, 14, 15, 16, 17]
        from_database = (await store.journal.read(14))[1:]
        assert from_database == store.journal.recent(15)


def entry(seq: int) -> Entry:
    return Entry(seq, KICKOFF_US, "clip_created", "clip:x", None, b"{}")


def test_a_journal_that_was_not_loaded_is_empty() -> None:
    journal = Journal(Store.read)  # type: ignore[arg-type]  # never called
    assert (journal.head, journal.oldest, journal.recent(0)) == (0, 1, [])


def test_seqs_skipped_after_a_restore_do_not_stop_readers() -> None:
    journal = Journal(Store.read)  # type: ignore[arg-type]  # never called
    journal.publish([entry(seq) for seq in (1, 2, 3, 100, 101)])
    assert [seqs(journal.recent(since) or []) for since in (0, 1, 2, 3, 50, 100, 101)] == [
        [1, 2, 3, 100, 101],
        [2, 3, 100, 101],
        [3, 100, 101],
        [100, 101],
        [100, 101],
        [101],
        [],
    ]
    assert seqs(journal.recent(1, limit=2) or []) == [2, 3]


def test_entries_that_were_pruned_before_they_were_read_are_not_passed_over() -> None:
    """Where other processes write and prune: memory does not claim to have all entries past a cursor."""
    journal = Journal(Store.read)  # type: ignore[arg-type]  # never called
    journal.publish_read([entry(seq) for seq in (1, 2, 3)])
    journal.publish_read([entry(seq) for seq in (8, 9)])
    assert [journal.recent(since) for since in (0, 3, 6)] == [None] * 3
    assert seqs(journal.recent(7) or []) == [8, 9] and journal.head == 9
    journal.note_oldest(8)
    journal.note_oldest(5)
    assert journal.oldest == 8


async def test_entries_that_were_committed_but_not_published_are_found(database: Database) -> None:
    async with database.open() as store:
        await add(store, 3)
        assert await store.read(store.journal.missing) == []
        other = Journal(Store.read)  # type: ignore[arg-type]  # never called
        assert await store.read(other.missing) == [], "nothing is known before it is loaded"
        await store.read(other.load)
        await add(store, 2)
        assert seqs(await store.read(other.missing)) == [4, 5]


async def test_a_restart_reads_head_epoch_and_ring_again(database: Database) -> None:
    async with database.open() as store:
        await add(store, 4)
        epoch, entries = store.journal.epoch, await store.journal.read(0)
        assert len(epoch) == 16
    async with database.open() as store:
        assert (store.journal.epoch, store.journal.head, store.journal.oldest) == (epoch, 4, 1)
        assert store.journal.recent(0) == entries
        await add(store, 1)
        assert store.journal.head == 5


async def test_two_databases_have_two_epochs(tmp_path: Path) -> None:
    async with (
        open_store(tmp_path / "a.db", HandClock()) as first,
        open_store(tmp_path / "b.db", HandClock()) as two,
    ):
        assert first.journal.epoch != two.journal.epoch


async def test_pruned_numbers_never_return(database: Database) -> None:
    async with database.open() as store:
        await add(store, 3)
        await store.write(lambda tx: tx.run("DELETE FROM journal"))
    async with database.open() as store:
        assert (store.journal.head, store.journal.oldest) == (3, 4)
        await add(store, 1)
        assert seqs(await store.journal.read(3)) == [4]


async def test_a_reader_at_the_head_gets_nothing_and_is_woken_by_the_next_commit(database: Database) -> None:
    async with database.open() as store:
        await add(store, 1)
        seen = store.journal.changed.count
        got: list[int] = []
        assert store.journal.recent(store.journal.head) == []

        async def follow() -> None:
            await store.journal.changed.wait_past(seen)
            got.extend(seqs(await store.journal.read(1)))

        with trio.fail_after(LIMIT_S):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(follow)
                await wait_all_tasks_blocked()
                assert got == []
                await add(store, 2)
        assert got == [2, 3]


async def test_a_commit_without_entries_wakes_no_reader(database: Database) -> None:
    async with database.open() as store:
        seen = store.journal.changed.count
        await store.write(lambda tx: tx.run("UPDATE meta SET value = value"))
        assert store.journal.changed.count == seen


async def test_who_watches_a_subject_is_notified_of_its_entries_alone(database: Database) -> None:
    async with database.open() as store:
        journal = store.journal
        with (
            journal.watching("clip:x") as mine,
            journal.watching("clip:x") as same,
            journal.watching("y") as other,
        ):
            await add(store, 2)
            with trio.fail_after(LIMIT_S):
                await mine.wait_past(0)
            assert (mine.count, same.count, other.count) == (2, 2, 0)
            journal.end_waits()
            assert (mine.count, other.count, journal.is_ending) == (3, 1, True)
        await add(store, 1)
        assert mine.count == 3
