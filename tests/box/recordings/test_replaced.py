"""A file that was replaced by another recording is indexed again, and its old clock is dropped."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from appliance.box.recordings.actor import RecordingsHandle
from appliance.box.recordings.following import folder, follow_channel
from appliance.kernel.clock import wall_us
from tests.box.recordings.tree import PART_US, Box, eventually, frames_seen, live_camera, until
from tests.kit.segments import Camera, init

NOW_US = 1_790_000_000_000_000
HOUR_US = 3_600_000_000
OLD, NEW = b"\x11" * 16, b"\x22" * 16


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Box:
    monkeypatch.setattr(folder, "RESCAN_S", 0.1)
    monkeypatch.setattr(folder, "RESTAT_S", 0.1)
    monkeypatch.setattr(follow_channel, "_WHOLE_S", 0.2)
    return Box(tmp_path)


def recording(stream: bytes, begun_us: int, parts: int = 5) -> bytes:
    return b"".join(Camera(stream_id=stream, ntp_ns=begun_us * 1000).segment(parts))


def replace_file(path: Path, data: bytes, how: str) -> None:
    if how == "renamed":
        new = path.with_name(".new")
        new.write_bytes(data)
        new.rename(path)
    else:
        with path.open("r+b") as file:
            file.truncate(0)
            file.write(data)


async def spans(handle: RecordingsHandle, run: bytes) -> list[tuple[int, int]]:
    """Wall time of the covered spans, once all of them are of `run`."""

    def is_replaced() -> bool:
        known = handle.coverage("cam1", 0, 1 << 61).spans
        return bool(known) and {span.run_id for span in known} == {run.hex()}

    await eventually(is_replaced)
    known = handle.coverage("cam1", 0, 1 << 61).spans
    return [(round(span.start_us, -3), round(span.end_us, -3)) for span in known]


@pytest.mark.parametrize("how", ["renamed", "rewritten"])
@pytest.mark.parametrize("parts", [5, 3, 8])
@pytest.mark.parametrize("newer", [False, True], ids=["followed", "walked"])
async def test_a_file_replaced_while_the_box_runs(box: Box, how: str, parts: int, newer: bool) -> None:
    path = box.add("a.mp4", recording(OLD, NOW_US))
    if newer:  # so that a.mp4 is not the followed file
        os.utime(path, ns=(NOW_US * 1000,) * 2)
    async with box.running() as handle:
        assert await spans(handle, OLD) == [(NOW_US, NOW_US + 5 * PART_US)]
        replace_file(path, recording(NEW, NOW_US + HOUR_US, parts), how)
        begun_us = NOW_US + HOUR_US
        assert await spans(handle, NEW) == [(begun_us, begun_us + parts * PART_US)]
        views = await handle.views("cam1", 0, 1 << 61)
        assert [(view.run_id, len(view.parts)) for view in views] == [(NEW.hex(), parts)]
    async with box.running() as handle:
        assert await spans(handle, NEW) == [(begun_us, begun_us + parts * PART_US)]


@pytest.mark.parametrize("how", ["renamed", "rewritten"])
async def test_a_file_replaced_while_the_box_was_off(box: Box, how: str) -> None:
    path = box.add("a.mp4", recording(OLD, NOW_US))
    os.utime(path, ns=(NOW_US * 1000,) * 2)
    box.add("b.mp4", recording(b"\x33" * 16, NOW_US + 60_000_000))
    async with box.running() as handle:
        await eventually((box.index / "cam1" / "a.mp4.idx").exists)
        await until(handle, lambda: len(handle.coverage("cam1", 0, 1 << 61).spans) == 2)
    replace_file(path, recording(NEW, NOW_US + HOUR_US), how)
    async with box.running() as handle:
        await eventually(
            lambda: (
                [span.run_id for span in handle.coverage("cam1", 0, 1 << 61).spans] == ["33" * 16, NEW.hex()]
            )
        )


async def test_a_file_without_mtxi_that_is_replaced_has_a_new_clock(box: Box) -> None:
    """A run by its name: nothing in it shows that it is a different one."""
    name = "2026-09-21_13-46-40.mp4"
    camera = Camera()
    path = box.add(name, init(None, duration_ms=600) + b"".join(camera.next_part() for _ in range(3)))
    async with box.running() as handle:
        await eventually(lambda: handle.coverage("cam1", 0, 1 << 61).spans)
        other = Camera(frame_ticks=1500)
        replace_file(
            path, init(None, duration_ms=500) + b"".join(other.next_part() for _ in range(5)), "rewritten"
        )
        await eventually(lambda: abs(_length_us(handle) - 5 * PART_US // 2) < 10)
        views = await handle.views("cam1", 0, 1 << 61)
        assert [len(view.parts) for view in views] == [5]


@pytest.mark.parametrize("is_off", [False, True], ids=["running", "off"])
@pytest.mark.parametrize("is_over", [False, True], ids=["growing", "over"])
async def test_a_replaced_file_without_mtxi_has_no_knots_of_the_old_one_after_a_restart(
    box: Box, is_off: bool, is_over: bool
) -> None:
    """The old one was recorded 3 s after the time in its name; the new one, a copy, at the time in its
    name."""
    named_us = (wall_us() - 3_000_000) // 1_000_000 * 1_000_000
    name = datetime.fromtimestamp(named_us / 1e6, UTC).strftime("%Y-%m-%d_%H-%M-%S.mp4")
    old, new = Camera(), Camera(frame_ticks=1500)
    copy = init(None, duration_ms=500) + b"".join(new.next_part() for _ in range(5))

    def begun_us(handle: RecordingsHandle) -> int:
        return round(next((span.start_us for span in handle.coverage("cam1", 0, 1 << 61).spans), 0), -3)

    async with box.running() as handle:
        path = box.add(name, init(None) + old.next_part())
        await until(handle, lambda: begun_us(handle) > named_us + 1_500_000)
        if is_over:  # its recorder continues with the next file
            after = live_camera()
            box.add("9.mp4", after.begin() + after.next_part())
            await eventually((box.index / "cam1" / f"{name}.idx").exists)
            (box.recordings / "cam1" / "9.mp4").unlink()
        if not is_off:
            put_copy(path, copy)
            await until(handle, lambda: begun_us(handle) == named_us)
    if is_off:
        put_copy(path, copy)
    async with box.running() as handle:
        await until(handle, lambda: abs(_length_us(handle) - 5 * PART_US // 2) < 10)
        assert begun_us(handle) == named_us


def put_copy(path: Path, data: bytes) -> None:
    """Replaces another file; not written just now, unlike a live recording."""
    new = path.with_name(".new")
    new.write_bytes(data)
    os.utime(new, (wall_us() / 1e6 + 3600,) * 2)
    new.rename(path)


def _length_us(handle: RecordingsHandle) -> int:
    return sum(span.end_us - span.start_us for span in handle.coverage("cam1", 0, 1 << 61).spans)


async def test_an_open_file_that_is_rewritten_between_two_looks_is_noticed(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow_channel, "POLL_S", 0.3)
    async with box.running() as handle:
        path = box.add("a.mp4", b"".join(live_camera(stream=OLD).segment(2)))
        await until(handle, lambda: frames_seen(handle) == 12)
        again = live_camera(stream=NEW)
        again.frame_ticks = 1500
        replace_file(path, b"".join(again.segment(9)), "rewritten")
        await eventually(lambda: frames_seen(handle) == 54)
        view = handle.newest_view("cam1")
        assert view is not None and view.run_id == NEW.hex()


@pytest.mark.parametrize("how", ["touched", "closed", "restored"])
async def test_a_file_that_is_the_same_recording_keeps_its_times(box: Box, how: str) -> None:
    camera = live_camera(behind_us=1_500_000)  # its own claim is 1.5 s off
    async with box.running() as handle:
        path = box.add("a.mp4", camera.begin() + b"".join(camera.next_part() for _ in range(4)))
        await until(handle, lambda: frames_seen(handle) == 24)
        after = live_camera(stream=NEW)
        box.add("b.mp4", after.begin() + after.next_part())
        await eventually((box.index / "cam1" / "a.mp4.idx").exists)
        before = handle.coverage("cam1", 0, 1 << 61).spans[0]
        if how == "touched":
            os.utime(path)
        elif how == "closed":  # MediaMTX writes the length when it closes a file
            data = path.read_bytes()
            mtxi = (camera.stream_id, 0, camera.dts_ns, camera.ntp_ns)
            whole = init(mtxi, duration_ms=800)
            assert len(whole) < len(data)
            with path.open("r+b") as file:
                file.write(whole)
        else:
            replace_file(path, path.read_bytes(), "renamed")
        changed_ns = path.stat().st_mtime_ns
        listed = handle._state.followed["cam1"].listed
        await eventually(lambda: handle._state.followed["cam1"].listed["a.mp4"].mtime_ns == changed_ns)
        assert listed
        await eventually(lambda: not handle.statistics()["segments_waiting"])
        assert handle.coverage("cam1", 0, 1 << 61).spans[0] == before
    async with box.running() as handle:
        await eventually(lambda: handle.coverage("cam1", 0, 1 << 61).spans)
        await eventually(lambda: not handle.statistics()["segments_waiting"])
        await eventually(lambda: handle.coverage("cam1", 0, 1 << 61).spans[0] == before)
