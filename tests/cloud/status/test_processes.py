"""The rows of processes: who runs, who is gone, how far behind the journal each is."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from appliance.cloud.status.processes import BEAT_S, GONE_US, KEEP_US, beat, leave, list_processes, run_beats
from appliance.kernel.clock import S_US
from appliance.kernel.errors import Unavailable
from appliance.kernel.store import Store
from tests.cloud.conftest import Cloud
from tests.kit.box import sim_store
from tests.kit.clock import HandClock


def advance(cloud: Cloud, seconds: float) -> None:
    assert isinstance(cloud.clock, HandClock)
    cloud.clock.advance(seconds)


async def sign(store: Store, name: str, seq: int = 0) -> None:
    await store.write(partial(beat, name=name, version="1", journal_seq=seq))


async def alive(store: Store) -> dict[str, bool]:
    return {row["name"]: row["is_alive"] for row in await store.read(list_processes)}


async def test_a_process_without_a_sign_is_gone_and_forgotten_after_a_day(cloud: Cloud) -> None:
    await sign(cloud.store, "first")
    advance(cloud, GONE_US / S_US)
    await sign(cloud.store, "second")
    assert await alive(cloud.store) == {"first": False, "second": True}
    await sign(cloud.store, "first")
    assert await alive(cloud.store) == {"first": True, "second": True}
    await cloud.store.write(partial(leave, name="second"))
    advance(cloud, KEEP_US / S_US + 1)
    await sign(cloud.store, "third")
    assert await alive(cloud.store) == {"third": True}


async def test_lag_is_the_age_of_the_first_entry_that_was_not_read(cloud: Cloud) -> None:
    for _ in range(2):
        await cloud.store.write(lambda tx: tx.append("x", "x:1", {}))
        advance(cloud, 3)
    await sign(cloud.store, "late", seq=1)
    await sign(cloud.store, "there", seq=2)
    rows = {row["name"]: row for row in await cloud.store.read(list_processes)}
    assert (rows["late"]["lag_s"], rows["there"]["lag_s"]) == (3.0, 0.0)
    assert rows["late"]["journal_seq"] == 1 and rows["late"]["version"] == "1"


async def test_a_row_is_written_again_and_again_and_ends_with_its_process(
    tmp_path: Path, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with sim_store(tmp_path) as store:
        async with trio.open_nursery() as nursery:
            await nursery.start(partial(run_beats, store, "one", "1"))
            (row,) = await store.read(list_processes)
            await trio.sleep(3 * BEAT_S)
            (later,) = await store.read(list_processes)
            assert later["started_at"] == row["started_at"] < later["seen_at"]
            real = store.write

            async def away(closure: object) -> None:
                raise Unavailable("storage_unavailable", "the database is away")

            monkeypatch.setattr(store, "write", away)
            await trio.sleep(10 * BEAT_S)
            assert await alive(store) == {"one": False}
            monkeypatch.setattr(store, "write", real)
            await trio.sleep(2 * BEAT_S)
            assert await alive(store) == {"one": True}
            nursery.cancel_scope.cancel()
        assert await alive(store) == {}
