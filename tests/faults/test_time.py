"""Irregular time: steps, jumps, midnight, the repeated hour, a source that reconnects."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import trio

from appliance.box.clips.cutting.planner import Planner
from appliance.box.recordings.actor import RecordingsHandle, run_recordings
from appliance.box.settings import load_settings
from appliance.kernel.clock import from_rfc3339, wall_us
from appliance.media.cut.plan import NoFootage
from appliance.ops.fsck import check_box
from tests.box.recordings.tree import Box, RealClock, until
from tests.faults.flapping import flaps
from tests.kit.running import Box as RealBox
from tests.kit.running import Http, running_box
from tests.kit.segments import Camera
from tests.kit.waiting import LIMIT_S

pytestmark = pytest.mark.slow
DATA = Path(__file__).parents[1] / "data" / "mediamtx"
FAKETIME = Path("/usr/lib") / "x86_64-linux-gnu" / "faketime" / "libfaketimeMT.so.1"
S_US = 1_000_000
FRAME_US = 40_000  # the last frame before OUT is shown until its own end


async def test_a_source_may_flap_and_nothing_grows(tmp_path: Path) -> None:
    tally = await flaps(150, 1, tmp_path)
    assert tally.violations == [] and tally.rounds == 150


# -- recordings -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("case", "least"), [("pts_jump", 60), ("resolution_change", 30), ("normal_5seg_bframes_aac", 60)]
)
async def test_a_recording_that_jumps_or_changes_its_size_while_it_grows_is_cut_all_along(
    tmp_path: Path, case: str, least: int
) -> None:
    """MediaMTX's files in odd pieces: every plan of two seconds is correct, or says that there is no
    footage."""
    box = Box(tmp_path)
    async with box.running() as handle:
        for path in sorted((DATA / case / "cam1").glob("*.mp4")):
            data = path.read_bytes()
            for at in range(0, len(data), 40_001):
                box.add(path.name, data[at : at + 40_001])
                handle.rescan_now()
                await trio.lowlevel.checkpoint()
        planner = Planner(handle, trio.CapacityLimiter(2))
        with trio.fail_after(LIMIT_S):
            while True:
                seen = handle.changed.count
                if await _all_frames(handle, planner) >= least:
                    break
                await handle.changed.wait_past(seen)
        assert handle.footage("cam1").unreadable == ()


async def _all_frames(handle: RecordingsHandle, planner: Planner) -> int:
    """Frames of plans of two seconds each, over all existing footage."""
    footage = handle.footage("cam1")
    if footage.video_from_us is None or footage.video_until_us is None:
        return 0
    starts = range(footage.video_from_us - S_US, footage.video_until_us, 2 * S_US)
    return sum([await _frames(planner, at_us, at_us + 2 * S_US) for at_us in starts])


async def _frames(planner: Planner, start_us: int, end_us: int) -> int:
    """Frames of one plan, which gives a reason for every missing frame."""
    try:
        plan = await planner.plan_span("cam1", start_us, end_us, 0)
    except NoFootage:
        return 0
    assert plan.size == len(plan.header) + sum(each.length for each in plan.ranges)
    assert start_us <= plan.coverage_start_us < plan.coverage_end_us < end_us + FRAME_US
    return plan.frames


@asynccontextmanager
async def following(box: Box, zone: tzinfo) -> AsyncIterator[RecordingsHandle]:
    async with trio.open_nursery() as nursery:
        yield await nursery.start(
            lambda task_status: run_recordings(
                recordings_dir=box.recordings,
                index_dir=box.index,
                channels={"cam1": 0},
                clock=RealClock(),
                name_timezone=zone,
                announce=box.announce,
                task_status=task_status,
            )
        )
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("zone", "first"),
    [
        ("Europe/Madrid", datetime(2026, 10, 25, 0, 59, 58, tzinfo=UTC)),  # 02:59:58, then 02:00:01 again
        ("Europe/Madrid", datetime(2026, 3, 29, 0, 59, 58, tzinfo=UTC)),  # 01:59:58, then 03:00:01
        ("UTC", datetime(2026, 11, 20, 23, 59, 58, tzinfo=UTC)),  # midnight
    ],
)
async def test_names_across_midnight_and_both_changes_of_the_clock(
    tmp_path: Path, zone: str, first: datetime
) -> None:
    """The file contains its own recording time: names that go back an hour move nothing."""
    box, start_us = Box(tmp_path), round(first.timestamp() * S_US)
    camera = Camera(ntp_ns=start_us * 1000)
    for number in range(3):
        begun = datetime.fromtimestamp(first.timestamp() + 3 * number, ZoneInfo(zone))
        path = box.add(f"{begun:%Y-%m-%d_%H-%M-%S-%f}.mp4", b"".join(camera.segment(15)))
        ended_s = first.timestamp() + 3 * number + 3
        os.utime(path, (ended_s, ended_s))
    async with following(box, ZoneInfo(zone)) as handle:
        span = start_us - 7200 * S_US, start_us + 7200 * S_US
        await until(handle, lambda: handle.covered_us("cam1", *span) > 9 * S_US - 1000)
        known = handle.coverage("cam1", *span)
        assert [round((each.end_us - each.start_us) / 1000) for each in known.spans] == [9000]
        assert abs(known.spans[0].start_us - start_us) < 50_000
        planner = Planner(handle, trio.CapacityLimiter(1))
        at_us = known.spans[0].start_us - 10_000  # between two frames
        assert await _frames(planner, at_us + 2 * S_US, at_us + 8 * S_US) == 180


# -- the wall clock ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("step_s", [3600, -86400])
async def test_a_step_of_the_wall_clock_moves_no_mark_and_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step_s: int
) -> None:
    if not FAKETIME.exists():
        pytest.skip("libfaketime is not installed: the wall clock is not stepped")
    dial = tmp_path / "dial"
    dial.write_text("+0")
    for name, value in {
        "LD_PRELOAD": str(FAKETIME),
        "FAKETIME_TIMESTAMP_FILE": str(dial),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "NO_FAKE_STAT": "1",
    }.items():
        monkeypatch.setenv(name, value)
    async with running_box(tmp_path / "box", channels=[{"id": "cam1"}]) as box, box.http() as http:
        session = await http.post("/sessions", {"name": "Night", "type": "game"}, 201)
        await http.post(f"/sessions/{session['id']}/start")
        ghost = await http.post("/clips", {"session_id": session["id"], "channel_id": "cam1"}, 201)
        dial.write_text(f"{step_s:+d}s")
        event = await _clock_step(http)
        assert abs(event["by_s"] - step_s) < 2
        assert abs(await _box_time_us(http) - wall_us()) < 2 * S_US, "box time goes on as it was"
        health = await http.client.get("/readyz")
        assert health.status_code == 503 and health.json()["parts"]["clock"]["status"] == "bad"
        clip = await http.post(f"/clips/{ghost['id']}/end")
        assert 0 < clip["duration"] < 30
        await http.post(f"/sessions/{session['id']}/complete")
        with trio.fail_after(LIMIT_S):  # no session runs: box time may follow
            # another process
            while abs(await _box_time_us(http) - wall_us() - step_s * S_US) > 2 * S_US:  # noqa: ASYNC110
                await trio.sleep(0.1)
        await no_finding(box)


async def _clock_step(http: Http) -> dict[str, Any]:
    with trio.fail_after(LIMIT_S):
        while True:
            events = (await http.get("/events?since=0&limit=1000"))["items"]
            results: list[dict[str, Any]] = [each for each in events if each["type"] == "clock_step"]
            if results:
                return results[0]
            await trio.sleep(0.05)


async def _box_time_us(http: Http) -> int:
    return from_rfc3339((await http.get("/time"))["server_time"])


async def no_finding(box: RealBox) -> None:
    assert await box.stop() == 0
    assert await check_box(load_settings(box.folder / "appliance.toml"), repair=False) == []
