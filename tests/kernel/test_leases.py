"""Leases: one owner at a time, and the results of an earlier owner are refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from appliance.kernel.leases import (
    LEAST_S,
    LeaseLost,
    check_lease,
    holding_lease,
    release_lease,
    renew_lease,
    take_lease,
)
from appliance.kernel.sqlite.engine import on_disk
from appliance.kernel.store import Store
from appliance.kernel.tx import Tx
from tests.kit.box import sim_store
from tests.kit.databases import Database


def refuse_changes(store: Store) -> None:
    db = on_disk(store).db
    assert db is not None
    db.execute("PRAGMA query_only=ON")


async def age(store: Store) -> None:
    """Let the time of every lease pass."""
    await store.write(lambda tx: tx.run("UPDATE leases SET until_us = 1"))


async def test_one_owner_at_a_time_and_tokens_rise(database: Database) -> None:
    async with database.open() as store:
        first = await store.write(lambda tx: take_lease(tx, "schedule", "s1", "a"))
        assert first is not None and first.token == 1
        assert await store.write(lambda tx: take_lease(tx, "schedule", "s1", "b")) is None
        assert await store.write(lambda tx: take_lease(tx, "schedule", "s1", "a")) is None, "not twice either"
        other = await store.write(lambda tx: take_lease(tx, "schedule", "s2", "b"))
        assert other is not None and other.key == "schedule:s2:1"
        await age(store)
        second = await store.write(lambda tx: take_lease(tx, "schedule", "s1", "b"))
        assert second is not None and (second.owner, second.token) == ("b", 2)


async def test_a_result_of_an_earlier_owner_does_not_count(database: Database) -> None:
    async with database.open() as store:
        first = await store.write(lambda tx: take_lease(tx, "job", "j", "a"))
        assert first is not None

        def result(tx: Tx) -> None:
            tx.insert("meta", {"key": "result", "value": "of a"})
            check_lease(tx, first)

        await age(store)
        await store.write(lambda tx: check_lease(tx, first))  # ended, but no other process has taken it
        await store.write(lambda tx: take_lease(tx, "job", "j", "b"))
        for late in (result, lambda tx: renew_lease(tx, first)):
            with pytest.raises(LeaseLost):
                await store.write(late)
        await store.write(lambda tx: release_lease(tx, first))
        assert await store.write(lambda tx: take_lease(tx, "job", "j", "a")) is None, "b still has it"
        assert await store.read(lambda tx: tx.value("SELECT value FROM meta WHERE key = 'result'")) is None


async def test_a_renewed_lease_ends_later_and_a_released_one_is_free_at_once(database: Database) -> None:
    async with database.open() as store:
        lease = await store.write(lambda tx: take_lease(tx, "job", "j", "a"))
        assert lease is not None
        renewed = await store.write(lambda tx: renew_lease(tx, lease, for_s=100))
        assert renewed.until_us > lease.until_us and renewed.token == lease.token
        shorter = await store.write(lambda tx: renew_lease(tx, renewed))
        assert shorter.until_us == renewed.until_us, "never earlier"
        await store.write(lambda tx: release_lease(tx, lease))
        after = await store.write(lambda tx: take_lease(tx, "job", "j", "b"))
        assert after is not None and after.token == 2


async def test_a_lease_shorter_than_30_seconds_is_refused(database: Database) -> None:
    async with database.open() as store:
        with pytest.raises(ValueError, match="at least"):
            await store.write(lambda tx: take_lease(tx, "job", "j", "a", for_s=LEAST_S - 1))


async def test_a_held_lease_is_renewed_and_released_at_the_end_of_the_block(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with sim_store(tmp_path) as store:
        async with holding_lease(store, "job", "j", "a") as lease:
            assert lease is not None
            await trio.sleep(10 * LEAST_S)
            assert await store.write(lambda tx: take_lease(tx, "job", "j", "b")) is None
            async with holding_lease(store, "job", "j", "b") as second:
                assert second is None
        assert await store.write(lambda tx: take_lease(tx, "job", "j", "b")) is not None


async def test_when_a_lease_is_lost_its_block_is_cancelled(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with sim_store(tmp_path) as store:
        with pytest.raises(LeaseLost):
            async with holding_lease(store, "job", "j", "a"):
                await age(store)
                await store.write(lambda tx: take_lease(tx, "job", "j", "b", for_s=1000))
                await trio.sleep_forever()
        assert await store.write(lambda tx: take_lease(tx, "job", "j", "c")) is None, "b still has it"


async def test_a_lease_that_cannot_be_renewed_in_time_counts_as_lost(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """The block ends before another process may take the lease."""
    async with sim_store(tmp_path) as store:
        began_s = trio.current_time()
        with pytest.raises(LeaseLost):
            async with holding_lease(store, "job", "j", "a"):
                refuse_changes(store)
                await trio.sleep_forever()
        assert trio.current_time() - began_s < LEAST_S


async def test_a_renewal_that_hangs_does_not_prolong_the_block(
    tmp_path: Path, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with sim_store(tmp_path) as store:
        began_s = trio.current_time()
        ended_s = 0.0
        write = store.write

        async def slow(closure: Callable[[Tx], Any]) -> Any:
            with trio.CancelScope(shield=True):  # as the wait for a COMMIT is
                await trio.sleep(4 * LEAST_S)
            return await write(closure)

        with pytest.raises(LeaseLost):
            async with holding_lease(store, "job", "j", "a"):
                monkeypatch.setattr(store, "write", slow)
                try:
                    await trio.sleep(10 * LEAST_S)
                finally:
                    ended_s = trio.current_time()
        assert ended_s - began_s == pytest.approx(LEAST_S)
