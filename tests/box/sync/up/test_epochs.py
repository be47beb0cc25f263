"""Copies and restores on either side: noticed, nothing dropped in silence, nothing deleted."""

from __future__ import annotations

import shutil
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from trio.testing import MockClock

from appliance.box.sync.up.state import begin_epoch, begin_snapshot
from appliance.kernel.errors import Refused
from appliance.kernel.store import open_store
from tests.box.sync.up.linked import Linked, box_resources, linked, make_things, resources_of
from tests.cloud.fleet.sending import OTHER_BOX
from tests.kit.box import add_session


async def test_a_cloud_that_was_set_back_gets_what_it_lost(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with linked(tmp_path) as both:
        await both.drain()
        for _ in range(3):
            await both.store.write(make_things)
        await both.drain()
        await both.cloud.store.write(_set_back_to(2))
        await both.store.write(make_things)
        await both.drain()
        await both.check_equal()
        assert [each["seq"] for each in (await both.in_cloud()).events] == list(range(1, 9))


def _set_back_to(seq: int) -> Any:
    """As an older copy of the hosted side's database."""

    def closure(tx: Any) -> None:
        sha256 = tx.value("SELECT sha256 FROM site_events WHERE seq = ?", (seq,))
        tx.run("DELETE FROM site_events WHERE seq > ?", (seq,))
        tx.run("DELETE FROM site_resources WHERE seq > ?", (seq,))
        tx.run("UPDATE site_epochs SET cursor = ?, cursor_sha256 = ?", (seq, sha256))

    return closure


async def test_a_cloud_that_lost_everything_gets_it_again(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with linked(tmp_path) as both:
        await both.store.write(make_things)
        await both.drain()
        await both.store.write(make_things)
        await both.drain()

        def emptied(tx: Any) -> None:
            for table in ("site_events", "site_resources", "site_epochs", "sites", "site_snapshots"):
                tx.run(f"DELETE FROM {table}")

        await both.cloud.store.write(emptied)
        await both.store.write(make_things)
        await both.drain()
        await both.check_equal()


async def test_a_cloud_from_before_the_epoch_takes_it_again(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    """Restored from a copy that knows only an earlier epoch: that is no other copy of the box."""
    async with linked(tmp_path) as both:
        await both.store.write(make_things)
        await both.drain()
        first = both.up.shown.state
        assert first is not None
        begin = partial(begin_epoch, url=first.url, box_id=first.box_id, reason="a test")
        both.up.shown.state = await both.store.write(begin)
        await both.drain()

        def before_the_second(tx: Any) -> None:
            tx.run("DELETE FROM site_epochs WHERE number = 2")
            tx.run("UPDATE site_epochs SET ended_us = NULL")
            tx.run("UPDATE sites SET epoch_number = 1")

        await both.cloud.store.write(before_the_second)
        await both.store.write(make_things)
        await both.drain()
        await both.check_equal()


async def test_a_box_that_was_set_back_begins_anew_and_nothing_is_deleted(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    """Its disk was set back to an earlier copy, and other things happened since."""
    async with linked(tmp_path) as both:
        await both.store.write(make_things)
        await both.drain()
        copy = copied(tmp_path)
        await both.store.write(make_things)
        lost = await both.store.write(make_things)
        await both.drain()
        async with older(copy, both) as again:
            await again.store.write(partial(add_session, name="Other"))
            await again.drain()
            resources = resources_of(await again.in_cloud())
            assert resources["session", lost]["name"] == "Game 2"
            missing = {row["id"] for row in (await again.in_cloud()).resources if row["missing_us"]}
            assert lost in missing
            site = await both.cloud.store.read(lambda tx: tx.one("SELECT * FROM sites"))
            assert site is not None and "set back" in site["trouble"]
            state = again.up.shown.state
            assert state is not None and state.reason.startswith("entry ")
        with pytest.raises(Refused) as refused:  # the first one, which still runs, learns it
            await both.store.write(make_things)
            await both.drain()
        assert refused.value.code == "epoch_superseded"
        admin = await both.cloud.holder("admin")  # the copy is stopped: this one is the true box
        await admin.post("/fleet/v1/sites/north/replace-box", {"box_id": both.client.box_id})
        await both.drain()
        state = both.up.shown.state
        assert state is not None and "let this box begin anew" in state.reason
        rows = (await both.in_cloud()).resources
        there = {(row["kind"], row["id"]) for row in rows if not row["missing_us"]}
        assert there == set(await both.store.read(box_resources))
        assert "lacks 1 resources" in (await admin.get("/fleet/v1/sites/north")).json["trouble"]


async def test_a_box_that_was_set_back_and_has_nothing_new_notices_it(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with linked(tmp_path) as both:
        await both.store.write(make_things)
        await both.drain()
        copy = copied(tmp_path)
        await both.store.write(make_things)
        await both.drain()
        async with older(copy, both) as again:
            await again.up.step()
            await again.drain()
            state = again.up.shown.state
            assert state is not None and "set back" in state.reason


def copied(folder: Path) -> Path:
    """A copy of the box's database."""
    copy = folder / "copy"
    copy.mkdir()
    for file in folder.glob("box.db*"):
        shutil.copy(file, copy / file.name)
    return copy


def older(folder: Path, both: Linked) -> Any:
    """A box on an older copy of the database, with the same cloud."""

    @asynccontextmanager
    async def opened() -> Any:
        async with open_store(folder / "box.db", both.clock, in_thread=False) as store:
            yield Linked(store, both.cloud, both.client, both.line, both.clock)

    return opened()


async def test_a_copy_on_another_machine_is_refused_until_an_admin_allows_it(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with linked(tmp_path) as both:
        await both.store.write(make_things)
        await both.drain()
        both.client.box_id = OTHER_BOX
        both.restart()
        with pytest.raises(Refused) as refused:
            await both.drain()
        assert refused.value.code == "other_box"
        admin = await both.cloud.holder("admin")
        await admin.post("/fleet/v1/sites/north/replace-box")
        await both.store.write(make_things)
        await both.drain()
        await both.check_equal()
        state = both.up.shown.state
        assert state is not None and "another machine" in state.reason


async def test_a_restored_database_begins_a_new_epoch(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with linked(tmp_path) as both:
        await both.store.write(make_things)
        await both.drain()
        await both.store.write(lambda tx: tx.run("UPDATE meta SET value = 'restored' WHERE key = 'epoch'"))
        both.restart()
        await both.drain()
        state = both.up.shown.state
        assert state is not None and "restored" in state.reason
        await both.check_equal()


@pytest.mark.parametrize("is_waiting", [False, True])
async def test_a_box_that_was_set_back_past_an_epoch_goes_on_once_an_admin_allows_it(
    autojump_clock: MockClock, tmp_path: Path, is_waiting: bool
) -> None:
    """No other copy runs; `is_waiting`: for a snapshot of the epoch that has ended."""
    async with linked(tmp_path) as both:
        await both.store.write(make_things)
        await both.drain()
        if is_waiting:
            await both.store.write(begin_snapshot)
        copy = copied(tmp_path)
        state = both.up.shown.state
        assert state is not None
        begin = partial(begin_epoch, url=state.url, box_id=state.box_id, reason="a test")
        both.up.shown.state = await both.store.write(begin)
        await both.drain()
        async with older(copy, both) as again:
            await again.store.write(make_things)
            with pytest.raises(Refused) as refused:
                await again.drain()
            assert refused.value.code == "epoch_superseded"
            admin = await both.cloud.holder("admin")
            assert "set back" in (await admin.get("/fleet/v1/sites/north")).json["trouble"]
            replaced = await admin.post("/fleet/v1/sites/north/replace-box", {"box_id": again.client.box_id})
            assert replaced.json["trouble"] == ""
            await again.drain()
            await again.check_equal()
            site = (await admin.get("/fleet/v1/sites/north")).json
            assert (site["epoch_number"], site["trouble"], site["box_id"]) == (3, "", again.client.box_id)


async def test_a_box_that_was_replaced_and_is_still_on_takes_nothing_from_the_next_one(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with linked(tmp_path) as both:
        await both.store.write(make_things)
        await both.drain()
        copy, old_id = copied(tmp_path), both.client.box_id
        admin = await both.cloud.holder("admin")
        replaced = (await admin.post("/fleet/v1/sites/north/replace-box")).json
        assert (replaced["box_id"], replaced["next_box_id"]) == (None, None)
        await both.store.write(make_things)
        with pytest.raises(Refused) as refused:  # it asks before the new one does
            await both.drain()
        assert (refused.value.code, refused.value.extra["is_replaced"]) == ("other_box", True)
        async with older(copy, both) as new:
            both.client.box_id = OTHER_BOX
            await new.drain()
            both.client.box_id = old_id
            with pytest.raises(Refused):
                await both.drain()
        site = (await admin.get("/fleet/v1/sites/north")).json
        assert (site["box_id"], site["trouble"]) == (OTHER_BOX, "")
        named = await admin.post("/fleet/v1/sites/north/replace-box", {"box_id": old_id})
        assert named.json["next_box_id"] == old_id
        both.restart()
        await both.drain()
        site = (await admin.get("/fleet/v1/sites/north")).json
        assert (site["box_id"], site["next_box_id"]) == (old_id, None)
