"""A recordings disk that disappears and returns, under another device number, or replaced by another one."""

from __future__ import annotations

import errno
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.box.recordings.actor import RecordingsHandle
from appliance.box.recordings.following.disk import ListedFile, Listing, absent_at_start, is_other_disk
from tests.box.recordings.tree import Box, eventually, frames_seen, live_camera, until
from tests.faults.disk import small_disk

ONE = {"a.mp4": ListedFile(1, 1)}


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path)


@pytest.mark.parametrize(
    ("known", "before", "files", "device", "is_other"),
    [
        ([], 1, {}, 2, False),  # nothing is known: any disk is accepted
        (["a.mp4"], 1, ONE, 2, False),  # the same disk, mounted again
        (["a.mp4"], 1, {}, 2, True),  # a mount point without its disk
        (["a.mp4"], 1, {"b.mp4": ListedFile(1, 1)}, 2, True),  # ... into which a recorder writes
        (["a.mp4"], 1, {}, 1, False),  # deleted
        (["a.mp4"], None, {}, 1, True),  # missing at a start: nothing is known to be deleted
        (["a.mp4"], None, ONE, 1, False),
    ],
)
def test_a_known_file_makes_a_disk_known(
    known: list[str], before: int | None, files: dict[str, ListedFile], device: int, is_other: bool
) -> None:
    assert is_other_disk(known, before, Listing(files, device)) is is_other


@pytest.fixture
def disk(box: Box) -> Iterator[Path]:
    """The recordings' folder as a separate disk; replace it by unmounting and mounting."""
    if box.recordings.exists():
        shutil.rmtree(box.recordings)
    with small_disk(box.recordings, 8) as folder:
        yield folder


def unmount(folder: Path) -> None:
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def mount(folder: Path) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)], check=True)


def error(handle: RecordingsHandle) -> str:
    return handle.footage("cam1").error or ""


async def test_a_disk_that_comes_back_under_another_number_is_followed_again(
    box: Box, disk: Path, tmp_path: Path
) -> None:
    camera = live_camera()
    async with box.running() as handle:
        box.add("a.mp4", b"".join(camera.segment(2)))
        await until(handle, lambda: frames_seen(handle) == 12)
        shutil.copytree(disk, tmp_path / "kept")
        unmount(disk)
        handle.rescan_now()
        await eventually(lambda: "not mounted" in error(handle))
        assert handle.footage("cam1").segments == 1 and frames_seen(handle) == 12, "nothing was deleted"
        with pytest.raises(OSError) as refused:
            handle.open_fd("cam1/a.mp4")
        assert refused.value.errno == errno.ENODEV, "away, not gone"
        mount(disk)
        shutil.copytree(tmp_path / "kept", disk, dirs_exist_ok=True)
        handle.rescan_now()
        await eventually(lambda: not error(handle))
        box.add("b.mp4", b"".join(camera.segment(1)))
        handle.rescan_now()
        await until(handle, lambda: handle.footage("cam1").segments == 2)
        views = await handle.views("cam1", 0, 1 << 61)
        assert [view.name for view in views] == ["cam1/a.mp4", "cam1/b.mp4"]
        assert len(views[1].parts) == 1


async def test_files_recorded_into_the_empty_mount_point_are_indexed_too(box: Box, disk: Path) -> None:
    camera = live_camera()
    async with box.running() as handle:
        box.add("a.mp4", b"".join(camera.segment(2)))
        await until(handle, lambda: frames_seen(handle) == 12)
        unmount(disk)
        box.add("b.mp4", b"".join(camera.segment(1)))
        handle.rescan_now()
        await until(handle, lambda: handle.footage("cam1").segments == 2)
        assert "1 recordings is not mounted" in error(handle)
        mount(disk)


async def test_a_second_disk_that_disappears_while_one_is_missing_is_not_forgotten(
    box: Box, disk: Path, tmp_path: Path
) -> None:
    """A backup disk is mounted in the first one's place and removed; then each returns."""
    camera = live_camera()

    async def without(count: int) -> None:
        handle.rescan_now()
        await eventually(lambda: f"disk with {count} recordings is not mounted" in error(handle))

    async def with_segments(count: int) -> None:
        handle.rescan_now()
        await until(handle, lambda: handle.footage("cam1").segments == count)

    async with box.running() as handle:
        box.add("a.mp4", b"".join(camera.segment(2)))
        await until(handle, lambda: frames_seen(handle) == 12)
        shutil.copytree(disk, tmp_path / "one")
        unmount(disk)
        await without(1)
        mount(disk)
        box.add("b.mp4", b"".join(camera.segment(1)))
        await with_segments(2)
        shutil.copytree(disk, tmp_path / "two")
        unmount(disk)
        await without(2)
        mount(disk)
        shutil.copytree(tmp_path / "two", disk, dirs_exist_ok=True)
        await without(1)
        assert handle.footage("cam1").segments == 2
        unmount(disk)
        await without(2)
        mount(disk)
        shutil.copytree(tmp_path / "one", disk, dirs_exist_ok=True)
        await without(1)
        assert handle.footage("cam1").segments == 2


async def test_a_start_before_the_disk_is_mounted_forgets_nothing(
    box: Box, disk: Path, tmp_path: Path
) -> None:
    async with box.running() as handle:
        camera = live_camera()
        box.add("a.mp4", b"".join(camera.segment(2)))
        await until(handle, lambda: frames_seen(handle) == 12)
        box.add("b.mp4", b"".join(camera.segment(1)))
        await until(handle, (box.index / "cam1" / "a.mp4.idx").exists)
    shutil.copytree(disk, tmp_path / "kept")
    unmount(disk)
    async with box.running() as handle:
        assert "disk with 1 recordings is not mounted" in error(handle), "said at a start too"
        assert handle.footage("cam1").segments == 0
        with pytest.raises(OSError) as refused:
            handle.open_fd("cam1/a.mp4")
        assert refused.value.errno == errno.ENODEV
        assert (box.index / "cam1" / "a.mp4.idx").exists()
        mount(disk)
        shutil.copytree(tmp_path / "kept", disk, dirs_exist_ok=True)
        handle.rescan_now()
        await until(handle, lambda: handle.footage("cam1").segments == 2)
        assert not error(handle)


async def recorded_and_stopped(box: Box) -> None:
    """Two segments on the disk, only the first in the index."""
    async with box.running() as handle:
        camera = live_camera()
        box.add("a.mp4", b"".join(camera.segment(2)))
        await until(handle, lambda: frames_seen(handle) == 12)
        box.add("b.mp4", b"".join(camera.segment(1)))
        await until(handle, (box.index / "cam1" / "a.mp4.idx").exists)


async def test_recordings_deleted_while_the_box_was_down_are_no_missing_disk(box: Box, disk: Path) -> None:
    await recorded_and_stopped(box)
    for path in (disk / "cam1").iterdir():
        path.unlink()
    async with box.running() as handle:
        assert not error(handle) and handle.footage("cam1").segments == 0
        with pytest.raises(FileNotFoundError):
            handle.open_fd("cam1/a.mp4")


async def test_files_in_the_mount_point_do_not_hide_the_missing_disk(
    box: Box, disk: Path, tmp_path: Path
) -> None:
    """Across any number of starts: the disk's recordings are neither deleted nor dropped from the index."""
    await recorded_and_stopped(box)
    shutil.copytree(disk, tmp_path / "kept")
    unmount(disk)
    async with box.running() as handle:
        camera = live_camera()
        box.add("c.mp4", b"".join(camera.segment(2)))
        await until(handle, lambda: frames_seen(handle) == 12)
        box.add("d.mp4", b"".join(camera.segment(1)))
        await until(handle, (box.index / "cam1" / "c.mp4.idx").exists)
    for _ in range(2):
        async with box.running() as handle:
            assert "disk with 1 recordings is not mounted" in error(handle)
            await until(handle, lambda: handle.footage("cam1").segments == 2)
            with pytest.raises(OSError) as refused:
                handle.open_fd("cam1/a.mp4")
            assert refused.value.errno == errno.ENODEV
            assert (box.index / "cam1" / "a.mp4.idx").exists()
    mount(disk)
    shutil.copytree(tmp_path / "kept", disk, dirs_exist_ok=True)
    async with box.running() as handle:
        assert "a.mp4" in [each.name.rpartition("/")[2] for each in handle.stored("cam1")]


async def test_no_recording_of_an_unfollowed_channel_counts_as_deleted_while_a_disk_is_away(
    box: Box, disk: Path
) -> None:
    """Clips of an archived channel play from its recordings too."""
    await recorded_and_stopped(box)
    unmount(disk)
    (disk / "archived").mkdir()  # in the mount point
    async with box.running() as handle:
        with pytest.raises(OSError) as refused:
            handle.open_fd("archived/a.mp4")
        assert refused.value.errno == errno.ENODEV
        mount(disk)


@pytest.mark.parametrize(
    ("known", "disks", "now", "absent"),
    [
        ("a", {"a": "one"}, Listing({}, 1, "one"), ""),  # deleted
        ("a", {"a": "one"}, Listing({}, 1, "two"), "a"),
        ("a", {"a": "one"}, Listing({}, None), "a"),  # no folder
        (
            "ab",
            {"a": "one", "b": "one"},
            Listing({"b": ONE["a.mp4"]}, 1, "two"),
            "",
        ),  # renamed; a was deleted
        ("ab", {"a": "one", "b": "two"}, Listing({"b": ONE["a.mp4"]}, 1, "two"), "a"),
        # a: an older release stored no disk
        ("ab", {"b": "two"}, Listing({"b": ONE["a.mp4"]}, 1, "two"), "a"),
        ("a", {}, Listing({"b": ONE["a.mp4"]}, 1, "two"), "a"),
        ("", {}, Listing({}, 1, "two"), ""),
    ],
)
def test_a_disk_is_known_by_its_name_or_by_what_is_on_it(
    known: str, disks: dict[str, str], now: Listing, absent: str
) -> None:
    assert absent_at_start(known, disks, now) == set(absent)
