"""Copies of the database: made when it changed, complete, and limited in number."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from appliance.kernel.actor import running
from appliance.kernel.rescue import is_good
from appliance.kernel.tx import Tx
from appliance.kernel.witness import read_witness
from appliance.ops import snapshots
from appliance.ops.snapshots import EVERY_S, KEEP, run_snapshots, snapshot_files
from tests.kit.box import in_the_loop, sim_store
from tests.kit.clock import HandClock


async def test_each_ten_minutes_in_which_something_changed_leave_a_copy(
    tmp_path: Path, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trio.to_thread, "run_sync", in_the_loop)
    clock, folder = HandClock(), tmp_path / "copies"
    async with (
        sim_store(tmp_path, clock) as store,
        running("snapshots", run_snapshots, store=store, clock=clock, site_id="x", folder=folder) as handle,
    ):
        for number in range(KEEP + 2):
            await store.write(lambda tx: tx.append("noted", "x", {}))
            await trio.sleep(EVERY_S + 10)
            clock.advance(EVERY_S + 10)
            assert len(snapshot_files(folder)) == min(number + 1, KEEP)
        before = snapshot_files(folder)
        await trio.sleep(3 * EVERY_S)
        assert snapshot_files(folder) == before, "nothing changed"
        assert all(map(is_good, before)) and not list(folder.glob("*.tmp"))
        witness = read_witness(tmp_path)
        assert witness is not None and (witness.site_id, witness.head) == ("x", store.journal.head)
        assert handle.part(store.journal.head).status == "ok"


async def test_a_disk_that_refuses_copies_is_reported_and_ends_nothing(tmp_path: Path) -> None:
    (tmp_path / "copies").write_text("a file where a folder should be")
    async with sim_store(tmp_path, HandClock()) as store:
        with pytest.raises(OSError):
            await snapshots.take_snapshot(store, tmp_path / "copies" / "box-1.db", "x")
        handle = snapshots.Snapshots(trio.current_time())
        await snapshots._copy(store, HandClock(), tmp_path / "copies", "x", handle)
        assert handle.part(1).status == "warn" and "copies" in handle.part(1).detail


async def test_the_copies_of_another_site_on_the_same_disk_stay(tmp_path: Path) -> None:
    async with sim_store(tmp_path, HandClock()) as store:
        for number in range(6):
            site = "xy"[number % 2]
            await store.write(partial(name_site, site=site))
            await snapshots.take_snapshot(store, tmp_path / "copies" / f"box-{number}.db", site)
        for number in (6, 7, 8):
            await store.write(partial(name_site, site="x"))
            await snapshots.take_snapshot(store, tmp_path / "copies" / f"box-{number}.db", "x")
    numbers = [path.stem for path in snapshot_files(tmp_path / "copies")]
    assert numbers == ["box-8", "box-7", "box-6", "box-5", "box-3", "box-1"]
    assert [path.stem for path in snapshot_files(tmp_path / "copies", "y")] == ["box-5", "box-3", "box-1"]


def name_site(tx: Tx, site: str) -> None:
    tx.run("INSERT OR REPLACE INTO meta VALUES ('site_id', ?)", (site,))
