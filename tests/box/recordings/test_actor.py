"""The actor on real files: written files are indexed, damaged or missing ones are reported."""

from __future__ import annotations

import os
import shutil
import threading
from pathlib import Path
from typing import Any

import pytest

from appliance.box.recordings.following import disk, footage_facts
from appliance.box.recordings.model import FootageChanged, RecordingGap
from appliance.kernel.clock import wall_us
from appliance.media.cut.plan import make_plan
from tests.box.recordings.tree import (
    PART_NS,
    Box,
    eventually,
    fallen_silent,
    frames_seen,
    live_camera,
    until,
    until_frames,
)
from tests.kit.segments import Camera, init
from tests.media.index.test_index import DATA


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path)


# -- live ---------------------------------------------------------------------------------------------


async def test_parts_are_indexed_as_they_are_written(box: Box) -> None:
    camera = live_camera()
    async with box.running() as handle:
        assert handle.video_until_us("cam1") is None
        assert handle.footage_state("cam1") == "none"
        box.add("a.mp4", camera.begin() + camera.next_part())
        await until(handle, lambda: frames_seen(handle) == 6)
        for expected in (12, 18, 24):
            box.add("a.mp4", camera.next_part())
            await until_frames(handle, expected)
        await until(handle, lambda: handle.footage_state("cam1") == "on")
        assert handle.newest_part_age_s("cam1") is not None
        until_us = handle.video_until_us("cam1")
        assert until_us is not None
        assert handle.covered_us("cam1", until_us - 400_000, until_us) == 400_000
        assert handle.run_begun_after("cam1", until_us - 60_000_000)
        assert not handle.run_begun_after("cam1", until_us)


async def test_the_length_of_undecodable_footage_is_measured(box: Box) -> None:
    """No key in it, or none for longer than the pre-roll limit of a clip."""
    camera = live_camera()
    camera.frame = camera.frames_per_part
    camera.gop = 10**9
    async with box.running() as handle:
        box.add("a.mp4", camera.begin() + b"".join(camera.next_part() for _ in range(30)))
        await until(handle, lambda: handle.footage("cam1").undecodable_s == pytest.approx(6, abs=0.1))
        assert handle.newest_view("cam1") is None
        camera.gop, camera.frame = camera.frame, camera.frame
        box.add("a.mp4", camera.next_part())
        await until(handle, lambda: frames_seen(handle) == 186)
        assert handle.footage("cam1").undecodable_s == 0
        camera.gop = 10**9
        box.add("a.mp4", b"".join(camera.next_part() for _ in range(325)))
        await until(handle, lambda: frames_seen(handle) == 186 + 6 * 325)
        assert handle.footage("cam1").undecodable_s == pytest.approx(5.2, abs=0.1)


async def test_a_frame_gets_the_time_at_which_its_part_was_written(box: Box) -> None:
    camera = live_camera()
    async with box.running() as handle:
        path = box.add("a.mp4", camera.begin() + camera.next_part())
        written_us = path.stat().st_mtime_ns // 1000
        await until(handle, lambda: handle.video_until_us("cam1"))
        until_us = handle.video_until_us("cam1")
        assert until_us is not None
        assert abs(until_us - written_us) < 10_000


async def test_a_plan_made_of_the_views_has_exactly_the_frames_of_its_span(box: Box) -> None:
    camera = live_camera()
    async with box.running() as handle:
        box.add("a.mp4", b"".join(camera.segment(10)))
        await until(handle, lambda: frames_seen(handle) == 60)
        until_us = handle.video_until_us("cam1")
        assert until_us is not None
        start_us = until_us - 1_500_000
        views = await handle.views("cam1", start_us, until_us)
        opened: list[int] = []

        def open_fd(name: str) -> int:
            opened.append(handle.open_fd(name))
            return opened[-1]

        plan = make_plan(views, open_fd, start_us=start_us, end_us=start_us + 1_000_000, latency_us=0)
        for fd in opened:
            os.close(fd)
        assert plan.frames == 30


async def test_a_new_segment_of_the_run_goes_on_without_a_gap(box: Box) -> None:
    camera = live_camera()
    async with box.running() as handle:
        box.add("a.mp4", b"".join(camera.segment(5)))
        await until(handle, lambda: frames_seen(handle) == 30)
        box.add("b.mp4", b"".join(camera.segment(4)))
        await until(handle, lambda: frames_seen(handle) == 24)
        until_us = handle.video_until_us("cam1")
        assert until_us is not None
        known = handle.coverage("cam1", until_us - 1_700_000, until_us)
        assert [(span.start_us, span.end_us) for span in known.spans] == [(until_us - 1_700_000, until_us)]
        assert not [fact for fact in box.facts if isinstance(fact, RecordingGap)]


async def test_a_superseded_segment_is_closed_and_its_table_written(box: Box) -> None:
    camera = live_camera()
    async with box.running() as handle:
        box.add("a.mp4", b"".join(camera.segment(2)))
        await until(handle, lambda: frames_seen(handle) == 12)
        box.add("b.mp4", b"".join(camera.segment(2)))
        table = box.index / "cam1" / "a.mp4.idx"
        await until(handle, table.exists)


async def test_a_closed_file_is_known_by_its_duration_at_once(box: Box) -> None:
    camera = live_camera()
    async with box.running() as handle:
        mtxi = (camera.stream_id, 0, 0, camera.ntp_ns)
        box.add("a.mp4", init(mtxi, duration_ms=200) + camera.next_part())
        await until(handle, (box.index / "cam1" / "a.mp4.idx").exists)


async def test_two_channels_do_not_wait_for_each_other(box: Box) -> None:
    first, second = live_camera(), live_camera(stream=b"\x22" * 16)
    async with box.running("cam1", "cam2") as handle:
        box.add("a.mp4", b"".join(first.segment(1)))
        os.mkfifo(box.recordings / "cam1" / "z.mp4")  # opening this file would block forever
        box.add("a.mp4", b"".join(second.segment(1)), "cam2")
        await until(handle, lambda: frames_seen(handle) == 6 and frames_seen(handle, "cam2") == 6)


async def test_a_disk_that_hangs_for_one_channel_stops_neither_the_others_nor_the_alarm(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    hung, let_go = "a-that-hangs", threading.Event()
    usual = disk.look
    fds: set[str] = set()

    def look(fd: int, *rest: Any, **more: Any) -> disk.FileCheck:
        name = os.readlink(f"/proc/self/fd/{fd}")
        if hung in name and fds:
            let_go.wait()
        fds.add(name)
        return usual(fd, *rest, **more)

    first, second = live_camera(), live_camera(stream=b"\x22" * 16)
    try:
        async with box.running("cam1", "cam2") as handle:
            box.add(f"{hung}.mp4", b"".join(first.segment(1)))
            await until(handle, lambda: handle.footage_state("cam1") == "on")
            monkeypatch.setattr(disk, "look", look)
            fds.add("from now on")
            box.add(f"{hung}.mp4", first.next_part())
            for number in range(4):
                box.add(
                    "b.mp4", second.next_part() if number else second.begin() + second.next_part(), "cam2"
                )
                await until_frames(handle, 6 * (number + 1), "cam2")
            await fallen_silent(handle)
            assert handle.footage_state("cam1") == "stalled"
    finally:
        let_go.set()


async def test_a_file_that_begins_anew_under_its_old_name_is_indexed_anew(box: Box) -> None:
    # MediaMTX's os.Create truncates on a name clash
    async with box.running() as handle:
        path = box.add("a.mp4", b"".join(live_camera().segment(4)))
        await until(handle, lambda: frames_seen(handle) == 24)
        again = live_camera(stream=b"\x22" * 16)
        path.write_bytes(b"".join(again.segment(1)))
        await until(handle, lambda: frames_seen(handle) == 6)
        view = handle.newest_view("cam1")
        assert view is not None and view.run_id == "22" * 16


async def test_footage_is_durable_a_second_after_it_was_written(box: Box) -> None:
    camera = live_camera()
    async with box.running() as handle:
        box.add("a.mp4", b"".join(camera.segment(3)))
        await until(handle, lambda: handle.durable_until_us("cam1"))
        assert handle.durable_until_us("cam1") == handle.video_until_us("cam1")


# -- gaps and states ----------------------------------------------------------------------------------


async def test_a_recorder_restart_is_reported_with_both_ends(box: Box) -> None:
    first = live_camera(behind_us=3_000_000)
    async with box.running() as handle:
        path = box.add("a.new", b"".join(first.segment(1)))
        os.utime(path, ns=(1, first.ntp_ns + PART_NS))  # written three seconds ago
        path.rename(path.with_name("a.mp4"))
        await until(handle, lambda: handle.video_until_us("cam1"))
        second = live_camera(stream=b"\x22" * 16)
        written_us = box.add("b.mp4", b"".join(second.segment(1))).stat().st_mtime_ns // 1000
        await until(handle, lambda: [f for f in box.facts if isinstance(f, RecordingGap)])
    (gap,) = [fact for fact in box.facts if isinstance(fact, RecordingGap)]
    assert gap.reason == "recorder_restart"
    assert gap.end_us is not None
    truth_us = written_us - PART_NS // 1000 - (first.ntp_ns + PART_NS) // 1000
    assert gap.end_us - gap.start_us == pytest.approx(truth_us, abs=20_000)


async def test_a_source_that_falls_silent_is_stalled_and_its_gap_ends_when_it_returns(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(footage_facts, "_WORTH_TELLING_US", 100_000)
    camera = live_camera()
    async with box.running() as handle:
        box.add("a.mp4", b"".join(camera.segment(1)))
        await until(handle, lambda: handle.footage_state("cam1") == "on")
        end_us = handle.video_until_us("cam1")
        await fallen_silent(handle)
        await until(handle, lambda: box.facts and isinstance(box.facts[-1], RecordingGap))
        await eventually(lambda: wall_us() - (end_us or 0) > 700_000)  # new parts do not reach back to it
        again = live_camera(stream=b"\x22" * 16)
        box.add("b.mp4", b"".join(again.segment(1)))
        await until(handle, lambda: handle.footage_state("cam1") == "on")
        await eventually(lambda: len(box.facts) == 5)
    assert end_us is not None
    begun, over = (fact for fact in box.facts if isinstance(fact, RecordingGap))
    assert (begun.start_us, begun.end_us, begun.reason) == (end_us, None, "source_lost")
    assert over.start_us == begun.start_us
    assert over.end_us is not None and over.end_us > over.start_us
    states = [fact.footage for fact in box.facts if isinstance(fact, FootageChanged)]
    assert states == ["on", "stalled", "on"]


async def test_facts_wait_for_a_database_that_is_away(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("appliance.kernel.retry.Backoff.next_s", lambda self: 0.01)
    box.refuse = 3
    camera = live_camera()
    async with box.running() as handle:
        box.add("a.mp4", b"".join(camera.segment(1)))
        await until(handle, lambda: handle.footage_state("cam1") == "on")
        await eventually(lambda: box.facts)
    assert box.facts == [FootageChanged("cam1", "on")]


def leapt(camera: Camera, leap_s: float) -> bytes:
    """A file of three seconds, and three more after a jump of media time."""
    data = b"".join(camera.segment(15))
    camera.frame += round(leap_s * 30)
    return data + b"".join(camera.next_part() for _ in range(15))


@pytest.mark.parametrize("leap_s", [0.5, 3, 7200])
@pytest.mark.parametrize("is_growing", [False, True])
async def test_a_leap_in_the_newest_file_at_the_start_moves_nothing(
    box: Box, leap_s: float, is_growing: bool
) -> None:
    camera = live_camera(behind_us=5_800_000)
    begin_us = camera.ntp_ns // 1000
    if not is_growing:
        camera.ntp_ns -= 3_600_000_000_000
        begin_us -= 3_600_000_000
    path = box.add("a.mp4", leapt(camera, leap_s))
    os.utime(path, ns=((begin_us + 6_000_000) * 1000,) * 2)
    async with box.running() as handle:
        end_us = begin_us + 6_000_000
        if is_growing:
            box.add("a.mp4", camera.next_part())
            end_us = max(end_us + 200_000, path.stat().st_mtime_ns // 1000)  # or as late as it arrived
        await until(handle, lambda: handle.video_until_us("cam1"))
        known = handle.coverage("cam1", begin_us - 10_000_000, begin_us + 9_000_000_000)
        assert known.spans[0].start_us == pytest.approx(begin_us, abs=20_000)
        assert known.spans[-1].end_us == pytest.approx(end_us, abs=100_000)


# -- the past -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", ["killed", "normal_5seg_bframes_aac", "pts_jump", "resolution_change"])
async def test_real_recordings_from_before_the_start_are_dated_by_their_own_times(
    box: Box, case: str
) -> None:
    shutil.copytree(DATA / case / "cam1", box.recordings / "cam1")
    async with box.running() as handle:
        await until(
            handle, lambda: not handle.statistics()["segments_waiting"] and handle.video_until_us("cam1")
        )
        footage = handle.footage("cam1")
        assert footage.video_from_us is not None and footage.video_until_us is not None
        known = handle.coverage("cam1", footage.video_from_us, footage.video_until_us)
        reasons = [gap.reason for gap in known.gaps]
        assert len(known.runs) == (2 if case == "pts_jump" else 1)
        assert (
            reasons
            == {
                "killed": [],
                "normal_5seg_bframes_aac": ["segment_missing"],
                "pts_jump": ["discontinuity", "recorder_restart"],
                "resolution_change": [],
            }[case]
        )
        assert footage.unreadable == ()
        assert footage.footage == "none"  # nothing arrives: it was copied, not recorded
        assert not box.facts


async def test_after_a_restart_the_same_times_are_published_without_reading_old_files(box: Box) -> None:
    shutil.copytree(DATA / "normal_5seg_bframes_aac" / "cam1", box.recordings / "cam1")
    async with box.running() as handle:
        await until(
            handle, lambda: not handle.statistics()["segments_waiting"] and handle.video_until_us("cam1")
        )
        await until(handle, lambda: len(list(box.index.glob("cam1/*.idx"))) == 3)
        before = handle.footage("cam1")
        known = handle.coverage("cam1", 0, 1 << 61)
    async with box.running() as handle:
        assert handle.statistics()["segments_waiting"] == 0
        after = handle.footage("cam1")
        assert (after.video_from_us, after.video_until_us) == (before.video_from_us, before.video_until_us)
        assert handle.coverage("cam1", 0, 1 << 61) == known
        assert after.video_from_us is not None and after.video_until_us is not None
        views = await handle.views("cam1", after.video_from_us, after.video_until_us)
        assert [len(view.parts) for view in views] == [2, 1, 2]


async def test_published_times_survive_a_kill_in_the_middle_of_a_segment(box: Box) -> None:
    camera = live_camera(behind_us=2_000_000)
    async with box.running() as handle:
        for number in range(3):
            box.add("a.mp4", camera.begin() + camera.next_part() if not number else camera.next_part())
            await until_frames(handle, 6 * (number + 1))
        view = handle.newest_view("cam1")
        assert view is not None
        times = [view.clock.wall_us(at) for at in range(0, 3 * PART_NS, PART_NS // 6)]
    async with box.running() as handle:
        await until(handle, lambda: frames_seen(handle) == 18)
        view = handle.newest_view("cam1")
        assert view is not None
        assert [view.clock.wall_us(at) for at in range(0, 3 * PART_NS, PART_NS // 6)] == times


@pytest.mark.parametrize("damage", ["garbage", "gone", "truncated"])
async def test_a_damaged_cache_is_built_again(box: Box, damage: str) -> None:
    shutil.copytree(DATA / "normal_5seg_bframes_aac" / "cam1", box.recordings / "cam1")
    async with box.running() as handle:
        await until(handle, lambda: len(list(box.index.glob("cam1/*.idx"))) == 3)
        known = handle.coverage("cam1", 0, 1 << 61)
    for path in (box.index / "cam1").iterdir():
        if damage == "gone":
            path.unlink()
        else:
            path.write_bytes(os.urandom(500) if damage == "garbage" else path.read_bytes()[:-9])
    async with box.running() as handle:
        await until(
            handle, lambda: not handle.statistics()["segments_waiting"] and handle.video_until_us("cam1")
        )
        again = handle.coverage("cam1", 0, 1 << 61)
        for old, new in zip(known.spans, again.spans, strict=True):  # two clocks are read one after the other
            assert abs(old.start_us - new.start_us) < 100 and abs(old.end_us - new.end_us) < 100
        views = await handle.views("cam1", 0, 1 << 61)
        assert [len(view.parts) for view in views] == [2, 1, 2]


async def test_a_request_for_old_footage_does_not_wait_for_the_background_walk(box: Box) -> None:
    shutil.copytree(DATA / "normal_5seg_bframes_aac" / "cam1", box.recordings / "cam1")
    async with box.running() as handle:
        views = await handle.views("cam1", 0, 1 << 61)
        assert [len(view.parts) for view in views if view.name.endswith("328217.mp4")] == [1]
