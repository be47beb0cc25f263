"""The real process of a unit: sandboxed, at a low priority, replaced when it is lost."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
import trio

from appliance.box.datasets.cutting import worker as workers
from appliance.box.datasets.cutting.unit import cut_unit, run_unit
from appliance.box.datasets.cutting.worker import JobFailed, UnitWorker, open_unit_worker
from appliance.box.datasets.model import ClipJob, Unit, UnitResult
from appliance.workers.jobs import ProbeJob, SourceRange
from tests.kit.camera_films import Film, numbers_between, shown_in, write_film


def unit_in(folder: Path) -> Unit:
    source = write_film(folder / "camera.mp4")
    jobs = tuple(
        ClipJob(
            play_id=f"p{n}", camera="FAR_LEFT", start_s=n + 1.0, end_s=n + 2.5, path=str(folder / f"p{n}.mp4")
        )
        for n in range(2)
    )
    return Unit(game_id="g", camera="FAR_LEFT", source=str(source), jobs=jobs)


def test_a_unit_is_cut_by_a_sandboxed_process(tmp_path: Path) -> None:
    result = cut_unit(unit_in(tmp_path))
    for number, clip in enumerate(result.results):
        assert (clip.error, clip.detail) == (None, "")
        assert shown_in(clip.path).numbers == numbers_between(Film(), number + 1.0, number + 2.5)
    assert result.cpu_s > 0 and result.encoder_s > 0


def test_the_process_works_at_a_low_priority_and_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, int]] = []

    def note(worker: UnitWorker) -> float:
        assert worker._worker is not None
        pid = worker._worker.hello.pid
        seen.append((pid, os.getpriority(os.PRIO_PROCESS, pid)))
        return 0.0

    monkeypatch.setattr(UnitWorker, "cpu_s", note)
    cut_unit(unit_in(tmp_path))
    (pid, nice) = seen[-1]
    assert nice >= 15
    assert not Path(f"/proc/{pid}").exists()


async def test_a_lost_process_is_replaced(tmp_path: Path) -> None:
    film = os.open(write_film(tmp_path / "camera.mp4"), os.O_RDONLY)
    job = ProbeJob((SourceRange(0, 0, os.fstat(film).st_size),))
    async with open_unit_worker(None) as worker:
        first = await worker.run(job, [film])
        assert first.video is not None and first.video.frames == 300
        assert worker._worker is not None
        os.kill(worker._worker.hello.pid, signal.SIGKILL)
        with pytest.raises(JobFailed, match="lost"):
            await worker.run(job, [film])
        assert await worker.run(job, [film]) == first
        assert worker.cpu_s() > 0
    os.close(film)


async def test_a_job_that_takes_too_long_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    film = os.open(write_film(tmp_path / "camera.mp4"), os.O_RDONLY)
    monkeypatch.setattr(ProbeJob, "wall_s", 0.0)
    async with open_unit_worker(None) as worker:
        with pytest.raises(JobFailed, match="not done in 0 s"):
            await worker.run(ProbeJob((SourceRange(0, 0, 1000),)), [film])
    os.close(film)


def test_without_a_process_every_clip_says_so(tmp_path: Path) -> None:
    unit = unit_in(tmp_path)

    async def main() -> UnitResult:
        return await run_unit(unit, worker_socket=tmp_path / "gone.sock")

    assert {clip.error for clip in trio.run(main).results} == {"busy"}


def test_a_process_that_ended_has_no_more_cpu_time() -> None:
    assert workers._cpu_s_of(0) == 0.0
    assert workers._cpu_s_of(os.getpid()) > 0.0
