"""The actor follows growing files, whatever the clocks of the disk and of the recorder are."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from functools import wraps
from pathlib import Path
from typing import Any

import pytest
import trio

from appliance.box.recordings.actor import RecordingsHandle
from appliance.box.recordings.following import folder, follow_channel
from appliance.kernel.clock import wall_us
from tests.box.recordings.tree import PART_US, Box, eventually, frames_seen, live_camera, until
from tests.kit.segments import Camera

S = 1_000_000
DAY_US = 86_400 * S
LATE_S = 0.5  # of two or three parts: later ones would come in a burst, like a copy
ATTEMPTS = 10


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path)


def wrong_camera(off_us: int | None, stream: bytes = b"\x11" * 16) -> Camera:
    """A camera whose recorder's clock is `off_us` ahead; None: it stands at 1970."""
    camera = live_camera(stream=stream)
    camera.ntp_ns = 0 if off_us is None else camera.ntp_ns + off_us * 1000
    return camera


class NotInTime(Exception):
    """This machine was too busy to write a part in time."""


def in_real_time(test: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    """Repeat the test in another folder until its recorder was in time: otherwise it proves nothing."""

    @wraps(test)
    async def until_in_time(box: Box, **given: Any) -> None:
        for attempt in range(ATTEMPTS):
            try:
                return await test(Box(box.root / str(attempt)), **given)
            except NotInTime:
                continue
            except BaseExceptionGroup as group:
                if group.subgroup(NotInTime) is None:
                    raise
        raise NotInTime(f"{ATTEMPTS} times")

    return until_in_time


class RealTime:
    """Writes parts of a camera when they are due. Raises NotInTime if late."""

    def __init__(self, box: Box, camera: Camera) -> None:
        self.box, self.camera, self.due_s = box, camera, trio.current_time()
        self.written, self.begun_us = 0, 1 << 62

    async def write(self, name: str, parts: int, *, begin: bool = True) -> int:
        """The parts of one file; returns the box time at which the last one was due.

        Uses the most punctual of them: a busy machine may have delayed each of the others.
        """
        for number in range(parts):
            due_s = max(self.due_s, trio.current_time())
            await trio.sleep_until(due_s)
            if trio.current_time() - due_s > LATE_S:
                raise NotInTime
            self.due_s += PART_US / 1e6
            data = self.camera.begin() if begin and not number else b""
            self.begun_us = min(self.begun_us, wall_us() - self.written * PART_US)
            self.box.add(name, data + self.camera.next_part())
            self.written += 1
        return self.begun_us + (self.written - 1) * PART_US


async def is_on(handle: RecordingsHandle) -> None:
    await until(handle, lambda: handle.footage_state("cam1") == "on")


@pytest.mark.parametrize("ahead_s", [-90, 90, -3600])
async def test_a_file_on_a_disk_with_another_clock_is_followed(box: Box, ahead_s: int) -> None:
    camera = live_camera()

    def stamp(path: Path) -> None:
        now_ns = (wall_us() + ahead_s * S) * 1000
        os.utime(path, ns=(now_ns, now_ns))

    async with box.running() as handle:
        stamp(hidden := box.add(".a.mp4", camera.begin() + camera.next_part()))
        path = hidden.rename(hidden.with_name("a.mp4"))
        for _ in range(9):
            await trio.sleep(PART_US / 1e6)
            written_us = wall_us()
            box.add("a.mp4", camera.next_part())
            stamp(path)
        await until(handle, lambda: frames_seen(handle) == 60)
        await is_on(handle)
        assert handle.video_until_us("cam1") == pytest.approx(written_us, abs=150_000)
        (stored,) = handle.stored("cam1")
        assert stored.is_growing
        assert handle.bytes_per_s("cam1") > 0


@pytest.mark.parametrize("off_us", [None, -3600 * S, 7200 * S, 30 * S])
@in_real_time
async def test_a_recorder_whose_clock_is_wrong_is_live_and_named(box: Box, off_us: int | None) -> None:
    camera = wrong_camera(off_us)
    async with box.running() as handle:
        recorder = RealTime(box, camera)
        written_us = await recorder.write("a.mp4", 11)
        await is_on(handle)
        await until(handle, lambda: frames_seen(handle) == 66)
        assert handle.video_until_us("cam1") == pytest.approx(written_us, abs=150_000)
        footage = handle.footage("cam1")
        truth_us = camera.ntp_ns // 1000 - written_us + 11 * PART_US
        assert footage.claimed_off_us == pytest.approx(truth_us, abs=100_000)


@in_real_time
async def test_a_box_that_starts_beside_a_wrong_recorder_keeps_the_order_over_rotation_and_restart(
    box: Box,
) -> None:
    camera = wrong_camera(-3600 * S)
    begun_us = wall_us() - 5 * PART_US
    box.add("a.mp4", camera.begin() + b"".join(camera.next_part() for _ in range(5)))
    recorder = RealTime(box, camera)
    recorder.due_s += PART_US / 1e6
    async with box.running() as handle:
        await recorder.write("a.mp4", 10, begin=False)
        await is_on(handle)
        await recorder.write("b.mp4", 3)
        await until(handle, lambda: frames_seen(handle) == 18)
        before = handle.coverage("cam1", begun_us - DAY_US, begun_us + DAY_US)
        (span,) = before.spans
        assert span.start_us == pytest.approx(begun_us, abs=150_000)
        assert span.end_us - span.start_us == pytest.approx(18 * PART_US, abs=60_000)
        names = [stored.name for stored in handle.stored("cam1")]
        assert names == ["cam1/a.mp4", "cam1/b.mp4"]
        off_us = handle.footage("cam1").claimed_off_us
    async with box.running() as handle:
        await until(handle, lambda: handle.coverage("cam1", 0, 1 << 61).spans)
        await until(handle, lambda: not handle.statistics()["segments_waiting"])
        after = handle.coverage("cam1", begun_us - DAY_US, begun_us + DAY_US)
        assert after.spans == before.spans
        assert handle.footage("cam1").claimed_off_us == off_us
        await recorder.write("b.mp4", 2, begin=False)
        await is_on(handle)


async def test_a_copy_that_grows_fast_is_not_live(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow_channel, "_WHOLE_S", 0.5)
    camera = wrong_camera(-DAY_US)
    begun_us = camera.ntp_ns // 1000
    async with box.running() as handle:
        box.add("a.mp4", camera.begin())
        for _ in range(10):
            box.add("a.mp4", b"".join(camera.next_part() for _ in range(10)))
            await trio.sleep(0.1)
        await until(handle, lambda: handle.video_until_us("cam1"))
        assert handle.video_until_us("cam1") == pytest.approx(begun_us + 100 * PART_US, abs=5)
        assert handle.footage_state("cam1") == "none"
        assert handle.footage("cam1").claimed_off_us == 0


async def test_a_file_found_at_the_start_that_does_not_grow_keeps_its_own_time(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow_channel, "_WHOLE_S", 0.3)
    camera = wrong_camera(-3600 * S)
    begun_us = camera.ntp_ns // 1000
    box.add("a.mp4", b"".join(camera.segment(5)))
    async with box.running() as handle:
        await until(handle, lambda: handle.video_until_us("cam1"))
        assert handle.video_until_us("cam1") == pytest.approx(begun_us + 5 * PART_US, abs=5)
        assert handle.footage_state("cam1") == "none"


@in_real_time
async def test_a_growing_file_is_found_though_a_copy_is_stamped_later(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder, "RESCAN_S", 0.2)
    old = wrong_camera(-DAY_US, stream=b"\x77" * 16)
    copied = box.add("z.mp4", b"".join(old.segment(3)))
    future_ns = (wall_us() + DAY_US) * 1000
    os.utime(copied, ns=(future_ns, future_ns))
    camera = live_camera()
    begun_us = wall_us()
    box.add("a.mp4", camera.begin() + camera.next_part())
    async with box.running() as handle:
        await RealTime(box, camera).write("a.mp4", 8, begin=False)
        await is_on(handle)
        await until(handle, lambda: (handle.video_until_us("cam1") or 0) > begun_us)


async def test_a_copy_beside_a_live_file_does_not_end_it(box: Box) -> None:
    camera = live_camera()
    old = wrong_camera(-DAY_US, stream=b"\x77" * 16)
    async with box.running() as handle:
        box.add("a.mp4", camera.begin() + camera.next_part())
        await is_on(handle)
        box.add("b.mp4", b"".join(old.segment(3)))
        await eventually(lambda: len(list(handle.stored("cam1"))) == 2)
        await trio.sleep(
            follow_channel._SUPERSEDED_S + 0.3
        )  # longer than a live file may be silent beside its successor
        before_s = trio.current_time()
        box.add("a.mp4", camera.next_part())

        def is_followed() -> bool:
            age_s = handle.footage("cam1").newest_part_age_s
            return age_s is not None and age_s < trio.current_time() - before_s

        await until(handle, is_followed)


@pytest.mark.parametrize("every_s", [0.0, 0.03, 0.1])
@pytest.mark.parametrize("is_own_word", [True, False])
@in_real_time
async def test_a_buffer_that_a_camera_sends_at_once_was_filmed_before_it_came(
    box: Box, every_s: float, is_own_word: bool
) -> None:
    """MediaMTX's NTP is the arrival of the first picture, our recorder's its capture: neither matters."""
    buffered = 15  # parts: 3 s
    camera = live_camera()
    begun_us = wall_us() - buffered * PART_US
    camera.ntp_ns = (begun_us if is_own_word else wall_us()) * 1000
    async with box.running() as handle:
        box.add("a.mp4", camera.begin())
        for _ in range(buffered):
            box.add("a.mp4", camera.next_part())
            await trio.sleep(every_s)
        recorder = RealTime(box, camera)
        recorder.due_s += (begun_us + (buffered + 1) * PART_US - wall_us()) / 1e6
        written_us = await recorder.write("a.mp4", 5 + round(every_s * 75), begin=False)
        await is_on(handle)
        await until(handle, lambda: frames_seen(handle) == camera.frame)
        (span,) = handle.coverage("cam1", 0, 1 << 61).spans
        assert span.start_us == pytest.approx(begun_us, abs=100_000)
        assert span.end_us == pytest.approx(written_us, abs=100_000)
        assert handle.footage("cam1").claimed_off_us == 0


@pytest.mark.parametrize("off_us", [-3600 * S, 7200 * S])
@in_real_time
async def test_files_that_a_wrong_recorder_closed_before_the_start_lie_before_the_one_it_writes(
    box: Box, off_us: int
) -> None:
    camera = wrong_camera(off_us)
    begun_us = wall_us() - 15 * PART_US
    for name in ("a.mp4", "b.mp4"):
        box.add(name, b"".join(camera.segment(5)))
    box.add("c.mp4", camera.begin() + b"".join(camera.next_part() for _ in range(5)))
    recorder = RealTime(box, camera)
    recorder.due_s += PART_US / 1e6
    async with box.running() as handle:
        await recorder.write("c.mp4", 10, begin=False)
        await is_on(handle)
        await until(handle, lambda: frames_seen(handle) == 90)
        await eventually(lambda: not handle.statistics()["segments_waiting"])
        (span,) = handle.coverage("cam1", begun_us - DAY_US, begun_us + DAY_US).spans
        assert span.start_us == pytest.approx(begun_us, abs=150_000)
        assert span.end_us - span.start_us == pytest.approx(25 * PART_US, abs=60_000)
        names = [stored.name for stored in handle.stored("cam1")]
        assert names == ["cam1/a.mp4", "cam1/b.mp4", "cam1/c.mp4"]
