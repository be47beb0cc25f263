"""Thumbnails: the key frame at once, replaced by the first frame later. Workers controlled by the test."""

from __future__ import annotations

import io
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from appliance.box.clips.cutting.media_jobs import JobSource
from appliance.box.clips.cutting.planner import Planner
from appliance.box.clips.files.delivery import ClipDelivery
from appliance.box.clips.model import ClipIn, ClipPatch
from appliance.box.clips.records import cut_states as cuts
from appliance.box.clips.records import marks
from appliance.box.clips.viewing import thumbnails
from appliance.box.clips.viewing.exact_frames import ExactFrames
from appliance.box.clips.viewing.thumbnails import Pictures, Thumbnail, note_picture
from appliance.box.wiring.media import PoolJobs, decode_key
from appliance.kernel.errors import Refused, Unavailable
from appliance.kernel.store import Store
from appliance.kernel.tx import Row, Tx
from appliance.media.cut.frames import plan_frames
from appliance.media.index.view import SegmentView
from tests.box.clips.test_exports_real import Disk, first_key_us, pool_of
from tests.kit.box import COACH, add_channel, add_session, mark_rules, sim_store
from tests.kit.clock import HandClock
from tests.kit.fmp4_file import Recordings
from tests.kit.waiting import LIMIT_S
from tests.media.test_plan_real import recordings_of


class Viewed(Disk):
    """The recordings with their index."""

    def __init__(self, recordings: Recordings) -> None:
        super().__init__(recordings)
        self.recordings = recordings

    async def views(self, channel_id: str, start_us: int, end_us: int) -> list[SegmentView]:
        return self.recordings.views


@dataclass
class HandJobs:
    """Decoding of frames takes until the test opens the gate."""

    gate: trio.Event = field(default_factory=trio.Event)
    asked: list[tuple[float, bool]] = field(default_factory=list)
    trouble: Exception | None = None

    async def frame(self, source: JobSource, at_s: float, *, width_px: int, bulk: bool) -> bytes:
        self.asked.append((at_s, bulk))
        await self.gate.wait()
        if self.trouble is not None:
            raise self.trouble
        return b"exact"

    async def encode(self, *args: Any, **job: Any) -> None:
        raise AssertionError("nothing is exported here")

    async def inspect(self, *args: Any, **job: Any) -> Any:
        raise AssertionError("nothing is inspected here")


async def hand_key(recording: int, **job: Any) -> bytes:
    assert os.fstat(recording).st_size > 0 and not job["bulk"], "somebody may be looking"
    return b"key"


@dataclass
class Desk:
    store: Store
    recordings: Recordings
    jobs: HandJobs
    pictures: Pictures
    start_us: int

    async def clip(
        self, *, length_s: float = 0.5, preroll_us: int | None = None, behind_key_us: int = 0
    ) -> Row:
        """A ready clip that begins a little after a key, or whose row says `behind_key_us` later."""
        plan = await self.pictures_plan(length_s)

        def make(tx: Tx) -> str:
            session_id = str(tx.value("SELECT id FROM sessions"))
            body = ClipIn.model_validate(
                {"session_id": session_id, "channel_id": "cam1", "duration_seconds": length_s}
            )
            clip_id = str(marks.create_clip(tx, COACH, mark_rules(), body).resource["id"])
            tx.run("UPDATE clips SET start_us = ? WHERE id = ?", (self.start_us, clip_id))
            job = cuts.claim(tx, cuts.waiting_jobs(tx)[0])
            assert job is not None and cuts.finish(tx, job, plan)
            if preroll_us is not None:
                tx.run("UPDATE clips SET preroll_us = ?", (preroll_us,))
            tx.run("UPDATE clips SET start_us = start_us + ?", (behind_key_us,))
            return clip_id

        return await self.row(await self.store.write(make))

    async def pictures_plan(self, length_s: float) -> Any:
        planner = Planner(self.pictures.footage, self.pictures.threads)
        end_us = self.start_us + round(length_s * 1e6)
        return await planner.plan_span("cam1", self.start_us, end_us, 0)

    async def row(self, clip_id: str) -> Row:
        row = await self.store.read(lambda tx: tx.one("SELECT * FROM clips WHERE id = ?", (clip_id,)))
        assert row is not None
        return row

    async def until(self, clip_id: str, jpeg: bytes) -> Thumbnail:
        with trio.fail_after(LIMIT_S):
            while True:
                with suppress(Unavailable):
                    if (result := await self.pictures.thumbnail(clip_id)).jpeg == jpeg:
                        return result
                await trio.lowlevel.checkpoint()

    async def garbage(self) -> set[str]:
        rows = await self.store.read(lambda tx: tx.all("SELECT path FROM garbage"))
        return {str(row["path"]) for row in rows}

    def files(self) -> set[str]:
        return {f"thumbs/{path.name}" for path in (self.pictures.clips_dir / "thumbs").glob("*")}


@asynccontextmanager
async def picturing(tmp_path: Path) -> AsyncIterator[Desk]:
    recordings = recordings_of("normal_5seg_bframes_aac")
    threads = trio.CapacityLimiter(4)
    async with sim_store(tmp_path, HandClock()) as store, trio.open_nursery() as nursery:
        await store.write(lambda tx: add_channel(tx, "cam1"))
        await store.write(add_session)
        footage, jobs = Viewed(recordings), HandJobs()
        planner, delivery = Planner(footage, threads), ClipDelivery(footage, tmp_path / "clips", threads)
        exact = ExactFrames(store, jobs, delivery, planner.plan_span)
        pictures = Pictures(store, footage, hand_key, tmp_path / "clips", threads, exact)
        await nursery.start(pictures.run)
        yield Desk(store, recordings, jobs, pictures, first_key_us(recordings) + 130_000)
        nursery.cancel_scope.cancel()
    recordings.close()


async def test_the_key_comes_at_once_and_the_first_frame_takes_its_place(tmp_path: Path) -> None:
    async with picturing(tmp_path) as desk:
        row = await desk.clip()
        actual = await desk.pictures.thumbnail(row["id"])
        assert (actual.jpeg, actual.is_final) == (b"key", False)
        assert (await desk.row(row["id"]))["thumbnail_path"] == f"thumbs/{row['id']}-m1-key.jpg"
        desk.jobs.gate.set()
        assert (await desk.until(row["id"], b"exact")).is_final
        with trio.fail_after(LIMIT_S):  # the file exists a moment before the row is updated
            while (after := await desk.row(row["id"]))["thumbnail_path"] != f"thumbs/{row['id']}-m1.jpg":
                await trio.lowlevel.checkpoint()
        assert after["rev"] == row["rev"], "thumbnail_url was right from the start"
        assert desk.jobs.asked == [(0.0, True)], "once, behind everything a person waits for"
        assert await desk.garbage() == {f"thumbs/{row['id']}-m1-key.jpg"}


async def test_where_the_first_frame_cannot_be_had_the_key_stays(tmp_path: Path) -> None:
    async with picturing(tmp_path) as desk:
        desk.jobs.trouble = Refused(409, "bad_media", "no frame is shown")
        desk.jobs.gate.set()
        row = await desk.clip()
        for _ in range(3):
            assert (await desk.pictures.thumbnail(row["id"])).jpeg == b"key"
            await wait_all_tasks_blocked()
        assert await desk.garbage() == set()
        assert len(desk.jobs.asked) == 1, "what cannot be decoded is not tried again"


async def test_a_first_frame_far_behind_its_key_replaces_the_key_too(tmp_path: Path) -> None:
    async with picturing(tmp_path) as desk:
        row = await desk.clip(preroll_us=30_000_000)
        assert (await desk.pictures.thumbnail(row["id"])).jpeg == b"key"
        desk.jobs.gate.set()
        assert (await desk.until(row["id"], b"exact")).is_final
        assert desk.jobs.asked == [(0.0, True)]


@pytest.mark.parametrize("trouble", [None, Refused(409, "bad_media", "no frame is shown")])
async def test_a_key_picture_from_long_before_the_clip_is_not_its_thumbnail(
    tmp_path: Path, trouble: Refused | None
) -> None:
    """A GOP of more than 12 s: only the first frame is served, and nothing before it exists."""
    async with picturing(tmp_path) as desk:
        row = await desk.clip(behind_key_us=15_000_000)
        desk.jobs.trouble = trouble
        for _ in range(2):
            with pytest.raises(Unavailable, match="15 s older"):
                await desk.pictures.thumbnail(row["id"])
        assert desk.files() == set()
        desk.jobs.gate.set()
        if trouble is None:
            assert (await desk.until(row["id"], b"exact")).is_final
        else:
            with (
                trio.fail_after(LIMIT_S),
                pytest.raises(Refused, match="no_picture: the clip has no picture: no frame is shown"),
            ):
                await desk.until(row["id"], b"none")
            assert desk.files() == set() and (await desk.row(row["id"]))["thumbnail_path"] is None


async def test_a_trim_drops_the_picture_of_the_cut_before(tmp_path: Path) -> None:
    async with picturing(tmp_path) as desk:
        desk.jobs.gate.set()
        row = await desk.clip()
        await desk.until(row["id"], b"exact")
        body = ClipPatch(duration_seconds=0.3)
        await desk.store.write(lambda tx: marks.change_clip(tx, COACH, mark_rules(), row["id"], body))
        assert (await desk.row(row["id"]))["thumbnail_path"] is None
        assert await desk.garbage() == desk.files()


async def test_every_picture_on_the_disk_is_a_rows_or_garbage(tmp_path: Path) -> None:
    async with picturing(tmp_path) as desk:
        row = await desk.clip()
        key, exact = f"thumbs/{row['id']}-m1-key.jpg", f"thumbs/{row['id']}-m1.jpg"
        await desk.until(row["id"], b"key")
        for name in (key, exact, exact, key):
            await desk.store.write(lambda tx, name=name: note_picture(tx, row, name))  # type: ignore[misc]
        assert (await desk.row(row["id"]))["thumbnail_path"] == exact
        assert await desk.garbage() == {key}
        late = {**row, "media_rev": 0}
        await desk.store.write(lambda tx: note_picture(tx, late, "thumbs/late.jpg"))
        assert await desk.garbage() == {key, "thumbs/late.jpg"}


async def test_the_frame_of_an_instant_falls_back_to_its_key(tmp_path: Path) -> None:
    async with picturing(tmp_path) as desk:
        desk.jobs.gate.set()
        assert await desk.pictures.frame("cam1", desk.start_us, 0) == b"exact"
        ((at_s, bulk),) = desk.jobs.asked
        assert 0 < at_s < 1.1 and not bulk
        for trouble in (Unavailable("no_worker", "none"), Refused(409, "bad_media", "broken")):
            desk.jobs.trouble = trouble
            assert await desk.pictures.frame("cam1", desk.start_us, 0) == b"key"
        far = desk.start_us + 3_600_000_000
        assert await desk.pictures.frame("cam1", far, 0) == b"key", "nothing was filmed then"


@pytest.mark.slow
async def test_real_workers_show_the_frame_at_or_before_the_instant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # on a busy machine the key would be used instead
    monkeypatch.setattr(thumbnails, "FRAME_WAIT_S", LIMIT_S)
    async with picturing(tmp_path) as desk, pool_of(1) as pool:
        assert desk.pictures.exact is not None
        delivery, plan_span = desk.pictures.exact.delivery, desk.pictures.exact.plan_span
        exact = ExactFrames(desk.store, PoolJobs(pool), delivery, plan_span)
        pictures = Pictures(
            desk.store, delivery.footage, decode_key(pool), tmp_path / "clips", delivery.threads, exact
        )
        views = [view for view in desk.recordings.views if view.keys]
        start_us = desk.start_us
        times = plan_frames(views, desk.recordings.open_fd, start_us, start_us + 400_000, 0)
        plan = await plan_span("cam1", start_us, start_us + 400_000, 0)
        wanted = lumas(desk.recordings.bytes_of(plan))
        assert len(times) == len(wanted) > 5
        for place in (0, 3, 5):
            for late_us in (0, 9_000):
                jpeg = await pictures.frame("cam1", times[place] + late_us, 0)
                assert nearest(jpeg, wanted) == place
        row = await desk.clip(length_s=0.4)
        assert nearest(await exact.first_of(row["id"], 1, width_px=320), wanted) == 0


def lumas(clip: bytes) -> list[bytes]:
    with av.open(io.BytesIO(clip), "r") as container:
        return [small(frame) for frame in container.decode(video=0)]


def nearest(jpeg: bytes, wanted: list[bytes]) -> int:
    """The number of the frame in the picture."""
    with av.open(io.BytesIO(jpeg), "r", format="jpeg_pipe") as container:
        shown = small(next(container.decode(video=0)))
    far = [sum(abs(a - b) for a, b in zip(shown, each, strict=True)) for each in wanted]
    best, second = sorted(far)[:2]
    assert best < second, "the frames differ"
    return far.index(best)


def small(frame: av.VideoFrame) -> bytes:
    plane = frame.reformat(64, 36, "gray", interpolation="AREA").planes[0]
    return b"".join(bytes(plane)[row * plane.line_size :][:64] for row in range(36))
