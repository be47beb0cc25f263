"""When a new epoch begins, and where the cursor stands."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from appliance.box.sync.up.state import (
    CURSOR,
    begin_snapshot,
    end_snapshot,
    ensure_state,
    forget,
    move,
    read_state,
)
from appliance.kernel.follow import find_cursor, mark_pruned
from tests.box.sync.up.linked import make_entries
from tests.kit.box import sim_store

ensure = partial(ensure_state, url="https://a", box_id="b1")


async def test_it_stays_until_cloud_machine_or_database_is_another(tmp_path: Path) -> None:
    async with sim_store(tmp_path) as store:
        await store.write(partial(make_entries, count=5))
        first = await store.write(ensure)
        assert (first.acked, first.snapshot_seq, first.reason) == (5, 5, "the first connection to this cloud")
        assert await store.write(ensure) == first
        for words, url, box_id in (("url", "https://b", "b1"), ("machine", "https://b", "b2")):
            again = await store.write(partial(ensure_state, url=url, box_id=box_id))
            assert words in again.reason and again.epoch != first.epoch
        await store.write(lambda tx: tx.run("UPDATE meta SET value = 'x' WHERE key = 'epoch'"))
        restored = await store.write(partial(ensure_state, url="https://b", box_id="b2"))
        assert "restored" in restored.reason


async def test_the_cursor_moves_with_what_was_acknowledged(tmp_path: Path) -> None:
    async with sim_store(tmp_path) as store:
        await store.write(partial(make_entries, count=5))
        state = await store.write(ensure)
        await store.write(end_snapshot)
        await store.write(partial(make_entries, count=5))
        moved = await store.write(partial(move, state=state, seq=9, sha256="f"))
        assert (moved.acked, moved.acked_sha256) == (9, "f")
        back = await store.write(partial(move, state=state, seq=7, sha256=""))
        read = await store.read(read_state)
        assert read is not None and (read.acked, read.acked_sha256, read.snapshot_seq) == (7, "", None)
        assert back.acked == 7


async def test_a_cursor_whose_entries_were_pruned_waits_for_a_snapshot(tmp_path: Path) -> None:
    async with sim_store(tmp_path) as store:
        await store.write(ensure)
        await store.write(end_snapshot)
        await store.write(partial(make_entries, count=5))
        await store.write(partial(mark_pruned, oldest=4))
        state = await store.read(read_state)
        assert state is not None and state.snapshot_seq == 0
        assert await store.write(begin_snapshot) == 5
        cursor = await store.read(partial(find_cursor, name=CURSOR))
        assert cursor is not None and (cursor.seq, cursor.needs_resync) == (5, False)


@pytest.mark.parametrize("times", [1, 2])
async def test_without_a_cloud_nothing_is_kept_for_it(tmp_path: Path, times: int) -> None:
    async with sim_store(tmp_path) as store:
        await store.write(ensure)
        for _ in range(times):
            await store.write(forget)
        assert await store.read(read_state) is None
        assert await store.read(partial(find_cursor, name=CURSOR)) is None
