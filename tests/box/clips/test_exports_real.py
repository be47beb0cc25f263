"""Exports with real workers over MediaMTX's recordings: the result is decoded and compared."""

from __future__ import annotations

import io
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import av
import pytest
import trio

from appliance.box.clips.cutting.exports import BadExport, Exports
from appliance.box.clips.cutting.media_jobs import opened
from appliance.box.clips.files.delivery import ClipDelivery
from appliance.box.clips.model import ClipIn
from appliance.box.clips.records import cut_states as cuts
from appliance.box.clips.records import marks
from appliance.box.wiring import media
from appliance.box.wiring.media import PoolJobs, transcode_job
from appliance.kernel.store import Store
from appliance.kernel.tx import Tx
from appliance.media.cut.frames import plan_frame
from appliance.media.cut.plan import Plan, make_plan
from appliance.media.mp4.codecs import DECODER_OF_SAMPLE_ENTRY
from appliance.workers.jobs import SourceRange, ThumbnailJob, TranscodeJob
from appliance.workers.pool import JobFailed, Priority, WorkerPoolHandle, run_worker_pool
from tests.kit.box import COACH, add_channel, add_session, mark_rules, sim_store
from tests.kit.clock import HandClock
from tests.kit.fmp4_file import Recordings
from tests.kit.hand_footage import HandFootage
from tests.kit.waiting import LIMIT_S
from tests.media.test_plan_real import key_us, recordings_of
from tests.workers.film import FRAMES, make_film, open_file

pytestmark = pytest.mark.slow  # each test starts worker processes: 0.3 s and more
DEADLINE_S = 2 * LIMIT_S


class Disk(HandFootage):
    """The recordings' folder; every call opens a new descriptor."""

    def __init__(self, recordings: Recordings) -> None:
        super().__init__()
        self.folder = recordings.folder

    def open_fd(self, name: str) -> int:
        return os.open(self.folder / name, os.O_RDONLY)


@asynccontextmanager
async def pool_of(count: int) -> AsyncIterator[WorkerPoolHandle]:
    with trio.fail_after(DEADLINE_S):
        async with trio.open_nursery() as nursery:
            pool: WorkerPoolHandle = await nursery.start(partial(run_worker_pool, count=count))
            yield pool
            nursery.cancel_scope.cancel()


@dataclass
class Desk:
    store: Store
    exports: Exports
    plan: Plan
    recordings: Recordings

    async def job(self, mode: str) -> cuts.Job:
        """A clip of the plan's span, claimed."""

        def make(tx: Tx) -> cuts.Job:
            session_id = str(tx.value("SELECT id FROM sessions"))
            body = ClipIn.model_validate(
                {"session_id": session_id, "channel_id": "cam1", "duration_seconds": 1, "mode": mode}
            )
            marks.create_clip(tx, COACH, mark_rules(), body)
            job = cuts.claim(tx, cuts.waiting_jobs(tx)[0])
            assert job is not None
            return job

        return await self.store.write(make)

    async def path(self, job: cuts.Job) -> Path:
        name = await self.store.read(
            lambda tx: tx.value("SELECT file_path FROM clips WHERE id = ?", (job.clip_id,))
        )
        return self.exports.delivery.clips_dir / str(name)


@asynccontextmanager
async def desk_over(tmp_path: Path, pool: WorkerPoolHandle) -> AsyncIterator[Desk]:
    """0.9 s from the middle of a group of pictures, B-frames and sound."""
    recordings = recordings_of("normal_5seg_bframes_aac")
    start_us = first_key_us(recordings) + 130_000
    plan = make_plan(
        recordings.views, recordings.open_fd, start_us=start_us, end_us=start_us + 900_000, latency_us=0
    )
    assert plan.preroll_s > 0.1 and b"soun" in plan.header
    async with sim_store(tmp_path, HandClock()) as store:
        await store.write(lambda tx: add_channel(tx, "cam1"))
        await store.write(add_session)
        delivery = ClipDelivery(Disk(recordings), tmp_path / "clips", trio.CapacityLimiter(4))
        yield Desk(store, Exports(store, PoolJobs(pool), delivery, 1), plan, recordings)
    recordings.close()


def first_key_us(recordings: Recordings) -> int:
    return key_us(next(view for view in recordings.views if view.keys), 0)


def shown(clip: bytes) -> list[tuple[float, bytes]]:
    """(time, a tiny picture) of every frame a player shows."""
    results = []
    with av.open(io.BytesIO(clip), "r") as container:
        for frame in container.decode(video=0):
            plane = frame.reformat(8, 4, "gray").planes[0]
            rows = [bytes(plane)[row * plane.line_size :][:8] for row in range(4)]
            results.append((float(frame.time or 0), b"".join(rows)))
    return results


def streams(clip: bytes) -> dict[str, tuple[str, int]]:
    """Codec and stored packets of each kind of stream."""
    with av.open(io.BytesIO(clip), "r") as container:
        counts = {stream.index: 0 for stream in container.streams}
        for packet in container.demux():
            counts[packet.stream_index] += packet.size > 0
        return {each.type: (each.codec_context.name, counts[each.index]) for each in container.streams}


@pytest.mark.parametrize("mode", ["exact", "transcode"])
async def test_an_export_shows_the_plans_frames_and_hides_none(tmp_path: Path, mode: str) -> None:  # T13
    async with pool_of(1) as pool, desk_over(tmp_path, pool) as desk:
        job = await desk.job(mode)
        await desk.exports.make(job, desk.plan)
        made = (await desk.path(job)).read_bytes()
        before, after = shown(desk.recordings.bytes_of(desk.plan)), shown(made)
        assert [at for at, _ in after] == pytest.approx([at for at, _ in before], abs=0.001)
        assert len(after) == desk.plan.frames and after[0][0] == 0
        far = [
            max(abs(a - b) for a, b in zip(x, y, strict=True))
            for (_, x), (_, y) in zip(before, after, strict=True)
        ]
        assert max(far) < 16, "the same pictures in the same order"
        result = streams(made)
        assert result["video"] == ("h264", desk.plan.frames)
        assert result["audio"][0] == "aac"
        assert made.index(b"moov") < made.index(b"mdat")
        row = await desk.store.read(lambda tx: tx.one("SELECT * FROM clips"))
        assert row is not None and (row["status"], row["preroll_us"]) == ("ready", 0)


async def test_a_plan_that_promises_more_than_there_is_is_not_published(tmp_path: Path) -> None:
    async with pool_of(1) as pool, desk_over(tmp_path, pool) as desk:
        object.__setattr__(desk.plan, "frames", desk.plan.frames + 1)
        with pytest.raises(BadExport, match=f"{desk.plan.frames - 1} frames instead of {desk.plan.frames}"):
            await desk.exports.make(await desk.job("exact"), desk.plan)
        assert list((tmp_path / "clips").glob("*/*")) == []


async def test_an_export_that_takes_too_long_is_killed_with_a_reason(  # T13: 60 s per clip
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert transcode_job("transcode", (), 300, 12.0).wall_s == 60
    assert transcode_job("transcode", (), 9000, 300.0).wall_s == 300, "no shorter than life"
    assert transcode_job("exact", (), 300, 12.0).wall_s == 300
    monkeypatch.setattr(media, "CLIP_LIMIT_S", 0.005)
    async with pool_of(1) as pool, desk_over(tmp_path, pool) as desk:
        object.__setattr__(desk.plan, "duration_s", 0.005)
        with pytest.raises(JobFailed) as failed:
            await desk.exports.make(await desk.job("transcode"), desk.plan)
        assert failed.value.code == "job_lost" and "killed: not done in 0.005 s" in failed.value.detail
        assert list((tmp_path / "clips").glob("*/*")) == []
        assert pool.statistics().lost == 2, "one retry"


async def test_four_hundred_exports_delay_a_thumbnail_by_one_job_at_most(tmp_path: Path) -> None:
    film = make_film()
    source = open_file(tmp_path / "film.mp4", film)
    job = TranscodeJob((SourceRange(0, 0, len(film)),), FRAMES, FRAMES / 25, "ultrafast", 23, threads=1)
    recordings = recordings_of("normal_5seg_bframes_aac")
    key = plan_frame(recordings.views, recordings.open_fd, first_key_us(recordings), 0)
    entry = DECODER_OF_SAMPLE_ENTRY[key.codec]
    picture = ThumbnailJob(entry, key.extradata, key.picture.offset, key.picture.length, 160)
    async with pool_of(1) as pool, trio.open_nursery() as nursery:
        for _ in range(400):
            output = os.memfd_create("export")
            nursery.start_soon(pool.run, job, [source, output], Priority.BULK)
            await trio.lowlevel.checkpoint()
            os.close(output)
        for _ in range(5):
            done = pool.statistics().done
            while pool.statistics().done == done:  # noqa: ASYNC110 - processes send no event
                await trio.sleep(0.001)
            before = pool.statistics().done
            await pool.thumbnail(picture, recordings.open_fd(key.picture.name))
            assert pool.statistics().done - before <= 2, "the job under way, and the picture itself"
        assert pool.statistics().waiting_bulk > 300
        nursery.cancel_scope.cancel()
    recordings.close()
    os.close(source)


async def test_the_source_of_a_job_is_the_clips_bytes_and_nothing_stays_open(tmp_path: Path) -> None:
    recordings = recordings_of("normal_5seg_bframes_aac")
    start_us = first_key_us(recordings)
    plan = make_plan(
        recordings.views, recordings.open_fd, start_us=start_us, end_us=start_us + 500_000, latency_us=0
    )
    delivery = ClipDelivery(Disk(recordings), tmp_path, trio.CapacityLimiter(1))
    before = len(os.listdir("/proc/self/fd"))
    ranges = [(each.name, each.offset, each.length) for each in plan.ranges]
    async with opened([plan.header, *await delivery.open_ranges(ranges)]) as source:
        actual = [os.pread(source.descriptors[which], length, at) for which, at, length in source.pieces]
        assert b"".join(actual) == recordings.bytes_of(plan)
    assert len(os.listdir("/proc/self/fd")) == before
    recordings.close()


async def test_bytes_written_by_a_dead_worker_are_not_in_the_export(tmp_path: Path) -> None:
    film = make_film()
    source = open_file(tmp_path / "film.mp4", film)
    job = TranscodeJob((SourceRange(0, 0, len(film)),), FRAMES, FRAMES / 25, "ultrafast", 23, threads=1)
    sizes = []
    async with pool_of(1) as pool:
        for before in (0, 1_000_000):
            output = os.memfd_create("export")
            os.pwrite(output, bytes(before), 0)
            sizes.append((await pool.run(job, [source, output], Priority.BULK)).size_bytes)
            os.close(output)
    os.close(source)
    assert sizes[0] == sizes[1]
