"""The actor on a tree where things break, vanish, or are nobody's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.recordings.tree import Box, eventually, frames_seen, live_camera, until


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


async def test_a_folder_that_cannot_be_listed_keeps_nobody_else_from_starting(box: Box) -> None:
    box.add("a.mp4", b"".join(live_camera().segment(1)), "cam2")
    (box.recordings / "cam1").write_bytes(b"not a folder")
    async with box.running("cam1", "cam2") as handle:
        await until(handle, lambda: frames_seen(handle, "cam2") == 6)
        assert "recordings" in str(handle.footage("cam1").error)


async def test_folders_without_a_channel_are_named_and_not_indexed(box: Box) -> None:
    box.add("a.mp4", b"".join(live_camera().segment(1)), "stranger")
    box.add("a.mp4", b"".join(live_camera().segment(1)), "Not-An-Id")
    async with box.running() as handle:
        await eventually(handle.strangers)
        assert handle.strangers() == ("Not-An-Id", "stranger")
        assert handle.video_until_us("stranger") is None
        assert await handle.views("stranger", 0, 1 << 61) == []
        handle.want({"cam1": 0, "stranger": 0})
        await until(handle, lambda: handle.video_until_us("stranger"))
        handle.want({"cam1": 0})
        await eventually(lambda: handle.video_until_us("stranger") is None)
