"""The measurements behind the health parts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from appliance.kernel.follow import mark_pruned, place_cursor
from appliance.kernel.store import Store, StoreFull, open_store
from appliance.ops.health import Board
from appliance.ops.loopwatch import LoopWatch
from appliance.ops.measurements import DiskLimits, Measurements, disk_space, run_measurements
from appliance.ops.metrics import Metrics
from tests.kit.clock import HandClock

LIMITS = DiskLimits(0, 0)


async def start(
    nursery: trio.Nursery, store: Store, board: Board, folder: Path, metrics: Metrics
) -> Measurements:
    async def run(*, task_status: trio.TaskStatus[Measurements]) -> None:
        await run_measurements(
            store=store,
            loop=LoopWatch(),
            folders={"state": folder},
            limits=LIMITS,
            board=board,
            metrics=metrics,
            task_status=task_status,
        )

    measured = await nursery.start(run)
    assert isinstance(measured, Measurements)
    return measured


async def test_all_parts_are_there_and_good_from_the_start(tmp_path: Path) -> None:
    board, metrics = Board(), Metrics()
    async with open_store(tmp_path / "box.db", HandClock()) as store, trio.open_nursery() as nursery:
        measured = await start(nursery, store, board, tmp_path, metrics)
        parts = board.parts()
        assert set(parts) == {"store", "journal", "loop", "disk_state"}
        assert {part["status"] for part in parts.values()} == {"ok"}
        assert measured.trouble() is None and measured.wal_bytes > 0
        figures = metrics.render().decode()
        for name in (
            "loop_lag_seconds 0.0",
            "event_seq 0.0",
            "store_queue_depth 0.0",
            "disk_free_bytes{folder=",
        ):
            assert f"\n{name}" in figures
        nursery.cancel_scope.cancel()


async def test_a_reader_that_was_pruned_past_is_red(tmp_path: Path) -> None:
    board = Board()
    async with open_store(tmp_path / "box.db", HandClock()) as store, trio.open_nursery() as nursery:
        await store.write(lambda tx: place_cursor(tx, "scoring", 3))
        await store.write(lambda tx: mark_pruned(tx, 9))
        await start(nursery, store, board, tmp_path, Metrics())
        assert board.parts()["journal"]["status"] == "bad" and "scoring" in board.parts()["journal"]["detail"]
        nursery.cancel_scope.cancel()


async def test_a_full_disk_is_red_but_feeds_the_watchdog(tmp_path: Path, mock_clock: MockClock) -> None:
    """A restart would not free space, and marks made meanwhile would be lost."""
    board, metrics = Board(), Metrics()
    clock = HandClock()
    async with (
        open_store(tmp_path / "box.db", clock, in_thread=False) as store,
        trio.open_nursery() as nursery,
    ):
        measured = await start(nursery, store, board, tmp_path, metrics)

        async def full(closure: Callable[[Any], Any]) -> Any:
            raise StoreFull

        store.write = full  # type: ignore[method-assign]
        await trio.testing.wait_all_tasks_blocked()
        mock_clock.jump(1.5)
        await until_blocked(lambda: measured.probe_error != "")
        assert board.parts()["store"]["status"] == "bad"
        assert measured.trouble() is None
        nursery.cancel_scope.cancel()


async def until_blocked(condition: Callable[[], bool]) -> None:
    for _ in range(100):
        if condition():
            return
        await trio.testing.wait_all_tasks_blocked()
    raise AssertionError("the condition never came true")


def in_trio(measured: Measurements, now_s: float) -> str | None:
    async def ask() -> str | None:
        return measured.trouble()

    clock = MockClock()
    clock.jump(now_s)
    return trio.run(ask, clock=clock)


@pytest.mark.parametrize(
    ("lag_s", "silent_s", "says"),
    [(0.1, 9.0, None), (2.1, 0.0, "event loop stood still for 2.1 s"), (0.0, 11.0, "not answered for 11 s")],
)
def test_a_standing_loop_or_a_silent_store_is_trouble(
    lag_s: float, silent_s: float, says: str | None
) -> None:
    result = in_trio(Measurements(lag_s=lag_s, probe_s=0.1, answered_at_s=100.0), 100.0 + silent_s)
    if says is None:
        assert result is None
    else:
        assert result is not None and says in result


async def test_a_server_elsewhere_is_given_the_time_that_its_engine_takes_to_answer(tmp_path: Path) -> None:
    async with open_store(tmp_path / "cloud.db", HandClock()) as store, trio.open_nursery() as nursery:
        for is_shared, silent_s in ((False, 10.0), (True, 51.0)):
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(type(store.engine), "is_shared", is_shared)
                patch.setattr(type(store.engine), "answers_within_s", 50.0)
                measured = await start(nursery, store, Board(), tmp_path, Metrics())
            measured.answered_at_s = trio.current_time() - silent_s + 1
            assert measured.trouble() is None
            measured.answered_at_s -= 2
            assert measured.trouble() is not None
        nursery.cancel_scope.cancel()


def test_a_folder_that_is_not_there_says_why(tmp_path: Path) -> None:
    assert disk_space(tmp_path / "no").error == "No such file or directory"
    here = disk_space(tmp_path)
    assert 0 < here.free_bytes <= here.total_bytes
