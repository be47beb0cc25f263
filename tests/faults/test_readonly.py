"""Disks that become read-only or fail under the running box: reported, waited for, nothing lost."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import trio

from appliance.kernel.clock import wall_us
from tests.faults.disk import ext4_disk, failing, remount, small_disk, traced
from tests.faults.test_disk import CHANNEL, _part_is, _post_or_none, all_there, clean, new_session
from tests.kit.camera import RecordingWriter, make_footage
from tests.kit.running import Box, Http, running_box, tablet
from tests.kit.waiting import LIMIT_S, eventually

pytestmark = pytest.mark.slow
HOUR_US = 3_600_000_000


@asynccontextmanager
async def filming(folder: Path) -> AsyncIterator[None]:
    """A camera that records into `folder` like MediaMTX."""
    footage = make_footage(frames=60, fps=Fraction(30), gop=30, b_frames=0, sound=False)
    writer = RecordingWriter(folder, footage, wall_us(), segment_s=60)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lambda: writer.run_live(wall_us, until_us=wall_us() + HOUR_US))
        yield
        nursery.cancel_scope.cancel()
    writer.close()


async def marked(http: Http, session_id: str, **more: Any) -> str:
    """A clip of the last half second; returns its id."""
    body = {"session_id": session_id, "channel_id": "cam1", "duration": 0.5, **more}
    return str((await http.post("/clips", body, 201))["id"])


async def clip_is(http: Http, clip_id: str, status: str) -> dict[str, Any]:
    with trio.fail_after(LIMIT_S):
        while (clip := await http.get(f"/clips/{clip_id}"))["status"] != status:  # noqa: ASYNC110
            await trio.sleep(0.05)
        return dict(clip)


async def test_a_clips_disk_that_refuses_delays_files_and_exports_and_clips_play_on(tmp_path: Path) -> None:
    with small_disk(tmp_path / "clips", 16) as disk:
        async with (
            running_box(tmp_path / "box", storage={"clips_dir": str(disk)}, channels=CHANNEL) as box,
            box.http() as http,
            filming(box.recordings / "cam1"),
        ):
            session_id = await new_session(http)
            await eventually(lambda: list(box.recordings.rglob("*.mp4")))
            await clip_is(http, await marked(http, session_id), "ready")
            await eventually(lambda: list(disk.rglob("*-m1.mp4")), what="its file")

            remount(disk, "ro")
            instant = await marked(http, session_id)
            export = await marked(http, session_id, mode="exact")
            clip = await clip_is(http, instant, "ready")
            assert len((await http.media(f"/clips/{instant}/stream")).content) > 1000, "out of the recording"
            assert (await http.media(clip["thumbnail_url"])).content[:2] == b"\xff\xd8"
            part = await _part_is(http, "clip_disks", "bad")
            assert "Read-only file system" in part["detail"]
            assert (await http.get(f"/clips/{export}"))["status"] in ("pending", "processing")

            remount(disk, "rw")
            await _part_is(http, "clip_disks", "ok")
            await clip_is(http, export, "ready")
            await eventually(lambda: list(disk.rglob(f"{instant}-m1.mp4")), what="the file")
            await _clips_disk_with_errors(box, http, disk, session_id, tmp_path / "trace")
            await box.stop()
            await clean(box)


async def _clips_disk_with_errors(box: Box, http: Http, disk: Path, session_id: str, log: Path) -> None:
    wanted = str(uuid.uuid4())
    unfinished = disk / session_id / f"{wanted}-m1.partial"
    with failing(box.process.pid, unfinished, "fsync", "EIO", log):
        await traced(box.process.pid)
        await marked(http, session_id, id=wanted)
        await clip_is(http, wanted, "ready")
        assert "Input/output error" in (await _part_is(http, "clip_disks", "bad"))["detail"]
        assert not unfinished.with_suffix(".mp4").exists(), "what was not synced gets no name"
    await _part_is(http, "clip_disks", "ok")
    await eventually(unfinished.with_suffix(".mp4").exists, what="the file")


async def test_a_recording_that_cannot_be_read_keeps_its_clips_waiting(tmp_path: Path) -> None:
    async with (
        running_box(tmp_path, channels=CHANNEL) as box,
        box.http() as http,
        filming(box.recordings / "cam1"),
    ):
        session_id = await new_session(http)
        recording = (await eventually(lambda: list(box.recordings.rglob("*.mp4"))))[0]
        first = await marked(http, session_id)
        await clip_is(http, first, "ready")
        with failing(box.process.pid, recording, "pread64,preadv,openat", "EIO", tmp_path / "trace"):
            await traced(box.process.pid)
            assert "Input/output error" in (await _part_is(http, "recordings", "bad"))["detail"]
            late = await marked(http, session_id)
            assert (await http.get(f"/clips/{late}"))["status"] == "pending"
        assert (await clip_is(http, late, "ready"))["coverage"]["missing"] == []
        await _part_is(http, "recordings", "ok")
        await all_there(http, [first, late])
        await box.stop()
        await clean(box)


async def test_a_recordings_disk_that_turns_read_only_stops_recording_and_nothing_else(
    tmp_path: Path,
) -> None:
    channels = [{"id": "cam1", "input_url": "synthetic:?size=320x180"}]
    with ext4_disk(tmp_path / "disk", 32) as disk:
        places = {"recordings_dir": str(disk.folder), "state_dir": str(tmp_path / "box" / "state")}
        async with running_box(
            tmp_path / "box", storage=places, channels=channels, recorder={"mode": "embedded"}
        ) as box:
            async with box.http() as http:
                session_id = await new_session(http)
                await eventually(lambda: list(disk.folder.rglob("*.mp4")))
                first = await marked(http, session_id)
                await clip_is(http, first, "ready")
                disk.break_down()
                part = await _part_is(http, "recorder", "bad")
                assert "cannot write the recording" in part["detail"] and "doctor" in part["hint"], part
                second = await marked(http, session_id)
            assert await box.stop() == 0
            disk.mend()
            before = set(disk.folder.rglob("*.mp4"))
            await box.start()
            async with box.http() as http:
                await clip_is(http, first, "ready")
                assert (await http.get(f"/clips/{second}"))["status"] in ("failed", "pending", "ready")
                await eventually(lambda: set(disk.folder.rglob("*.mp4")) - before, what="recording again")
                await clip_is(http, await marked(http, session_id), "ready")
            await box.stop()
            await clean(box)


async def test_a_state_disk_that_turns_read_only_refuses_marks_and_nothing_else(tmp_path: Path) -> None:
    channels = [{"id": "cam1", "input_url": "synthetic:?size=320x180"}]
    with ext4_disk(tmp_path / "disk", 32) as disk:
        storage = {"state_dir": str(disk.folder / "state"), "clips_dir": str(tmp_path / "clips")}
        async with running_box(
            tmp_path / "box", storage=storage, channels=channels, recorder={"mode": "embedded"}
        ) as box:
            pid = box.process.pid
            async with box.http() as http:
                session_id = await new_session(http)
                await eventually(lambda: list(box.recordings.rglob("*.mp4")))
                ids = [await marked(http, session_id) for _ in range(3)]
                await clip_is(http, ids[-1], "ready")
                disk.break_down()
                await _state_disk_is_read_only(http, box, session_id, ids)
            disk.mend()
            async with box.http() as http:
                await _part_is(http, "store", "ok")
                ids.append(await marked(http, session_id))
                await clip_is(http, ids[-1], "ready")
                await all_there(http, ids)
            assert box.process.pid == pid, "no restart"
            await box.stop()
            await clean(box)


async def _state_disk_is_read_only(http: Http, box: Box, session_id: str, kept: list[str]) -> None:
    answer = await _post_or_none(http, session_id)
    assert answer is not None and answer.status_code == 503, answer
    assert answer.json()["code"] == "storage_read_only" and "retry-after" in answer.headers
    part = await _part_is(http, "store", "bad")
    assert "ead-only file system" in part["detail"], part
    await all_there(http, kept)
    recorded = {path: path.stat().st_size for path in box.recordings.rglob("*.mp4")}
    await eventually(lambda: _grows(box.recordings, recorded), what="recording goes on")
    assert (await http.media("/channels/cam1/frame.jpg")).content[:2] == b"\xff\xd8"
    async with tablet(box) as device:
        assert device.connected["type"] == "connected"


async def test_a_box_on_a_read_only_state_disk_starts_once_and_mends(tmp_path: Path) -> None:
    with ext4_disk(tmp_path / "disk", 32) as disk:
        box = Box(
            tmp_path / "box", {"channels": CHANNEL, "storage": {"state_dir": str(disk.folder / "state")}}
        )
        try:
            await box.start()
            async with box.http() as http:
                session_id = await new_session(http)
                ids = [await marked(http, session_id) for _ in range(5)]
            await box.kill()
            disk.break_down()
            await box.start()
            async with box.http() as http:
                await all_there(http, ids)
                answer = await _post_or_none(http, session_id)
                assert answer is not None and answer.status_code == 503
            disk.mend()
            async with box.http() as http:
                await _part_is(http, "store", "ok")
                ids.append(await marked(http, session_id))
                await all_there(http, ids)
            assert await box.stop() == 0
            await clean(box)
        finally:
            box.process.kill_everything()


def _grows(folder: Path, before: dict[Path, int]) -> bool:
    return any(path.stat().st_size > before.get(path, 0) for path in folder.rglob("*.mp4"))
