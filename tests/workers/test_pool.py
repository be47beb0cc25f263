"""workers/pool.py with fake units: order, limits, deadlines, losses. Time is simulated."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import trio

from appliance.kernel.errors import Unavailable
from appliance.workers import queue
from appliance.workers.jobs import EscapeReport, SelfcheckJob
from appliance.workers.pool import JobFailed, Priority, WorkerPoolHandle, run_worker_pool
from appliance.workers.protocol import Json
from tests.workers.fake_unit import Behaviour, Connection, FakeUnit, answer_everything

JOB = SelfcheckJob(9, "/nowhere")
CANNOT = EscapeReport(connected=False, opened=False)


@dataclass
class Scene:
    pool: WorkerPoolHandle
    units: list[FakeUnit]


@asynccontextmanager
async def scene(directory: Path, behaviour: Behaviour, *, workers: int = 1) -> AsyncIterator[Scene]:
    units = [FakeUnit(directory, number + 1) for number in range(workers)]
    async with trio.open_nursery() as nursery:
        for unit in units:
            nursery.start_soon(_listen, unit, behaviour)
        await trio.testing.wait_all_tasks_blocked()
        pool = await nursery.start(_start_pool, workers, directory)
        yield Scene(pool, units)
        nursery.cancel_scope.cancel()


async def _listen(unit: FakeUnit, behaviour: Behaviour) -> None:
    with unit.listening() as listener:
        await unit.serve(listener, behaviour)


async def _start_pool(
    workers: int, directory: Path, task_status: trio.TaskStatus[WorkerPoolHandle] = trio.TASK_STATUS_IGNORED
) -> None:
    await run_worker_pool(count=workers, socket_dir=directory, task_status=task_status)


async def hang(connection: Connection) -> None:
    """Accepts the job and never answers."""
    await connection.next_request()
    await connection.gone()


async def test_a_job_is_answered(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    async with scene(tmp_path, answer_everything) as now:
        assert await now.pool.run(JOB, []) == CANNOT
        assert now.pool.statistics().done == 1
        assert now.pool.statistics().slots[0].up


async def test_a_job_lost_once_is_done_by_a_fresh_worker(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async def dies_first(connection: Connection) -> None:
        if connection.number == 1:
            await connection.next_request()
        else:
            await answer_everything(connection)

    async with scene(tmp_path, dies_first) as now:
        assert await now.pool.run(JOB, []) == CANNOT
        assert now.units[0].connections == 2
        assert now.pool.statistics().lost == 1


async def test_a_poison_job_fails_with_the_reason_and_the_next_one_is_served(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async def dies_twice(connection: Connection) -> None:
        if connection.number <= 2:
            await connection.next_request()
        else:
            await answer_everything(connection)

    async with scene(tmp_path, dies_twice) as now:
        with pytest.raises(JobFailed, match="2 workers were lost on it: the worker unit ended") as failed:
            await now.pool.run(JOB, [])
        assert failed.value.code == "job_lost"
        assert await now.pool.run(JOB, []) == CANNOT


async def test_a_hanging_worker_is_hung_up_on_at_the_deadline(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async with scene(tmp_path, hang) as now:
        began = trio.current_time()
        with pytest.raises(JobFailed, match=f"not done in {JOB.wall_s:g} s"):
            await now.pool.run(JOB, [])
        assert trio.current_time() - began == pytest.approx(2 * JOB.wall_s)


@pytest.mark.parametrize(
    "nonsense",
    [
        b"not json",
        b"[]",
        b"[" * 60_000,
        b'{"id": 999, "result": {}}',
        b'{"id": true, "result": {}}',
        b'{"id": 1, "error": {"code": "made up", "detail": ""}}',
        b'{"id": 1, "result": {"connected": "no", "opened": false}}',
        b" " * 65_537,
    ],
)
async def test_an_invalid_answer_of_a_worker_is_refused(
    tmp_path: Path, autojump_clock: trio.testing.MockClock, nonsense: bytes
) -> None:
    async def talks_nonsense(connection: Connection) -> None:
        await connection.next_request()
        await connection.socket.send(nonsense)
        await connection.gone()

    async with scene(tmp_path, talks_nonsense) as now:
        with pytest.raises(JobFailed) as failed:
            await now.pool.run(JOB, [])
        assert failed.value.code == "job_lost"


async def test_a_failure_the_worker_reports_is_not_tried_again(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async def refuses(connection: Connection) -> None:
        while (request := await connection.next_request()) is not None:
            await connection.say({"id": request.id, "error": {"code": "bad_media", "detail": "no picture"}})

    async with scene(tmp_path, refuses) as now:
        with pytest.raises(JobFailed, match="bad_media: no picture"):
            await now.pool.run(JOB, [])
        assert now.units[0].connections == 1
        assert now.pool.statistics().failed == 1


async def test_an_idle_worker_that_dies_costs_no_job_an_attempt(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    """Two deaths while idle and one during the job: one attempt is left for it."""

    async def moody(connection: Connection) -> None:
        if connection.number == 3:
            await connection.next_request()
        elif connection.number > 3:
            await answer_everything(connection)

    async with scene(tmp_path, moody) as now:
        await trio.testing.wait_all_tasks_blocked()
        assert now.units[0].connections == 3
        assert await now.pool.run(JOB, []) == CANNOT
        assert now.pool.statistics().lost == 3


async def test_workers_that_keep_dying_are_restarted_ever_more_slowly(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async def dies_at_once(connection: Connection) -> None:
        pass

    async with scene(tmp_path, dies_at_once) as now:
        await trio.sleep(60)
        assert 10 < now.units[0].connections < 100


async def test_without_any_worker_callers_are_reported_so_and_served_when_one_comes(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    (tmp_path / "1.sock").touch()  # without a listener
    async with trio.open_nursery() as nursery:
        pool: WorkerPoolHandle = await nursery.start(_start_pool, 1, tmp_path)
        with pytest.raises(Unavailable, match=r"do not start: 1\.sock: Connection refused"):
            await pool.run(JOB, [])
        with pytest.raises(Unavailable, match="do not start"):
            await pool.run(JOB, [])
        (tmp_path / "1.sock").unlink()
        unit = FakeUnit(tmp_path)
        nursery.start_soon(_listen, unit, answer_everything)
        await trio.sleep(10)  # the longest delay between two starts is 5 s
        assert pool.statistics().slots[0].up
        assert await pool.run(JOB, []) == CANNOT
        nursery.cancel_scope.cancel()


async def test_live_work_goes_before_bulk_and_one_worker_stays_free_for_it(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    running = trio.Event()
    go_on = trio.Event()

    async def slow_bulk(connection: Connection) -> None:
        while (request := await connection.next_request()) is not None:
            if request.args["port"] == 1:
                running.set()
                await go_on.wait()
            await connection.say({"id": request.id, "result": {"connected": False, "opened": False}})

    async with scene(tmp_path, slow_bulk, workers=2) as now, trio.open_nursery() as bulk:
        for _ in range(40):
            bulk.start_soon(now.pool.run, SelfcheckJob(1, ""), [], Priority.BULK)
        await running.wait()
        for _ in range(5):
            assert await now.pool.run(JOB, []) == CANNOT
        assert now.pool.statistics().waiting_bulk == 39
        go_on.set()


async def test_with_one_worker_a_live_job_waits_for_one_bulk_job_only(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    seen: list[object] = []

    async def notes(connection: Connection) -> None:
        while (request := await connection.next_request()) is not None:
            seen.append(request.args["port"])
            await trio.sleep(1)
            await connection.say({"id": request.id, "result": {"connected": False, "opened": False}})

    async with scene(tmp_path, notes) as now, trio.open_nursery() as bulk:
        for port in (1, 2, 3):
            bulk.start_soon(now.pool.run, SelfcheckJob(port, ""), [], Priority.BULK)
        await trio.sleep(0.5)
        assert len(seen) == 1
        await now.pool.run(SelfcheckJob(100, ""), [])
        assert seen[1] == 100


async def test_a_full_line_refuses(
    tmp_path: Path, autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(queue._BOUNDS, Priority.LIVE, 3)
    async with scene(tmp_path, hang) as now, trio.open_nursery() as callers:
        for _ in range(4):
            callers.start_soon(now.pool.run, JOB, [])
            await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(Unavailable, match="3 live jobs wait already"):
            await now.pool.run(JOB, [])
        callers.cancel_scope.cancel()


async def test_a_cancelled_caller_leaves_the_line(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async with scene(tmp_path, hang) as now, trio.open_nursery() as callers:
        callers.start_soon(now.pool.run, JOB, [])
        await trio.testing.wait_all_tasks_blocked()
        with trio.move_on_after(0.1):
            await now.pool.run(JOB, [])
        assert now.pool.statistics().waiting_live == 0
        callers.cancel_scope.cancel()


async def test_cancelled_bulk_work_is_stopped_at_once(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    stopped: list[float] = []

    async def notes(connection: Connection) -> None:
        await hang(connection)
        stopped.append(trio.current_time())

    async with scene(tmp_path, notes) as now:
        await trio.testing.wait_all_tasks_blocked()
        began = trio.current_time()
        with trio.move_on_after(1):
            await now.pool.run(JOB, [], Priority.BULK)
        await trio.testing.wait_all_tasks_blocked()
        assert stopped == [pytest.approx(began + 1)]


async def test_no_descriptor_is_kept_whatever_happens(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async def all_sorts(connection: Connection) -> None:
        while (request := await connection.next_request()) is not None:
            if connection.number % 2:
                return
            await connection.say({"id": request.id, "result": {"connected": False, "opened": False}})

    read_end, write_end = os.pipe()
    async with scene(tmp_path, all_sorts) as now:
        await now.pool.run(JOB, [read_end, write_end])
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(5):
            await now.pool.run(JOB, [read_end, write_end])
        assert len(os.listdir("/proc/self/fd")) == before
    os.close(read_end)
    os.close(write_end)


async def test_progress_is_passed_on(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    async def in_steps(connection: Connection) -> None:
        while (request := await connection.next_request()) is not None:
            for share in (0.25, 0.5):
                await connection.say({"id": request.id, "progress": share})
            answer: Json = {"connected": False, "opened": False}
            await connection.say({"id": request.id, "result": answer})

    received: list[float] = []
    async with scene(tmp_path, in_steps) as now:
        await now.pool.run(JOB, [], Priority.BULK, received.append)
    assert received == [0.25, 0.5]


async def test_stopping_ends_waiting_and_running_jobs(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    ended: list[str] = []

    async def caller(pool: WorkerPoolHandle) -> None:
        try:
            await pool.run(JOB, [])
        except Unavailable as exc:
            ended.append(exc.code)

    async with trio.open_nursery() as outer, scene(tmp_path, hang) as now:
        for _ in range(3):
            outer.start_soon(caller, now.pool)
        await trio.testing.wait_all_tasks_blocked()
    assert ended == ["stopping"] * 3
