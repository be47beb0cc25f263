"""E9: one outage has one reason: at its start, at its end, on the timeline, and after a restart."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from appliance.box.recordings.actor import RecordingsHandle
from appliance.box.recordings.following import footage_facts
from appliance.box.recordings.model import RecordingGap
from appliance.kernel.clock import wall_us
from appliance.media.index.spans import Reason
from appliance.media.index.table import read_log
from tests.box.recordings.tree import PART_US, Box, eventually, fallen_silent, live_camera, until
from tests.kit.segments import Camera, init

ANOTHER = b"\x22" * 16


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Box:
    monkeypatch.setattr(footage_facts, "_WORTH_TELLING_US", 100_000)
    return Box(tmp_path)


def gaps(box: Box) -> list[RecordingGap]:
    return [fact for fact in box.facts if isinstance(fact, RecordingGap)]


async def record(box: Box, handle: RecordingsHandle, name: str, camera: Camera, parts: int = 1) -> None:
    """Write parts and wait until the footage state is `on`."""
    box.add(name, b"".join(camera.segment(parts)))
    await until(handle, lambda: handle.footage_state("cam1") == "on")


async def stop(box: Box, handle: RecordingsHandle) -> RecordingGap:
    """Wait until the silence is published."""
    await fallen_silent(handle)
    assert handle.footage_state("cam1") == "stalled"
    await eventually(lambda: gaps(box) and gaps(box)[-1].end_us is None)
    return gaps(box)[-1]


def timeline(handle: RecordingsHandle, gap: RecordingGap) -> list[str]:
    """The reason of the gap, if there is one."""
    known = handle.coverage("cam1", gap.start_us - 1_000_000, wall_us() + 1_000_000)
    return [each.reason for each in known.gaps if abs(each.start_us - gap.start_us) <= 300_000]


async def is_noted(box: Box) -> None:
    """The outage is in the index's log: a daemon that ends does not wait long for a slow disk."""
    await eventually(lambda: read_log((box.index / "cam1" / "log").read_bytes()).outages)


async def lasted(gap: RecordingGap, us: int) -> None:
    """The outage is long enough that a part written now does not reach back to its start."""
    await eventually(lambda: wall_us() - gap.start_us > us)


@pytest.mark.parametrize("known", [None, "source_lost", "recorder_restart"])
@pytest.mark.parametrize("dts_s", [0, 60])  # a new connection's media time, and a continued one
async def test_an_outage_ends_with_the_reason_it_began_with(
    box: Box, known: Reason | None, dts_s: int
) -> None:
    requests: list[str] = []

    def why(channel_id: str, since_s: float) -> Reason | None:
        requests.append(channel_id)
        return known if len(gaps(box)) == 0 else None  # later it is unknown

    async with box.running(why_ended=why) as handle:
        await record(box, handle, "a.mp4", live_camera())
        begun = await stop(box, handle)
        assert begun.reason == (known or "source_lost") and requests[0] == "cam1"
        assert timeline(handle, begun) == [begun.reason]
        await lasted(begun, 700_000)
        again = live_camera(stream=ANOTHER)
        again.dts_ns = dts_s * 1_000_000_000
        await record(box, handle, "b.mp4", again)
        await eventually(lambda: len(gaps(box)) == 2)
        over = gaps(box)[1]
        assert (over.start_us, over.reason) == (begun.start_us, begun.reason) and over.end_us is not None
        assert timeline(handle, begun) == [begun.reason]
        await is_noted(box)
    async with box.running() as handle:
        await indexed(handle)
        assert timeline(handle, begun) == [begun.reason], "the next life knows too"


async def test_an_outage_that_outlives_the_daemon_keeps_its_reason(box: Box) -> None:
    async with box.running(why_ended=lambda channel_id, since_s: "recorder_restart") as handle:
        await record(box, handle, "a.mp4", live_camera())
        begun = await stop(box, handle)
        await is_noted(box)
    async with box.running() as handle:
        await indexed(handle)
        assert timeline(handle, begun) == ["recorder_restart"]
        await lasted(begun, 700_000)
        await record(box, handle, "b.mp4", live_camera(stream=ANOTHER))
        await eventually(lambda: gaps(box)[-1].end_us is not None)
        assert {gap.reason for gap in gaps(box)} == {"recorder_restart"}


async def test_bytes_written_while_a_recorder_ends_a_lost_camera_do_not_end_the_outage(
    box: Box,
) -> None:
    camera = live_camera()
    async with box.running() as handle:
        await record(box, handle, "a.mp4", camera)
        begun = await stop(box, handle)
        before_us = handle.video_until_us("cam1")
        box.add("a.mp4", camera.next_part())
        await until(handle, lambda: handle.video_until_us("cam1") != before_us)
        assert handle.footage_state("cam1") == "stalled" and gaps(box) == [begun]
        await lasted(begun, 1_000_000)
        await record(box, handle, "b.mp4", live_camera(stream=ANOTHER))
        await eventually(lambda: len(gaps(box)) == 2)
        assert gaps(box)[1].reason == begun.reason == "source_lost"
        assert timeline(handle, begun) == ["source_lost"]


async def test_a_camera_that_pauses_and_sends_on_had_one_outage(box: Box) -> None:
    camera = live_camera()
    async with box.running() as handle:
        await record(box, handle, "a.mp4", camera)
        begun = await stop(box, handle)
        await lasted(begun, 700_000)
        # the frames of the pause are lost: media time continues like real time
        camera.frame += round((wall_us() - (camera.ntp_ns // 1000 + PART_US)) / 1e6 * 30)
        box.add("a.mp4", camera.next_part())
        box.add("a.mp4", camera.next_part())
        await until(handle, lambda: handle.footage_state("cam1") == "on")
        await eventually(lambda: len(gaps(box)) == 2)
        over = gaps(box)[1]
        assert over.end_us is not None and over.end_us - over.start_us > 200_000
        assert (over.start_us, over.reason) == (begun.start_us, "source_lost")
        assert timeline(handle, begun) == ["source_lost"]


async def test_parts_that_were_only_late_leave_no_gap(box: Box) -> None:
    camera = live_camera()
    async with box.running() as handle:
        await record(box, handle, "a.mp4", camera)
        begun = await stop(box, handle)
        box.add("a.mp4", camera.next_part())
        box.add("a.mp4", camera.next_part())
        await until(handle, lambda: handle.footage_state("cam1") == "on")
        await eventually(lambda: len(gaps(box)) == 2)
        assert gaps(box)[1] == RecordingGap("cam1", begun.start_us, begun.start_us, begun.reason)
        assert timeline(handle, begun) == []


@pytest.mark.parametrize("is_finished", [True, False])
@pytest.mark.parametrize("was_there", [True, False])
async def test_a_recorder_that_was_killed_did_not_finish_its_file(
    box: Box, is_finished: bool, was_there: bool
) -> None:
    """An outage that ended before it was published: a camera that reconnects, or MediaMTX after a kill -9.

    `was_there`: the box started during the outage.
    """
    first = live_camera(behind_us=2_000_000)
    mtxi = (first.stream_id, 0, 0, first.ntp_ns)
    path = box.add("a.new", init(mtxi, duration_ms=200 if is_finished else 0) + first.next_part())
    os.utime(path, ns=(1, first.ntp_ns + PART_US * 1000))  # written two seconds ago
    if was_there:
        path.rename(path.with_name("a.mp4"))
    async with box.running() as handle:
        if not was_there:
            path.rename(path.with_name("a.mp4"))
        await until(handle, lambda: handle.video_until_us("cam1"))
        await eventually(lambda: not is_open(handle, "a.mp4") or asked_in_vain(handle, "a.mp4"))
        await record(box, handle, "b.mp4", live_camera(stream=ANOTHER))
        await eventually(lambda: gaps(box))
        [gap] = gaps(box)
        assert gap.reason == ("source_lost" if is_finished else "recorder_restart")
        assert timeline(handle, gap) == [gap.reason]
        await is_noted(box)
    async with box.running() as handle:
        await indexed(handle)
        assert timeline(handle, gap) == [gap.reason]


def is_open(handle: RecordingsHandle, name: str) -> bool:
    return name in handle._state.followed["cam1"].open


def asked_in_vain(handle: RecordingsHandle, name: str) -> bool:
    segment = handle._state.followed["cam1"].open[name]
    return segment.asked_closed and not segment.is_closed


async def indexed(handle: RecordingsHandle) -> None:
    """The history is indexed, and files written a moment before the start no longer count as new."""
    await eventually(lambda: handle.footage("cam1").segments and not handle.footage("cam1").waiting)
    await fallen_silent(handle)


async def test_with_the_embedded_recorder_a_restart_of_the_box_is_the_reason_of_its_gap(box: Box) -> None:
    async with box.running(dies_with_us=True) as handle:
        await record(box, handle, "a.mp4", live_camera())
        until_us = handle.video_until_us("cam1") or 0
    async with box.running(dies_with_us=True) as handle:
        await indexed(handle)
        gap = RecordingGap("cam1", until_us, None, "recorder_restart")
        assert timeline(handle, gap) == ["recorder_restart"]
        await lasted(gap, 700_000)
        await record(box, handle, "b.mp4", live_camera(stream=ANOTHER))
        await eventually(lambda: gaps(box) and gaps(box)[-1].end_us is not None)
        assert {gap.reason for gap in gaps(box)} == {"recorder_restart"}
        assert timeline(handle, gap) == ["recorder_restart"]
