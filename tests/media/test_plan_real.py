"""Clips cut from MediaMTX's recordings (tests/data): published times equal what a player shows."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path

import av
import pytest

from appliance.media.cut.frames import plan_frames
from appliance.media.cut.plan import NoFootage, make_plan
from appliance.media.index.index import SegmentIndex
from appliance.media.index.view import SegmentView
from tests.kit.fmp4_file import Recordings, StraightClock

DATA = Path(__file__).parents[1] / "data" / "mediamtx"


def recordings_of(folder: str) -> Recordings:
    """Views of a folder of cuts; every run's clock is its first file's mtxi."""
    result, clocks = Recordings(DATA / folder / "cam1"), dict[str, StraightClock]()
    for path in sorted(result.folder.glob("*.mp4")):
        index = SegmentIndex(path.name)
        fd = result.open_fd(path.name)
        index.update(fd, os.fstat(fd).st_size)
        assert index.init is not None and index.init.mtxi is not None
        mtxi = index.init.mtxi
        clock = clocks.setdefault(index.run_id, StraightClock((mtxi.ntp_ns - mtxi.dts_ns) // 1000))
        result.views.append(index.view(path.name, clock))
    return result


@pytest.fixture(params=["normal_5seg_bframes_aac", "pts_jump", "resolution_change"])
def recordings(request: pytest.FixtureRequest) -> Iterator[Recordings]:
    actual = recordings_of(request.param)
    yield actual
    actual.close()


def key_us(view: SegmentView, number: int) -> int:
    assert view.init.video is not None
    ticks = view.keys[number].pts
    return view.clock.wall_us(view.base_ns + ticks * 1_000_000_000 // view.init.video.timescale)


def decoded_times(clip: bytes) -> list[float]:
    with av.open(io.BytesIO(clip), "r") as container:
        return [float(frame.time or 0) for frame in container.decode(video=0)]


def test_every_frame_published_between_two_instants_is_in_the_clip(recordings: Recordings) -> None:
    decodable = [view for view in recordings.views if view.keys]
    assert decodable
    for view in decodable:
        first_us = key_us(view, 0)
        for start_us, end_us in ((first_us, first_us + 400_000), (first_us + 130_000, first_us + 531_000)):
            listed = plan_frames([view], recordings.open_fd, start_us, end_us, 0)
            plan = make_plan([view], recordings.open_fd, start_us=start_us, end_us=end_us, latency_us=0)
            times = decoded_times(recordings.bytes_of(plan))
            assert plan.frames == len(times) > 0
            begin = listed.index(plan.coverage_start_us)
            shown = [time_us - plan.coverage_start_us for time_us in listed[begin : begin + len(times)]]
            assert [round(time * 1e6) for time in times] == pytest.approx(shown, abs=50)


def test_parts_without_a_key_before_them_are_no_footage() -> None:
    recordings = recordings_of("killed")
    view = recordings.views[0]
    assert view.parts and not view.keys
    begin_us = view.clock.wall_us(view.parts[0].video_pts_min * 1_000_000_000 // 90_000)
    with pytest.raises(NoFootage):
        make_plan([view], recordings.open_fd, start_us=begin_us, end_us=begin_us + 900_000, latency_us=0)
    recordings.close()
