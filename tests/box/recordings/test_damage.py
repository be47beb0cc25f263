"""The actor on a tree with damaged, vanishing and foreign files."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import pytest

from appliance.box.recordings.following import disk, walks
from appliance.box.recordings.following.paths import open_recording
from appliance.kernel.retry import Backoff, RetrySchedule
from appliance.media.index import holes
from tests.box.recordings.tree import Box, eventually, frames_seen, live_camera, until


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path)


async def test_damaged_files_are_named_with_their_reason_and_the_rest_goes_on(box: Box) -> None:
    box.add("2026-11-21_00-00-00.mp4", b"")
    box.add("2026-11-21_00-01-00.mp4", bytes(3000))
    box.add("2026-11-21_00-02-00.mp4", os.urandom(3000))
    camera = live_camera()
    async with box.running() as handle:
        box.add("a.mp4", b"".join(camera.segment(1)))
        await until(handle, lambda: frames_seen(handle) == 6)
        await until(handle, lambda: handle.statistics()["segments_waiting"] == 0)
        unreadable = dict(handle.footage("cam1").unreadable)
        assert set(unreadable) == {"2026-11-21_00-01-00.mp4", "2026-11-21_00-02-00.mp4"}
        assert handle.footage("cam1").segments == 4


async def test_a_segment_deleted_behind_our_back_is_forgotten(box: Box) -> None:
    camera = live_camera()
    async with box.running() as handle:
        old = box.add("a.mp4", b"".join(camera.segment(2)))
        await until(handle, lambda: frames_seen(handle) == 12)
        box.add("b.mp4", b"".join(camera.segment(2)))
        await until(handle, (box.index / "cam1" / "a.mp4.idx").exists)
        old.unlink()
        await until(handle, lambda: handle.footage("cam1").segments == 1)
        assert not (box.index / "cam1" / "a.mp4.idx").exists()
        views = await handle.views("cam1", 0, 1 << 61)
        assert [view.name for view in views] == ["cam1/b.mp4"]


async def test_the_file_being_written_may_be_deleted_too(box: Box) -> None:
    camera = live_camera()
    async with box.running() as handle:
        path = box.add("a.mp4", b"".join(camera.segment(2)))
        await until(handle, lambda: frames_seen(handle) == 12)
        path.unlink()
        await until(handle, lambda: handle.footage("cam1").segments == 0)
        box.add("b.mp4", b"".join(live_camera(stream=b"\x22" * 16).segment(1)))
        await until(handle, lambda: frames_seen(handle) == 6)


async def test_a_disk_that_is_away_is_an_error_and_not_a_deletion(box: Box) -> None:
    camera = live_camera()
    async with box.running() as handle:
        box.add("a.mp4", b"".join(camera.segment(2)))
        await until(handle, lambda: frames_seen(handle) == 12)
        away = box.recordings.with_name("away")
        box.recordings.rename(away)
        handle.rescan_now()
        await eventually(lambda: handle.footage("cam1").error)
        assert handle.footage("cam1").segments == 1
        away.rename(box.recordings)
        handle.rescan_now()
        box.add("a.mp4", camera.next_part())
        await until(handle, lambda: frames_seen(handle) == 18)
        await eventually(lambda: handle.footage("cam1").error is None)


async def test_a_folder_that_cannot_be_listed_does_not_keep_others_from_starting(box: Box) -> None:
    box.add("a.mp4", b"".join(live_camera().segment(1)), "cam2")
    (box.recordings / "cam1").write_bytes(b"not a folder")
    async with box.running("cam1", "cam2") as handle:
        await until(handle, lambda: frames_seen(handle, "cam2") == 6)
        assert "recordings" in str(handle.footage("cam1").error)


async def test_folders_without_a_channel_are_named_and_not_indexed(box: Box) -> None:
    box.add("a.mp4", b"".join(live_camera().segment(1)), "stranger")
    box.add("a.mp4", b"".join(live_camera().segment(1)), "Not-An-Id")
    for made_by_the_disk in ("lost+found", "@eaDir", "System Volume Information", "$RECYCLE.BIN", ".Trash-0"):
        (box.recordings / made_by_the_disk).mkdir()
    async with box.running() as handle:
        await eventually(handle.strangers)
        assert handle.strangers() == ("Not-An-Id", "stranger")
        assert handle.video_until_us("stranger") is None
        assert await handle.views("stranger", 0, 1 << 61) == []
        handle.want({"cam1": 0, "stranger": 0})
        await until(handle, lambda: handle.video_until_us("stranger"))
        handle.want({"cam1": 0})
        await eventually(lambda: handle.video_until_us("stranger") is None)


async def test_a_file_the_disk_refuses_is_not_damaged_and_is_walked_when_it_can_be(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(walks, "_LOOK_AGAIN_S", 0.01)
    monkeypatch.setattr(Backoff, "next_s", lambda self: 0.01)
    old = box.add("2026-11-21_00-00-00.mp4", b"".join(live_camera().segment(2)))
    os.utime(old, (0, 0))
    box.add("2026-11-21_00-01-00.mp4", b"".join(live_camera(stream=b"\x22" * 16).segment(1)))

    def bad_sector(recordings_dir: Path, name: str) -> int:
        if name.endswith(old.name):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return open_recording(recordings_dir, name)

    with monkeypatch.context() as broken:
        broken.setattr(disk, "open_recording", bad_sector)
        async with box.running() as handle:
            await eventually(lambda: "walk: Input/output error" in str(handle.footage("cam1").error))
            await until(handle, lambda: frames_seen(handle) == 6)
            assert handle.footage("cam1").unreadable == ()
            with pytest.raises(OSError, match="Input/output"):
                await handle.views("cam1", 0, 1 << 61)
            broken.undo()
            await eventually(lambda: handle.footage("cam1").error is None)
            assert len(await handle.views("cam1", 0, 1 << 61)) == 2


async def test_a_file_that_the_disk_keeps_refusing_is_unreadable_with_the_reason(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RetrySchedule, "postpone", lambda self, key: False)
    old = box.add("2026-11-21_00-00-00.mp4", b"".join(live_camera().segment(2)))
    os.utime(old, (0, 0))
    box.add("2026-11-21_00-01-00.mp4", b"".join(live_camera(stream=b"\x22" * 16).segment(1)))

    def bad_sector(*args: object) -> int:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(disk, "open_recording", bad_sector)
    async with box.running() as handle:
        await eventually(lambda: handle.footage("cam1").unreadable == ((old.name, "Input/output error"),))


@pytest.mark.parametrize("age_s", [0, 120])  # followed at once, or scanned
async def test_after_a_power_cut_a_file_ends_where_its_bytes_do(
    box: Box, age_s: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its length and boxes exist, but some of its bytes are missing: only the parts before them are used."""
    monkeypatch.setattr(holes, "_ZEROS", bytes(100))  # these cameras' samples are zeros themselves
    path = box.add("2026-11-21_00-00-00.mp4", b"".join(live_camera().segment(5)))
    size = path.stat().st_size
    for lost_bytes, frames in ((0, 30), (150, 24)):
        with path.open("rb+") as file:
            file.seek(size - lost_bytes)
            file.write(bytes(lost_bytes))
        os.utime(path, (path.stat().st_mtime - age_s,) * 2)
        shutil.rmtree(box.index, ignore_errors=True)
        async with box.running(after_cut=True) as handle:
            await until(handle, lambda: frames_seen(handle) > 0)
            await eventually(lambda: not handle.statistics()["segments_waiting"])
            assert frames_seen(handle) == frames
            assert bool(handle.footage("cam1").unreadable) == bool(lost_bytes)
