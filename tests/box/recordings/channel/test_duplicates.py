"""Two files of one run and number: one is the recording, the other is ignored and reported."""

from __future__ import annotations

import itertools
import shutil
from datetime import UTC
from pathlib import Path

import pytest
import trio

from appliance.box.recordings.channel.channel_index import ChannelIndex
from tests.box.recordings.channel.test_channel_index import NOW_US, PART_US
from tests.box.recordings.tree import Box, eventually, frames_seen, live_camera, until
from tests.kit.segments import Camera
from tests.kit.waiting import LIMIT_S
from tests.media.index.test_index import indexed

NAMED = "2026-09-21_14-13-20-000000.mp4"  # NOW_US, as MediaMTX names it


def walked(folder: Path, *names: str) -> ChannelIndex:
    channel = ChannelIndex("cam1", UTC)
    for name in names:
        size = (folder / name).stat().st_size
        channel.walked(channel.discover(name, size, NOW_US, None), indexed(folder / name), None)
    return channel


def files(folder: Path, **parts: int) -> list[str]:
    """Files of one run and number with these numbers of parts, by their name without .mp4."""
    for stem, count in parts.items():
        data = Camera(ntp_ns=NOW_US * 1000).segment(count)
        (folder / f"{stem}.mp4").write_bytes(b"".join(data))
    return [f"{stem}.mp4" for stem in parts]


@pytest.mark.parametrize(
    ("names", "kept"),
    [
        ({NAMED[:-4]: 5, "copy": 5}, NAMED),
        ({NAMED[:-4]: 5, "2026-09-21_14-13-20-000000 (1)": 5}, NAMED),
        ({NAMED[:-4]: 3, "rescued": 5}, "rescued.mp4"),
        ({"a": 5, "a copy": 5, "a copy 2": 5}, "a.mp4"),
        ({"2026-09-21_16-13-20": 5, NAMED[:-4]: 5}, NAMED),
    ],
)
def test_the_recording_is_the_one_that_reaches_furthest_then_the_one_well_named(
    tmp_path: Path, names: dict[str, int], kept: str
) -> None:
    made = files(tmp_path, **names)
    for order in itertools.permutations(made):
        channel = walked(tmp_path, *order)
        assert dict.fromkeys(set(made) - {kept}, kept) == channel.copies.ignored, order
        (span,) = channel.coverage(0, 1 << 61, is_live=False).spans
        assert span.end_us - span.start_us == max(names.values()) * PART_US
        assert [each.name for each in channel.touching(0, 1 << 61)] == [kept]
        assert len(channel.newest_first()) == len(made), "retention counts and deletes every file"


def test_a_copy_takes_over_when_the_recording_is_deleted(tmp_path: Path) -> None:
    names = files(tmp_path, **{NAMED[:-4]: 5, "copy": 5, "copy2": 5})
    channel = walked(tmp_path, *names)
    channel.forget(NAMED)
    assert channel.copies.ignored == {"copy2.mp4": "copy.mp4"}
    assert [item.name for item in channel.touching(0, 1 << 61)] == ["copy.mp4"]
    channel.forget("copy.mp4")
    assert channel.copies.ignored == {}


def test_other_numbers_and_other_runs_are_no_copies(tmp_path: Path) -> None:
    camera = Camera(ntp_ns=NOW_US * 1000)
    for name in ("a.mp4", "b.mp4"):
        (tmp_path / name).write_bytes(b"".join(camera.segment(5)))
    other = Camera(ntp_ns=NOW_US * 1000, stream_id=b"\x22" * 16)
    (tmp_path / "c.mp4").write_bytes(b"".join(other.segment(5)))
    assert walked(tmp_path, "a.mp4", "b.mp4", "c.mp4").copies.ignored == {}


async def test_a_copy_made_while_the_camera_records_changes_nothing_but_is_named(tmp_path: Path) -> None:
    box, camera = Box(tmp_path), live_camera()
    async with box.running() as handle:
        path = box.add("a.mp4", camera.begin() + b"".join(camera.next_part() for _ in range(3)))
        await until(handle, lambda: frames_seen(handle) == 18)
        view = handle.newest_view("cam1")
        assert view is not None
        times = [view.clock.wall_us(at * 100_000_000) for at in range(6)]
        shutil.copyfile(path, path.with_name("a (sync conflict).mp4"))
        await eventually(lambda: handle.footage("cam1").copies)
        assert handle.footage("cam1").copies == (("a (sync conflict).mp4", "a.mp4"),)
        box.add("a.mp4", camera.next_part())
        await until(handle, lambda: frames_seen(handle) == 24)
        view = handle.newest_view("cam1")
        assert view is not None and view.name == "cam1/a.mp4"
        assert [view.clock.wall_us(at * 100_000_000) for at in range(6)] == times
        views = await handle.views("cam1", 0, 1 << 61)
        assert [element.name for element in views] == ["cam1/a.mp4"]
        (path.with_name("a (sync conflict).mp4")).unlink()
        await eventually(lambda: not handle.footage("cam1").copies)


async def test_copies_are_known_after_a_restart(tmp_path: Path) -> None:
    box = Box(tmp_path)
    folder = box.recordings / "cam1"
    folder.mkdir(parents=True)
    names = files(folder, **{NAMED[:-4]: 5, "copy": 5})
    for _ in range(2):
        async with box.running() as handle:
            with trio.fail_after(LIMIT_S):
                await eventually(lambda: handle.footage("cam1").copies)
            assert handle.footage("cam1").copies == ((names[1], names[0]),)
            assert len(list(handle.stored("cam1"))) == 2
