"""Published capture times against the truth, over stops of the daemon, in simulated time."""

from __future__ import annotations

import random
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from tests.kit.truth import S_US, START_US, Error, Feed, Recording, Sight, record

MS = 1000.0


def seen(folder: Path, feed: Feed, seconds: float, **more: Any) -> list[Error]:
    """All published frames of a camera."""
    folder.mkdir()
    stops = more.pop("stops", ())
    return Sight(
        record(feed, seconds, recorder=more.pop("recorder", "mediamtx"), **more), folder, stops
    ).run()


def worst_ms(errors: Sequence[Error], since_s: float, until_s: float = 1e9) -> float:
    """The largest error of frames shown in a span."""
    first, last = START_US + since_s * S_US, START_US + until_s * S_US
    return max(abs(each.error_us) / MS for each in errors if first <= each.shown_us < last)


def apart_ms(left: Sequence[Error], right: Sequence[Error], since_s: float = 0.0) -> float:
    """The largest difference between two cameras' published times of one instant."""
    times = [item.shown_us for item in right]
    worst = 0.0
    for item in left:
        at = min(len(times) - 1, bisect_left(times, item.shown_us))
        near = min((at, max(0, at - 1)), key=lambda n: abs(times[n] - item.shown_us))
        if abs(times[near] - item.shown_us) < 50_000 and item.shown_us >= START_US + since_s * S_US:
            worst = max(worst, abs(right[near].error_us - item.error_us) / MS)
    return worst


def slow_start(seconds: float, rng: random.Random) -> float:
    """The first pictures arrive late and the encoder catches up over four seconds."""
    return max(0.0, 300_000 - seconds * 75_000) + rng.uniform(0, 8_000)


CAMERAS = [
    Feed(fps=Fraction(25), b_frames=0, skew_ppm=300, seed=1),
    Feed(fps=Fraction(30000, 1001), b_frames=2, skew_ppm=-300, seed=2),
    Feed(fps=Fraction(50), b_frames=1, skew_ppm=0, seed=3),
    Feed(fps=Fraction(60), b_frames=3, skew_ppm=-120, seed=4, late_us=slow_start),
]


# M3: +270 to +441 ms on one camera, -69 ms on another, -2.5 s when stopped soon after a run's start
@pytest.mark.parametrize("stop", [(100, 102), (100, 220), (2.2, 122), (4, 64), (7, 14), (13, 133)], ids=str)
@pytest.mark.parametrize(
    "camera", CAMERAS, ids=lambda camera: f"{float(camera.fps):.0f}fps{camera.skew_ppm:+.0f}"
)
def test_footage_of_a_time_when_the_daemon_was_down_is_in_step(
    tmp_path: Path, camera: Feed, stop: tuple[float, float]
) -> None:
    errors = seen(tmp_path / "one", camera, 240, stops=[stop], segment_s=20)
    unknown_skew_ms = abs(camera.skew_ppm) / 1000 * (stop[1] - stop[0]) if stop[0] < 15 else 0.0
    late_ms = 300 - (stop[0] - 0.4) * 75 if camera.late_us is slow_start else 0.0  # of the last part seen
    frame_ms = camera.frame_us / MS
    assert worst_ms(errors, *stop) < frame_ms + max(0.0, late_ms) + unknown_skew_ms
    assert worst_ms(errors, stop[1] + 10) < frame_ms


# E5: up to 168 ms late in the first 8 s of each run, although the recorder's own time is correct
@pytest.mark.parametrize("camera", CAMERAS[:3], ids=lambda camera: f"{float(camera.fps):.0f}fps")
@pytest.mark.parametrize("held_s", [0.0, 0.35, 0.95, 1.15])
def test_parts_the_recorder_held_back_are_placed_by_its_own_time_of_their_arrival(
    tmp_path: Path, camera: Feed, held_s: float
) -> None:
    camera = replace(camera, connects_s=(0.3, 20.7, 41.1))
    errors = seen(tmp_path / "one", camera, 60, recorder="embedded", held_s=held_s, stops=[(30, 32)])
    assert worst_ms(errors, 0) < 12


# M4: with MediaMTX, up to 190 ms late in the first 10 s
@pytest.mark.parametrize("camera", CAMERAS[:3], ids=lambda camera: f"{float(camera.fps):.0f}fps")
@pytest.mark.parametrize("part_s", [0.2, 1.0])
@pytest.mark.parametrize("late_ms", [80, 190])
def test_a_run_whose_first_pictures_come_late_is_right_as_soon_as_they_are_not(
    tmp_path: Path, camera: Feed, part_s: float, late_ms: float
) -> None:
    def late_us(seconds: float, rng: random.Random) -> float:
        return max(0.0, late_ms * 1000 * (1 - seconds)) + rng.uniform(0, 8_000)

    camera = replace(camera, late_us=late_us, connects_s=(0.3, 30.3))
    errors = seen(tmp_path / "one", camera, 60, part_s=part_s, segment_s=10)
    assert worst_ms(errors, 0) < late_ms + 12
    for begin_s in (0.3, 30.3):
        assert worst_ms(errors, begin_s + 2 + 2 * part_s, begin_s + 25) < 1000 / 50


def late_at(at_s: float, by_s: float) -> Callable[[float, random.Random], float]:
    """Frames sent around `at_s` arrive up to `by_s` late, together with those that follow."""
    return lambda s, rng: rng.uniform(0, 8_000) + (max(0.0, at_s + by_s - s) * S_US if s >= at_s else 0)


# M8: a false gap, and times 377 ms late for 10 s after media time had jumped by 3 s
@pytest.mark.parametrize("late_s", [0.0, 0.377, 1.34, 3.0])
@pytest.mark.parametrize("leap_s", [0.25, 0.6, 3.0, 4.9])
@pytest.mark.parametrize("at_s", [20.0, 20.033, 20.1, 30.5])
def test_a_leap_of_media_time_makes_no_gap_and_no_delay(
    tmp_path: Path, at_s: float, leap_s: float, late_s: float
) -> None:
    camera = Feed(fps=Fraction(30), leaps=((at_s, leap_s),), late_us=late_at(at_s, late_s), b_frames=2)
    errors = seen(tmp_path / "one", camera, 60, segment_s=15)
    assert worst_ms(errors, 10, at_s) < 12
    assert worst_ms(errors, at_s, at_s + 10) < 1000 / 30
    assert worst_ms(errors, at_s + 1) < 16


@pytest.mark.parametrize("leap_s", [0.4, 3.0, 4.9, 7200.0])
@pytest.mark.parametrize("stop", [(18, 24), (18, 45), (20, 22)], ids=str)
@pytest.mark.parametrize("at_s", [20.0, 21.1, 18.0, 17.8])  # 20: between two files; 17.8: not yet decided
def test_media_time_that_leaps_while_the_daemon_is_down_moves_nothing(
    tmp_path: Path, at_s: float, stop: tuple[float, float], leap_s: float
) -> None:
    camera = Feed(leaps=((at_s, leap_s),), b_frames=2)
    for segment_s in (10, 60):
        errors = seen(tmp_path / str(segment_s), camera, 70, stops=[stop], segment_s=segment_s)
        assert worst_ms(errors, 10) < 1000 / 30


@pytest.mark.parametrize("late_s", [0.0, 0.4, 0.9])
@pytest.mark.parametrize("lost_s", [0.2, 1.0, 3.0, 30.0])
def test_frames_that_were_lost_are_a_gap_and_move_nothing(
    tmp_path: Path, lost_s: float, late_s: float
) -> None:
    camera = Feed(losses=((20.1, 20.1 + lost_s),), late_us=late_at(20.1 + lost_s, late_s), b_frames=2)
    errors = seen(tmp_path / "one", camera, 70, segment_s=15)
    assert worst_ms(errors, 10) < 16


def test_two_cameras_stay_within_a_frame_of_each_other_over_restarts(tmp_path: Path) -> None:
    stops = [(40, 42), (60, 180), (200, 201), (203, 205), (260, 290)]
    first, second, third = (
        seen(tmp_path / str(n), camera, 330, stops=stops, segment_s=30)
        for n, camera in enumerate(CAMERAS[:3])
    )
    assert apart_ms(first, second, 30) < 1000 / 30
    assert apart_ms(first, third, 30) < 1000 / 50


def test_a_daemon_that_starts_again_and_again_keeps_the_time(tmp_path: Path) -> None:
    rng = random.Random(5)
    stops, at = [], 20.0
    while at < 280:
        stops.append((at, at + rng.choice([0.5, 2, 7])))
        at = stops[-1][1] + rng.uniform(1, 12)
    errors = seen(tmp_path / "one", CAMERAS[1], 300, stops=stops, segment_s=10)
    assert worst_ms(errors, 10) < 1000 / 30


@pytest.mark.parametrize("skew_ppm", [20_000, -20_000])
def test_a_file_played_as_a_camera_two_per_cent_off_stays_in_step(tmp_path: Path, skew_ppm: float) -> None:
    errors = seen(tmp_path / "one", Feed(skew_ppm=skew_ppm), 300, stops=[(150, 152)])
    assert worst_ms(errors, 12) < 1000 / 30


# Goal of the figures: 80 ms. A slow source is off by what it loses until that is measurable. The long-term
# rate is known later: a slope over some seconds, used in its place, shifted all footage after a stop by 900
# ms.
@pytest.mark.parametrize("recorder", ["mediamtx", "embedded"])
@pytest.mark.parametrize("part_s", [0.2, 0.5, 1.0])
@pytest.mark.parametrize(
    ("skew_ppm", "b_frames"),
    [(-30_000, 0), (-20_000, 0), (-20_000, 2), (-10_000, 1), (0, 0), (10_000, 2), (20_000, 0), (30_000, 1)],
)
def test_a_source_that_is_per_cents_off_is_in_step_from_its_first_seconds(
    tmp_path: Path, skew_ppm: float, b_frames: int, part_s: float, recorder: str
) -> None:
    camera = Feed(skew_ppm=skew_ppm, b_frames=b_frames, seed=6, late_us=start_late, connects_s=(0.7,))
    held_s = 0.93 if recorder == "embedded" else 0.0
    errors = seen(tmp_path / "one", camera, 40, recorder=recorder, part_s=part_s, held_s=held_s)
    assert worst_ms(errors, 0, 10.7) < max(80, -skew_ppm * SHOWS_S / 1000)
    assert worst_ms(errors, 14) < 1000 / 30


SHOWS_S = 3.5


def start_late(seconds: float, rng: random.Random) -> float:
    """A network of some ms; the encoder's first second arrives 0.15 s late and catches up."""
    return max(0.0, 150_000 * (1 - seconds)) + rng.uniform(0, 8_000)


def claiming(recording: Recording, run: int, number: int, late_s: float) -> Recording:
    """The recording with one file whose mtxi claims a begin that much later."""
    runs: list[bytes] = []

    def odd(data: bytes) -> bytes:
        at = data.find(b"mtxi")
        if at < 0:
            return data
        stream_id, result = data[at + 8 : at + 24], int.from_bytes(data[at + 24 : at + 32], "big")
        if stream_id not in runs:
            runs.append(stream_id)
        if (runs.index(stream_id), result) != (run, number):
            return data
        ntp_ns = int.from_bytes(data[at + 40 : at + 48], "big") + round(late_s * 1e9)
        return data[: at + 40] + ntp_ns.to_bytes(8, "big") + data[at + 48 :]

    return Recording([write._replace(data=odd(write.data)) for write in recording.writes], recording.truth)


# a late NTP of a run's second file moved it by as much, in footage whose writing was not observed
@pytest.mark.parametrize("late_s", [0.3, 2.0, 4.9])
@pytest.mark.parametrize("number", [0, 1, 4, 6, 7])
@pytest.mark.parametrize("connects_s", [(0.3, 42.3), (0.3,)], ids=["another run", "the same run"])
def test_the_wrong_start_time_of_one_unobserved_file_moves_nothing(
    tmp_path: Path, connects_s: tuple[float, ...], number: int, late_s: float
) -> None:
    """The daemon first starts while the next run is recorded, or at the end of this one."""
    camera = Feed(connects_s=connects_s, gop_s=1)
    recording = claiming(record(camera, 50, recorder="mediamtx", segment_s=5), 0, number, late_s)
    errors = Sight(recording, tmp_path, [(0, 46)]).run()
    assert min(element.shown_us for element in errors) < START_US + 2 * S_US
    assert worst_ms(errors, 0) < 1000 / 30


# MediaMTX's NTP follows when a picture is shown: later files without sound were up to three pictures early
@pytest.mark.parametrize("connects_s", [(0.7, 42.3), (0.0, 42.3)], ids=["inside a group", "at a key"])
@pytest.mark.parametrize(
    ("fps", "b_frames", "skew_ppm"), [(25, 1, 300), (25, 3, 0), (30, 2, -300), (30, 3, 300), (60, 2, 300)]
)
@pytest.mark.parametrize("recorder", ["mediamtx", "decode"])
def test_unobserved_files_with_b_frames_are_in_step(
    tmp_path: Path, recorder: str, skew_ppm: float, b_frames: int, fps: int, connects_s: tuple[float, ...]
) -> None:
    """The first run is over when the daemon first starts."""
    camera = Feed(
        fps=Fraction(fps), b_frames=b_frames, seed=3, connects_s=connects_s, gop_s=1, skew_ppm=skew_ppm
    )
    recording = record(camera, 50, recorder=recorder, segment_s=5)
    errors = Sight(recording, tmp_path, [(0, 46)]).run()
    assert worst_ms(errors, 0, 42) < 16
