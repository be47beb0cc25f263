"""A wall-clock step is reported once, and box time follows it only when no session runs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import structlog
import trio
from trio.testing import MockClock

from appliance.kernel import clock as clock_module
from appliance.kernel import json
from appliance.kernel.clock import BoxClock
from appliance.kernel.store import Store, open_store
from appliance.ops.clockwatch import adopt_clock, run_clock_watch
from tests.kit.unanswered import lose_first_answers

START_US = 1_795_203_000_000_000


class Wall:
    us = START_US


@pytest.fixture
def wall(monkeypatch: pytest.MonkeyPatch) -> Wall:
    wall = Wall()
    monkeypatch.setattr(clock_module, "boottime_us", lambda: 1_000_000)
    monkeypatch.setattr(clock_module, "wall_us", lambda: wall.us)
    monkeypatch.setattr(clock_module, "boot_id", lambda: "boot-1")
    return wall


@asynccontextmanager
async def watched(path: Path) -> AsyncIterator[tuple[Store, BoxClock]]:
    clock = BoxClock.start(None, None)
    async with open_store(path / "box.db", clock, in_thread=False) as store:
        await adopt_clock(store, clock)
        async with trio.open_nursery() as nursery:

            async def watch(*, task_status: trio.TaskStatus[None]) -> None:
                await run_clock_watch(store=store, clock=clock, task_status=task_status)

            await nursery.start(watch)
            yield store, clock
            nursery.cancel_scope.cancel()


async def session(store: Store, status: str) -> None:
    row = ("s1", "Game", "game", status, 1, "hash", "local", 1, 1)
    names = "id, name, type, status, all_channels, request_hash, created_by, created_us, updated_us"
    await store.write(
        lambda tx: tx.run(f"INSERT OR REPLACE INTO sessions ({names}) VALUES (?,?,?,?,?,?,?,?,?)", row)
    )


async def steps(store: Store) -> list[float]:
    return [
        json.decode(each.event)["by_s"] for each in await store.journal.read(0) if each.type == "clock_step"
    ]


async def passes(seconds: float, condition: Callable[[], bool] = lambda: True) -> None:
    await trio.sleep(seconds)
    assert condition()


async def test_without_a_session_box_time_follows(
    tmp_path: Path, wall: Wall, autojump_clock: MockClock
) -> None:
    async with watched(tmp_path) as (store, clock):
        wall.us += 5_000_000
        with structlog.testing.capture_logs():
            await passes(3)
        assert await steps(store) == [5.0]
        assert clock.now_us() == wall.us
        stored = await store.read(lambda tx: tx.value("SELECT value FROM meta WHERE key = 'clock_offset_us'"))
        assert int(stored) == clock.offset_us


async def test_during_a_session_box_time_stays_and_the_step_is_reported_once(
    tmp_path: Path, wall: Wall, autojump_clock: MockClock
) -> None:
    async with watched(tmp_path) as (store, clock):
        await session(store, "active")
        wall.us -= 3_600_000_000
        with structlog.testing.capture_logs() as logs:
            await passes(10)
            assert await steps(store) == [-3600.0]
            assert clock.now_us() == START_US
            assert [line["event"] for line in logs] == ["wall_clock_stepped"]
            await session(store, "completed")
            await passes(2)
        assert clock.now_us() == wall.us
        assert await steps(store) == [-3600.0], "following is no second step"


async def test_a_second_step_is_reported_too(tmp_path: Path, wall: Wall, autojump_clock: MockClock) -> None:
    async with watched(tmp_path) as (store, _clock):
        await session(store, "paused")
        with structlog.testing.capture_logs():
            wall.us += 2_000_000
            await passes(2)
            wall.us += 2_000_000
            await passes(2)
        assert await steps(store) == [2.0, 4.0]


async def test_one_whose_commit_is_not_answered_is_reported_once(
    tmp_path: Path, wall: Wall, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    lose_first_answers(monkeypatch)
    async with watched(tmp_path) as (store, clock):
        wall.us += 5_000_000
        with structlog.testing.capture_logs():
            await passes(3)
        assert await steps(store) == [5.0] and clock.now_us() == wall.us


async def test_half_a_second_is_no_step(tmp_path: Path, wall: Wall, autojump_clock: MockClock) -> None:
    async with watched(tmp_path) as (store, clock):
        wall.us += 500_000
        await passes(5)
        assert await steps(store) == [] and clock.now_us() == START_US


async def test_a_restart_of_the_same_boot_keeps_box_time(
    tmp_path: Path, wall: Wall, autojump_clock: MockClock
) -> None:
    async with watched(tmp_path) as (store, _):
        await session(store, "active")
    wall.us += 400_000
    async with watched(tmp_path) as (_, clock):
        assert clock.now_us() == START_US
