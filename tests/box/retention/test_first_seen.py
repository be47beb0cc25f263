"""Recordings that existed before their channel: no setting deletes them within seconds."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from trio.testing import MockClock

from appliance.box.retention import store as rows
from appliance.box.retention.first_seen import FirstSeen, meet
from appliance.box.retention.health import retention_part
from tests.box.retention.disk import DAY_US, HOUR_US, NO_LIMITS, Disk
from tests.kit.box import add_channel, sim_store
from tests.kit.clock import HandClock

WEEK = replace(NO_LIMITS, raw_us=7 * DAY_US)
OLD_US = 30 * DAY_US


@pytest.fixture
async def disk(tmp_path: Path, autojump_clock: MockClock) -> AsyncIterator[Disk]:
    clock = HandClock()
    async with sim_store(tmp_path, clock) as store:
        await store.write(lambda tx: add_channel(tx, "cam1"))
        yield Disk(tmp_path, store, clock)


async def test_a_channel_added_for_a_folder_of_old_recordings_keeps_them_for_the_grace_period(
    disk: Disk,
) -> None:
    disk.record(HOUR_US)
    async with disk.kept(WEEK, grace_us=DAY_US):
        pass
    old = disk.record(OLD_US, channel="cam9")
    async with disk.kept(WEEK, grace_us=DAY_US) as handle:
        assert disk.removed == []
        part = retention_part(handle.figures())
        assert part.status == "warn" and "recordings of cam9" in part.detail, part
    disk.clock.advance(86_399)
    async with disk.kept(WEEK, grace_us=DAY_US) as handle:
        assert disk.removed == [], "a restart neither ends the wait nor begins it again"
        disk.clock.advance(1)
        await handle.look_now()
        assert disk.removed == [old] and handle.figures().waiting == ()


async def test_another_folder_of_recordings_waits_too(disk: Disk) -> None:
    disk.record(HOUR_US)
    async with disk.kept(WEEK, grace_us=DAY_US):
        pass
    disk.record(OLD_US)
    await disk.store.write(
        lambda tx: tx.run("UPDATE meta SET value = replace(value, ?, '/elsewhere')", (str(disk.root),))
    )
    async with disk.kept(WEEK, grace_us=DAY_US):
        assert disk.removed == []


async def test_a_first_start_needs_no_wait(disk: Disk) -> None:
    old = disk.record(OLD_US)
    async with disk.kept(WEEK, grace_us=DAY_US) as handle:
        assert disk.removed == [old] and handle.figures().waiting == ()


async def test_a_channel_of_the_file_that_comes_up_late_in_the_first_run_is_one_of_the_first_start(
    disk: Disk,
) -> None:
    async with disk.kept(WEEK, grace_us=DAY_US) as handle:
        await disk.store.write(lambda tx: tx.run("UPDATE channels SET in_config = 1"))
        old = disk.record(OLD_US)
        disk.clock.advance(601)
        await handle.look_now()
        await handle.look_now()
        assert handle.figures().waiting == () and disk.removed in ([], [old])
        assert await disk.store.read(rows.read_met) == FirstSeen(str(disk.recordings), {"cam1": 0})


def test_each_channel_is_met_once_in_each_folder() -> None:
    met = meet(None, "/a", ["one"], 5)
    assert met == FirstSeen("/a", {"one": 0})
    met = meet(met, "/a", ["one", "two"], 7)
    assert met.since_us == {"one": 0, "two": 7}
    assert met.waiting(7, HOUR_US) == {"two": 7} and met.waiting(7 + HOUR_US, HOUR_US) == {}
    assert meet(met, "/a", ["two"], 9) == met, "a channel that is away for a while is known"
    assert meet(met, "/b", ["one", "two"], 9).since_us == {"one": 9, "two": 9}
    assert meet(met, "/a", ["three"], 9, ["three", "four"]).since_us["three"] == 0, (
        "a first start, a bit later"
    )
    assert FirstSeen.from_json(met.to_json()) == met


def test_a_channel_met_while_the_clock_was_ahead_waits_from_when_the_clock_is_right() -> None:
    met = FirstSeen("/a", {"one": 0, "two": 900})
    met = meet(met, "/a", ["one", "two"], 100)
    assert met.since_us == {"one": 0, "two": 100} and met.waiting(100, 50) == {"two": 100}
    assert meet(met, "/a", ["two"], 150) == met and met.waiting(150, 50) == {}
