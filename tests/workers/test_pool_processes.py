"""workers/pool.py with real worker processes: killed, stopped, hung, orphaned."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import trio

from appliance.workers.jobs import FrameJob, ProbeJob, SourceRange, ThumbnailJob, TranscodeJob
from appliance.workers.pool import CheckedJpeg, JobFailed, Priority, WorkerPoolHandle, run_worker_pool
from tests.kit.waiting import LIMIT_S
from tests.workers.film import FRAMES, first_keyframe, grey, make_film, mean_luma, open_file

DEADLINE_S = LIMIT_S


@asynccontextmanager
async def pool_of(count: int) -> AsyncIterator[WorkerPoolHandle]:
    """A pool whose workers are ready. Leaving the block stops it."""
    with trio.fail_after(DEADLINE_S):
        async with trio.open_nursery() as nursery:
            pool: WorkerPoolHandle = await nursery.start(_start, count)
            await wait_for_workers(pool)
            yield pool
            nursery.cancel_scope.cancel()


async def _start(count: int, task_status: trio.TaskStatus[WorkerPoolHandle]) -> None:
    await run_worker_pool(count=count, task_status=task_status)


async def wait_for_workers(pool: WorkerPoolHandle) -> None:
    while not all(slot.up for slot in pool.statistics().slots):  # noqa: ASYNC110 - processes send no event
        await trio.sleep(0.005)


def pids(pool: WorkerPoolHandle) -> list[int]:
    return [slot.hello.pid for slot in pool.statistics().slots if slot.hello is not None]


@dataclass(frozen=True)
class Recording:
    job: ThumbnailJob
    descriptor: int


@pytest.fixture(scope="module")
def film() -> bytes:
    return make_film()


@pytest.fixture
def recording(film: bytes, tmp_path: Path) -> Recording:
    key = first_keyframe(film)
    job = ThumbnailJob(key.codec, key.extradata, 0, len(key.sample), 160)
    return Recording(job, open_file(tmp_path / "r.mp4", key.sample))


async def test_a_thumbnail_comes_back_checked(recording: Recording) -> None:
    async with pool_of(1) as pool:
        picture = await pool.thumbnail(recording.job, recording.descriptor)
    assert (picture.width, picture.height) == (160, 90)
    assert mean_luma(picture.data) == pytest.approx((grey(0) - 16) * 255 / 219, abs=4)


async def test_the_exact_frame_and_the_count_of_all_come_from_pieces(film: bytes, tmp_path: Path) -> None:
    descriptor = open_file(tmp_path / "film.mp4", film)
    pieces = (SourceRange(0, 0, len(film)),)
    async with pool_of(1) as pool:
        picture = await pool.frame(FrameJob(pieces, at_s=5 / 25 + 0.001), [descriptor])
        report = await pool.run(ProbeJob(pieces), [descriptor])
    assert mean_luma(picture.data) == pytest.approx((grey(5) - 16) * 255 / 219, abs=4)
    assert report.video is not None
    assert report.video.frames == FRAMES


async def test_garbage_fails_with_the_reason(tmp_path: Path) -> None:
    descriptor = open_file(tmp_path / "r.mp4", os.urandom(4000))
    async with pool_of(1) as pool:
        before = pids(pool)
        with pytest.raises(JobFailed) as failed:
            await pool.thumbnail(ThumbnailJob("h264", b"", 0, 4000), descriptor)
        assert failed.value.code == "bad_media"
        assert pids(pool) == before


async def test_a_worker_killed_in_the_middle_of_a_job_costs_only_time(recording: Recording) -> None:
    async with pool_of(1) as pool, trio.open_nursery() as nursery:
        pictures: list[CheckedJpeg] = []

        async def ask() -> None:
            pictures.append(await pool.thumbnail(recording.job, recording.descriptor))

        (victim,) = pids(pool)
        os.kill(victim, signal.SIGSTOP)  # so that it certainly has the job when it dies
        nursery.start_soon(ask)
        while not pool.statistics().slots[0].job:  # noqa: ASYNC110
            await trio.sleep(0.005)
        os.kill(victim, signal.SIGKILL)
        while not pictures:  # noqa: ASYNC110
            await trio.sleep(0.005)
        assert pids(pool) != [victim]
        assert pool.statistics().slots[0].last_loss == "killed by SIGKILL"


async def thumbnail_by_the_next(
    pool: WorkerPoolHandle, job: ThumbnailJob, recording: int, short: pytest.MonkeyPatch
) -> None:
    """A thumbnail after the worker was lost to a short limit: the next job has the usual limit."""
    async with trio.open_nursery() as asking:
        asking.start_soon(pool.thumbnail, job, recording)
        while not pool.statistics().slots[0].last_loss:  # noqa: ASYNC110  # processes send no event
            await trio.sleep(0.005)
        short.undo()


@pytest.mark.slow
async def test_a_stopped_worker_is_killed_at_the_deadline(
    recording: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ThumbnailJob, "wall_s", 0.2)
    async with pool_of(1) as pool:
        (victim,) = pids(pool)
        os.kill(victim, signal.SIGSTOP)
        await thumbnail_by_the_next(pool, recording.job, recording.descriptor, monkeypatch)
        assert pids(pool) != [victim]
        assert pool.statistics().slots[0].last_loss == "killed: not done in 0.2 s"
        with pytest.raises(ProcessLookupError):
            os.kill(victim, 0)


async def test_an_idle_worker_that_is_killed_is_replaced(recording: Recording) -> None:
    async with pool_of(1) as pool:
        (victim,) = pids(pool)
        os.kill(victim, signal.SIGKILL)
        while pids(pool) == [victim]:  # noqa: ASYNC110
            await trio.sleep(0.005)
        await pool.thumbnail(recording.job, recording.descriptor)


@pytest.mark.slow
async def test_stopping_leaves_no_process_not_even_a_stopped_one() -> None:
    async with pool_of(2) as pool:
        started = pids(pool)
        os.kill(started[1], signal.SIGSTOP)
    for pid in started:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


async def test_many_thumbnails_at_once_leave_no_descriptor(recording: Recording) -> None:
    async with pool_of(2) as pool:
        await pool.thumbnail(recording.job, recording.descriptor)
        before = len(os.listdir("/proc/self/fd"))
        async with trio.open_nursery() as nursery:
            for _ in range(30):
                nursery.start_soon(pool.thumbnail, recording.job, recording.descriptor)
        assert len(os.listdir("/proc/self/fd")) == before
        assert pool.statistics().done == 31


@pytest.mark.slow
async def test_a_transcode_comes_back_whole_and_a_full_output_is_an_io_failure(
    film: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = open_file(tmp_path / "film.mp4", film)
    output = os.open(tmp_path / "out.mp4", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
    job = TranscodeJob((SourceRange(0, 0, len(film)),), FRAMES, FRAMES / 25, "ultrafast", 23)
    async with pool_of(1) as pool:
        written = await pool.run(job, [source, output], Priority.BULK)
        assert (written.frames, written.size_bytes) == (FRAMES, os.fstat(output).st_size)
        report = await pool.run(ProbeJob((SourceRange(0, 0, written.size_bytes),)), [output])
        assert report.video is not None
        assert report.video.frames == FRAMES
        monkeypatch.setattr(TranscodeJob, "output_bytes", 2000)
        with pytest.raises(JobFailed) as failed:
            await pool.run(job, [source, output], Priority.BULK)
        assert failed.value.code == "io"
    os.close(source)
    os.close(output)
