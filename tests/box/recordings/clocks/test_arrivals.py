"""A file that grows in real time is a recording, whatever its times are; one that grows faster is a copy."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.box.recordings.channel.channel_index import ChannelIndex
from appliance.box.recordings.clocks.arrivals import DiskClock, GrowthPace
from appliance.box.recordings.segment_state import Segment
from appliance.media.index.table import pack_log, read_log
from tests.box.recordings.channel.test_channel_index import NOW_US, PART_US, Recorder
from tests.kit.segments import Camera
from tests.media.index.test_index import indexed

S = 1_000_000
HOUR_US = 3600 * S


def pace_of(*steps: tuple[float, float]) -> bool:
    """Whether any prefix of (seconds written, seconds of media) is classified as a recording."""
    pace = GrowthPace()
    judged = []
    for written_s, media_s in steps:
        pace.add(round(written_s * S), round(media_s * S))
        judged.append(pace.is_real_time())
    return any(judged)


@pytest.mark.parametrize("part_s", [0.1, 0.2, 0.5, 1.0, 2.0, 4.0])
@pytest.mark.parametrize("rate", [0.98, 1.0, 1.02])
def test_growth_in_real_time_is_a_recording(part_s: float, rate: float) -> None:
    late_s = [0.0, 0.05, 0.02, 0.04, 0.01]
    assert pace_of(*((n * part_s + late_s[n % 5], n * part_s * rate) for n in range(int(5 / part_s) + 3)))


@pytest.mark.parametrize("rate", [0.2, 0.5, 1.5, 2.0, 13.0, 100.0])
@pytest.mark.parametrize("step_s", [0.05, 0.3, 1.0])
def test_growth_faster_or_slower_than_real_time_is_none(rate: float, step_s: float) -> None:
    assert not pace_of(*((n * step_s, n * step_s * rate) for n in range(int(30 / step_s))))


def test_a_burst_at_the_begin_does_not_hide_a_recording() -> None:
    burst = [(n * 0.05, n * 1.0) for n in range(5)]
    assert pace_of(*burst, *((0.4 + n * 0.2, 4.2 + n * 0.2) for n in range(12)))


def test_a_file_that_appears_complete_is_not_live() -> None:
    assert not pace_of((0, 60))


@pytest.mark.parametrize("ahead_us", [-HOUR_US, -90 * S, -300_000, 300_000, 90 * S, HOUR_US])
def test_the_disk_clock_is_learnt_from_growth_between_two_looks(ahead_us: int) -> None:
    clock = DiskClock()
    for number in range(40):
        look_us = NOW_US + number * 50_000
        written_us = look_us - 50_000 + (number * 7919) % 50_000
        clock.learn(written_us + ahead_us, look_us - 50_000, look_us)
    assert clock.box_us(NOW_US + ahead_us) == pytest.approx(NOW_US, abs=5_000)
    assert clock.box_us(NOW_US + ahead_us) >= NOW_US, "a part is never seen early"


def test_a_disk_clock_that_is_the_box_s_own_is_left_alone() -> None:
    clock = DiskClock()
    for number in range(40):
        look_us = NOW_US + number * 50_000
        clock.learn(look_us - 45_000 - number % 10_000, look_us - 50_000, look_us)
    assert clock.ahead_us == 0


def test_a_corrected_disk_clock_is_measured_again() -> None:
    clock = DiskClock()
    clock.learn(NOW_US + 90 * S, NOW_US - 50_000, NOW_US)
    clock.learn(NOW_US + S, NOW_US + S - 50_000, NOW_US + S)
    assert clock.ahead_us == 0


# -- a recorder with a wrong clock ------------------------------------------------------------------

WRONG = [
    pytest.param(0, id="1970"),
    pytest.param(NOW_US - HOUR_US, id="an hour behind"),
    pytest.param(NOW_US + HOUR_US, id="an hour ahead"),
    pytest.param(NOW_US + 15 * S, id="15 s ahead"),
]


def recorder_with(folder: Path, claimed_us: int) -> Recorder:
    return Recorder(folder, Camera(ntp_ns=claimed_us * 1000))


def record(recorder: Recorder, segment: Segment, parts: int, first_us: int = NOW_US) -> int:
    """Parts of 0.2 s in real time, the first one written at `first_us`; returns when the next one is due."""
    for number in range(parts):
        recorder.part(segment, first_us + number * PART_US)
    return first_us + parts * PART_US


@pytest.mark.parametrize("claimed_us", WRONG)
def test_a_file_that_grows_in_real_time_is_dated_by_its_arrival(tmp_path: Path, claimed_us: int) -> None:
    recorder = recorder_with(tmp_path, claimed_us)
    segment = recorder.begin("a.mp4")
    until_us = record(recorder, segment, 12) - PART_US
    channel = recorder.channel
    assert channel.clocks.is_live(segment)
    assert channel.video_until_us == pytest.approx(until_us, abs=1000)
    (span,) = channel.coverage(0, 1 << 61, is_live=True).spans
    assert span.start_us == pytest.approx(NOW_US - PART_US, abs=1000)
    assert channel.clocks.newest_off_us == pytest.approx(claimed_us - NOW_US + PART_US, abs=1000)


@pytest.mark.parametrize("claimed_us", WRONG)
def test_a_copy_that_grows_faster_keeps_its_own_time(tmp_path: Path, claimed_us: int) -> None:
    recorder = recorder_with(tmp_path, claimed_us)
    segment = recorder.begin("a.mp4")
    for number in range(60):  # 12 s of media in 3 s
        recorder.part(segment, NOW_US + number * PART_US // 4)
    recorder.channel.conclude(segment)
    assert not recorder.channel.clocks.is_live(segment)
    assert recorder.channel.video_until_us == claimed_us + 60 * PART_US


@pytest.mark.parametrize("claimed_us", WRONG)
@pytest.mark.parametrize("rate", [0.95, 1.0, 1.05])
def test_a_copy_at_the_pace_of_a_recording_is_reported_by_the_length_in_its_head(
    tmp_path: Path, claimed_us: int, rate: float
) -> None:
    """Recorders write that when they close a file: a file that has it and still grows is not being
    recorded."""
    recorder = recorder_with(tmp_path, claimed_us)
    recorder.camera.duration_ms = 12_000
    segment = recorder.begin("a.mp4")
    for number in range(60):
        recorder.part(segment, NOW_US + round(number * PART_US / rate))
    recorder.channel.conclude(segment)
    assert not recorder.channel.clocks.is_live(segment)
    assert recorder.channel.video_until_us == claimed_us + 60 * PART_US
    assert recorder.channel.clocks.newest_off_us == 0


@pytest.mark.parametrize("claimed_us", WRONG)
def test_later_files_and_runs_of_a_wrong_clock_are_live_at_once_and_in_order(
    tmp_path: Path, claimed_us: int
) -> None:
    recorder = recorder_with(tmp_path, claimed_us)
    first = recorder.begin("a.mp4")
    next_us = record(recorder, first, 12)
    recorder.channel.close(first)
    second = recorder.begin("b.mp4")
    next_us = record(recorder, second, 5, next_us)
    recorder.channel.close(second)
    again = recorder.camera = Camera(ntp_ns=(claimed_us + 5 * S) * 1000, stream_id=b"\x22" * 16)
    third = recorder.begin("c.mp4")
    next_us = record(recorder, third, 1, NOW_US + 5 * S)
    assert recorder.channel.clocks.is_live(third)
    assert recorder.channel.clocks.off_us[again.stream_id.hex()]
    names = [segment.name for segment in reversed(recorder.channel.newest_first())]
    assert names == ["a.mp4", "b.mp4", "c.mp4"]
    spans = recorder.channel.coverage(0, 1 << 61, is_live=True).spans
    assert [(span.end_us - span.start_us) // 100_000 for span in spans] == [34, 2]


@pytest.mark.parametrize("claimed_us", WRONG)
def test_an_unobserved_file_of_a_wrong_clock_is_placed_by_the_observed_ones(
    tmp_path: Path, claimed_us: int
) -> None:
    """The daemon was down while the recorder continued: the next file of the run is scanned, not followed."""
    recorder = recorder_with(tmp_path, claimed_us)
    first = recorder.begin("a.mp4")
    record(recorder, first, 12)
    channel = recorder.channel
    (run,) = channel.clocks.runs.values()
    log = read_log(
        pack_log(
            [], [(run.run_id, knot) for knot in run.clock().knots()], ["a.mp4"], channel.clocks.take_offs()
        )
    )
    for name in ("b.mp4", "c.mp4"):
        (tmp_path / name).write_bytes(b"".join(recorder.camera.segment(10)))
    again = ChannelIndex("cam1", recorder.zone)
    again.restore(log)
    for name in ("c.mp4", "a.mp4", "b.mp4"):
        result = again.discover(name, (tmp_path / name).stat().st_size, NOW_US + 9 * S, None)
        again.walked(result, indexed(tmp_path / name), None)
    (span,) = again.coverage(0, 1 << 61, is_live=False).spans
    assert span.start_us == pytest.approx(NOW_US - PART_US, abs=30_000)
    assert span.end_us == pytest.approx(NOW_US - PART_US + 32 * PART_US, abs=30_000)


def test_an_older_run_is_corrected_only_when_the_disk_says_the_same(tmp_path: Path) -> None:
    recorder = recorder_with(tmp_path, NOW_US - HOUR_US)
    record(recorder, recorder.begin("live.mp4"), 12)
    channel = recorder.channel
    begun_us = NOW_US - 600 * S
    for name, stream, written_us, true_us in (
        ("same.mp4", b"\x33" * 16, begun_us + 2 * S, begun_us),
        ("copied.mp4", b"\x44" * 16, begun_us + 77 * S, begun_us - HOUR_US),
    ):
        camera = Camera(ntp_ns=(begun_us - HOUR_US) * 1000, stream_id=stream)
        (tmp_path / name).write_bytes(b"".join(camera.segment(10)))
        segment = channel.discover(name, (tmp_path / name).stat().st_size, written_us, None)
        channel.walked(segment, indexed(tmp_path / name), None)
        assert channel.shown_from_us(segment) == pytest.approx(true_us, abs=200_000), name


def test_names_without_a_box_are_live_over_their_rotation(tmp_path: Path) -> None:
    """Names in the wrong time zone, no mtxi: each file is a run of its own."""
    recorder = Recorder(tmp_path, Camera())
    next_us = NOW_US
    for name in ("2026-09-21_12-13-20", "2026-09-21_12-13-23"):
        segment = recorder.begin(f"{name}.mp4")
        path = tmp_path / segment.name
        path.write_bytes(path.read_bytes().replace(b"mtxi", b"none"))
        recorder.part(segment, next_us)
        if name.endswith("23"):
            assert recorder.channel.clocks.is_live(segment)
        next_us = record(recorder, segment, 14, next_us + PART_US)
        assert recorder.channel.clocks.is_live(segment)
        recorder.channel.close(segment)
    spans = recorder.channel.coverage(0, 1 << 61, is_live=True).spans
    assert [span.end_us - span.start_us for span in spans] == [pytest.approx(3 * S, abs=2000)] * 2
    assert spans[0].start_us == pytest.approx(NOW_US - PART_US, abs=1000)


def test_a_corrected_clock_is_no_longer_reported(tmp_path: Path) -> None:
    recorder = recorder_with(tmp_path, NOW_US - HOUR_US)
    record(recorder, recorder.begin("a.mp4"), 12)
    assert recorder.channel.clocks.newest_off_us == pytest.approx(PART_US - HOUR_US, abs=1000)
    recorder.camera = Camera(ntp_ns=(NOW_US + 5 * S) * 1000, stream_id=b"\x22" * 16)
    record(recorder, recorder.begin("b.mp4"), 1, NOW_US + 5 * S + PART_US)
    assert recorder.channel.clocks.newest_off_us == 0
    assert [off for _, off in recorder.channel.clocks.take_offs()][-1] == 0
