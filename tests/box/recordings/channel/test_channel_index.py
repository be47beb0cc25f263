"""One channel's index in memory: which clock is used, and its queries."""

from __future__ import annotations

from datetime import UTC
from pathlib import Path

import pytest

from appliance.box.recordings.channel.channel_index import ChannelIndex
from appliance.box.recordings.channel.neighbours import lag_ms
from appliance.box.recordings.following.follow_channel import idle_indexes
from appliance.box.recordings.segment_state import GrowthTimes, Segment
from appliance.media.index.index import SegmentIndex, scan
from appliance.media.index.table import ChannelLog
from tests.kit import segments
from tests.kit.segments import Camera, Sample
from tests.media.index.test_index import DATA, indexed, opened

NOW_US = 1_790_000_000_000_000
PART_US = 200_000


class Recorder:
    """Writes a camera's parts and lets the channel see them at a box time of the test."""

    def __init__(self, folder: Path, camera: Camera) -> None:
        self.folder, self.camera, self.zone = folder, camera, UTC
        self.channel = ChannelIndex("cam1", self.zone)

    def begin(self, name: str) -> Segment:
        (self.folder / name).write_bytes(self.camera.begin())
        segment = self.channel.discover(name, 0, NOW_US, None)
        self.channel.opened(segment)
        return segment

    def part(self, segment: Segment, written_us: int | None, clock_gap_us: int = 0) -> None:
        path = self.folder / segment.name
        with path.open("ab") as file:
            file.write(self.camera.next_part())
        assert segment.index is not None
        with opened(path) as fd:
            growth = scan(segment.index.cursor, fd, path.stat().st_size)
        self.channel.grow(segment, growth, GrowthTimes(written_us, clock_gap_us))


@pytest.fixture
def recorder(tmp_path: Path) -> Recorder:
    return Recorder(tmp_path, Camera(ntp_ns=(NOW_US - PART_US) * 1000))


def test_a_part_seen_arriving_sets_the_clock(recorder: Recorder) -> None:
    segment = recorder.begin("a.mp4")
    recorder.part(segment, NOW_US + 30_000)
    assert recorder.channel.video_until_us == NOW_US + 30_000
    assert recorder.channel.clocks.is_live(segment)
    assert lag_ms(recorder.channel) == pytest.approx(30)


@pytest.mark.parametrize(
    ("before_us", "late_us"),
    [
        (0, 0),  # the previous file was last written when this one began
        (10_000, 10_000),
        (60_000, 40_000),  # the first part seen was less late
        (-500_000, 40_000),  # a clock that was set, or a jump between the two files
    ],
)
def test_a_start_beside_a_recording_uses_the_clock_of_the_earlier_file_if_it_was_less_late(
    tmp_path: Path, before_us: int, late_us: int
) -> None:
    recorder = Recorder(tmp_path, Camera(ntp_ns=(NOW_US - PART_US) * 1000))
    before, name = "2026-09-21_14-13-19-800000.mp4", "2026-09-21_14-13-20-000000.mp4"
    (tmp_path / before).write_bytes(b"".join(recorder.camera.segment(1)))
    recorder.channel.discover(before, 1, NOW_US + before_us, None)
    segment = recorder.begin(name)
    recorder.part(segment, NOW_US + PART_US + 40_000)
    assert recorder.channel.video_until_us == NOW_US + PART_US + late_us


def test_a_copied_recording_keeps_its_own_time_and_is_not_live(recorder: Recorder) -> None:
    segment = recorder.begin("a.mp4")
    for number in range(5):
        recorder.part(segment, NOW_US + 3_600_000_000 + number)
    assert recorder.channel.clocks.is_held(segment)  # it may still turn out to be a live recording
    recorder.channel.conclude(segment)
    assert recorder.channel.video_until_us == NOW_US + 4 * PART_US
    assert not recorder.channel.clocks.is_live(segment)


def test_a_wall_clock_that_was_stepped_does_not_make_a_recording_a_copy(recorder: Recorder) -> None:
    # NTP stepped the machine by an hour: MediaMTX writes wall clock, the box uses box time
    segment = recorder.begin("a.mp4")
    recorder.part(segment, NOW_US - 3_600_000_000, clock_gap_us=-3_600_000_000)
    assert recorder.channel.video_until_us == NOW_US - 3_600_000_000
    assert recorder.channel.clocks.is_live(segment)


def test_a_recording_with_an_unobserved_start_is_anchored_by_mtxi(recorder: Recorder) -> None:
    segment = recorder.begin("a.mp4")
    recorder.part(segment, None)
    recorder.channel.conclude(segment)
    assert recorder.channel.video_until_us == NOW_US


def test_without_mtxi_the_name_gives_the_time_and_without_a_time_in_it_the_file(tmp_path: Path) -> None:
    for name, start_us in (
        ("2026-09-21_13-46-40.mp4", 1_789_998_400_000_000),
        ("camera.mp4", NOW_US - PART_US),
    ):
        recorder = Recorder(tmp_path, Camera())
        data = recorder.camera.begin().replace(b"mtxi", b"none")
        (tmp_path / name).write_bytes(data)
        segment = recorder.channel.discover(name, 0, NOW_US, None)
        recorder.channel.opened(segment)
        recorder.part(segment, None)
        recorder.channel.conclude(segment)
        assert recorder.channel.coverage(0, 1 << 61, is_live=True).spans[0].start_us == start_us
        assert recorder.channel.entry(segment).facts is not None


def test_every_frame_before_video_until_is_there_even_with_reordered_frames(recorder: Recorder) -> None:
    segment = recorder.begin("a.mp4")
    recorder.part(segment, NOW_US)
    facts = segment.facts
    assert facts is not None and facts.end_ns is not None and segment.until_ns is not None
    assert segment.until_ns <= facts.end_ns


def test_times_published_in_an_earlier_life_are_not_moved_by_walking_the_file(tmp_path: Path) -> None:
    camera = Camera(ntp_ns=(NOW_US - PART_US) * 1000)
    first = Recorder(tmp_path, camera)
    segment = first.begin("a.mp4")
    for number in range(4):
        first.part(segment, NOW_US + 40_000 + number * PART_US)
    knots = (
        {segment.facts.run_id: first.channel.clocks.runs[segment.facts.run_id].clock().knots()}
        if segment.facts
        else {}
    )
    again = ChannelIndex("cam1", UTC)
    again.restore(ChannelLog(knots=knots, published={"a.mp4"}))
    path = tmp_path / "a.mp4"
    result = again.discover("a.mp4", path.stat().st_size, NOW_US, None)
    index = SegmentIndex("a.mp4")
    with opened(path) as fd:
        index.update(fd, path.stat().st_size)
    assert again.walked(result, index, None) == []
    assert again.video_until_us == first.channel.video_until_us


def test_a_run_that_began_later_is_known(recorder: Recorder) -> None:
    segment = recorder.begin("a.mp4")
    recorder.part(segment, NOW_US)
    assert recorder.channel.run_begun_after(NOW_US - PART_US - 1)
    assert not recorder.channel.run_begun_after(NOW_US - PART_US)
    recorder.channel.forget("a.mp4")
    assert not recorder.channel.run_begun_after(0)
    assert recorder.channel.video_until_us is None


def test_part_lists_of_the_last_fifteen_minutes_stay_in_memory(recorder: Recorder) -> None:
    old = recorder.begin("a.mp4")
    recorder.part(old, NOW_US)
    recorder.channel.close(old)
    recorder.camera.frame += 30 * 60 * 16
    new = recorder.begin("b.mp4")
    recorder.part(new, NOW_US + 16 * 60 * 1_000_000)
    recorder.channel.decide(new)
    assert [segment.name for segment in idle_indexes(recorder.channel)] == ["a.mp4"]


def test_the_real_leap_of_three_seconds_is_seen_live_and_taken_out_of_the_times(tmp_path: Path) -> None:
    # samples 298-300 contain the jump, in parts 6-8; each part was written when the next sample arrived
    source = DATA / "pts_jump" / "cam1" / "2026-11-20_23-59-36-267690.mp4"
    known, whole = indexed(source), source.read_bytes()
    assert known.init is not None and known.init.mtxi is not None
    ntp_us = known.init.mtxi.ntp_ns // 1000
    path = tmp_path / "a.mp4"
    path.write_bytes(whole[: known.init.size])
    channel = ChannelIndex("cam1", UTC)
    segment = channel.discover("a.mp4", 0, ntp_us, None)
    channel.opened(segment)
    assert segment.index is not None
    published: dict[int, int] = {}
    for part, written_s in zip(known.parts, [5.80, 5.96, 5.98, 6.00], strict=True):
        path.write_bytes(whole[: part.end])
        with opened(path) as fd:
            growth = scan(segment.index.cursor, fd, part.end)
        channel.grow(segment, growth, GrowthTimes(ntp_us + round(written_s * 1e6)))
        clock = channel.clock_of(segment)
        assert clock is not None
        seen = [tick for tick in (522_000, 536_400) if segment.index.end and tick < segment.index.end]
        published |= {tick: clock.wall_us(segment.index.run_ns(tick)) for tick in seen}
    channel.decide(segment)
    clock = channel.clocks.runs[known.run_id].clock()
    after = clock.wall_us(segment.index.run_ns(810_000))
    assert abs(after - (ntp_us + 6_000_000)) <= 20_000  # within a frame; three seconds are missing
    assert abs(published[536_400] - (ntp_us + 5_960_000)) <= 20_000
    final = {tick: clock.wall_us(segment.index.run_ns(tick)) for tick in published}
    assert final == published
    assert [span.run_id for span in channel.coverage(0, 1 << 61, is_live=True).spans] == [known.run_id]


@pytest.mark.parametrize("begin_s", [0, 60, 3600])
@pytest.mark.parametrize("lead_ticks", [0, 9600])
def test_without_mtxi_the_name_is_the_time_of_the_first_sample_whatever_its_decode_time(
    tmp_path: Path, begin_s: int, lead_ticks: int
) -> None:
    """FFmpeg's segments continue their time over files; MediaMTX's begin at 0, sound up to a second before
    video."""
    name, start_us = "2026-09-21_13-46-40.mp4", 1_789_998_400_000_000
    video = [Sample(3000, number == 0) for number in range(6)]
    path = tmp_path / name
    sound = (begin_s * 48_000, 9)
    path.write_bytes(
        segments.init(None)
        + segments.part(video, begin_s * 90_000 + lead_ticks * 90_000 // 48_000, audio=sound)
    )
    channel = ChannelIndex("cam1", UTC)
    index = indexed(path)
    segment = channel.discover(name, path.stat().st_size, NOW_US, None)
    channel.walked(segment, index, None)
    assert channel.shown_from_us(segment) == start_us + lead_ticks * 1_000_000 // 48_000
    live = ChannelIndex("cam1", UTC)
    segment = live.discover(name, 0, NOW_US, None)
    live.opened(segment)
    with opened(path) as fd:
        live.grow(segment, scan(segment.index.cursor, fd, path.stat().st_size), GrowthTimes(None))  # type: ignore[union-attr]
    live.conclude(segment)
    assert live.shown_from_us(segment) == start_us + lead_ticks * 1_000_000 // 48_000
