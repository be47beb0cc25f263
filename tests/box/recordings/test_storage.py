"""The disk usage reported to retention, and files it deletes under the running index."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from appliance.box.recordings.actor import RecordingsHandle
from appliance.box.recordings.following.paths import unlink_segments
from appliance.box.recordings.model import RecordingGap, StoredSegment
from appliance.box.recordings.storage import ABANDONED_US, YOUNG_US
from appliance.kernel.clock import wall_us
from tests.box.recordings.tree import Box, eventually, frames_seen, live_camera, until

S = 1_000_000


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path)


def stored(handle: RecordingsHandle) -> list[StoredSegment]:
    return list(handle.stored("cam1"))


def age(path: Path, us: int) -> None:
    os.utime(path, ns=(wall_us() * 1000 - us * 1000,) * 2)


async def test_files_are_reported_oldest_first_with_their_wall_times(box: Box) -> None:
    camera = live_camera(behind_us=3600 * S)
    first = box.add("a.mp4", b"".join(camera.segment(5)))
    second = box.add("b.mp4", b"".join(camera.segment(5)))
    age(first, 3600 * S - 1 * S)
    age(second, 3600 * S - 2 * S)
    async with box.running() as handle:
        await until(handle, lambda: all(each.end_us > each.start_us for each in stored(handle)))
        older, newer = stored(handle)
        assert [older.name, newer.name] == ["cam1/a.mp4", "cam1/b.mp4"]
        assert (older.bytes, newer.bytes) == (first.stat().st_size, second.stat().st_size)
        assert abs(older.end_us - older.start_us - 1 * S) < 10_000
        assert abs(newer.start_us - older.end_us) < 10_000
        assert not older.is_growing
        assert list(handle.stored("nobody")) == []


async def test_a_file_grows_while_it_is_written_and_is_young_for_a_minute(box: Box) -> None:
    camera = live_camera()
    async with box.running() as handle:
        path = box.add("a.mp4", camera.begin() + camera.next_part())
        await until(handle, lambda: frames_seen(handle) == 6)
        assert [each.is_growing for each in stored(handle)] == [True]
        age(path, YOUNG_US + 5 * S)
        await eventually(lambda: stored(handle)[0].written_us < wall_us() - YOUNG_US)
        assert [each.is_growing for each in stored(handle)] == [True], "it is still open"
        age(path, ABANDONED_US + 5 * S)
        await eventually(lambda: not stored(handle)[0].is_growing)


async def test_the_rate_is_that_of_the_last_minutes_and_zero_without_recording(box: Box) -> None:
    camera = live_camera(behind_us=2 * S)
    async with box.running() as handle:
        assert handle.bytes_per_s("cam1") == 0.0
        path = box.add("a.mp4", b"".join(camera.segment(10)))
        await until(handle, lambda: frames_seen(handle) == 60)
        assert handle.bytes_per_s("cam1") == pytest.approx(path.stat().st_size / 2.0, rel=0.05)
        age(path, 2 * YOUNG_US)
        await eventually(lambda: handle.bytes_per_s("cam1") == 0.0)


async def test_files_deleted_by_retention_leave_the_index_without_a_gap(box: Box) -> None:
    camera = live_camera(behind_us=10 * S)
    async with box.running() as handle:
        first = box.add("a.mp4", b"".join(camera.segment(5)))
        second = box.add("b.mp4", b"".join(camera.segment(5)))
        await until(handle, lambda: len(stored(handle)) == 2 and frames_seen(handle) == 30)
        await eventually((box.index / "cam1" / "a.mp4.idx").exists)
        await handle.remove("cam1", ["cam1/a.mp4"])
        assert not first.exists() and second.exists()
        assert [each.name for each in stored(handle)] == ["cam1/b.mp4"]
        assert not (box.index / "cam1" / "a.mp4.idx").exists()
        box.add("c.mp4", b"".join(camera.segment(2)))
        await until(handle, lambda: frames_seen(handle) == 12)
        assert not [fact for fact in box.facts if isinstance(fact, RecordingGap)]
        await handle.remove("cam1", ["cam1/a.mp4"])  # once more, as after a crash: it is deleted already


def test_a_deletion_is_durable_before_it_is_answered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    unlink, fsync = os.unlink, os.fsync

    def note_unlink(name: str, *, dir_fd: int) -> None:
        unlink(name, dir_fd=dir_fd)
        done.append(f"unlink {name}")

    def note_fsync(fd: int) -> None:
        fsync(fd)
        done.append(f"fsync {Path(os.readlink(f'/proc/self/fd/{fd}')).name}")

    (tmp_path / "cam1").mkdir()
    for name in ("a.mp4", "b.mp4"):
        (tmp_path / "cam1" / name).write_bytes(b"x")
    monkeypatch.setattr(os, "unlink", note_unlink)
    monkeypatch.setattr(os, "fsync", note_fsync)
    unlink_segments(tmp_path, "cam1", ["a.mp4", "b.mp4"])
    assert done == ["unlink a.mp4", "unlink b.mp4", "fsync cam1"]


def test_nothing_but_segments_of_channels_is_unlinked(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "a.mp4").write_bytes(b"x")
    root = tmp_path / "recordings"
    (root / "cam1").mkdir(parents=True)
    (root / "cam1" / "notes.txt").write_bytes(b"x")
    (root / "cam2").symlink_to(outside)
    for channel, name in (
        ("..", "a.mp4"),
        ("cam1", "../../outside/a.mp4"),
        ("cam1", "notes.txt"),
        ("cam2", "a.mp4"),
    ):
        with pytest.raises(OSError):
            unlink_segments(root, channel, [name])
    with pytest.raises(OSError):
        unlink_segments(tmp_path / "away", "cam1", ["a.mp4"])  # a disk that is not mounted has lost nothing
    assert (outside / "a.mp4").exists() and (root / "cam1" / "notes.txt").exists()
