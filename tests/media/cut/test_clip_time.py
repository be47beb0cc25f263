"""Clips of sources with an inaccurate clock: clip time is wall time, for pictures and sound."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from appliance.media.clock.timeline import PPB, Knot, RunClock
from appliance.media.cut.clip_time import clip_time
from appliance.media.cut.frames import plan_frames
from appliance.media.cut.plan import Plan, make_plan
from tests.kit.barcode import AUDIO_HZ, Played, Sound, encode, play, repeated
from tests.kit.fmp4_file import START_US, Recordings

S_US = 1_000_000


@pytest.fixture
def recordings(tmp_path: Path) -> Iterator[Recordings]:
    made = Recordings(tmp_path)
    yield made
    made.close()


def off_by(skew: float) -> RunClock:
    """The clock of a source that is fast by this much."""
    return RunClock.of([Knot(0, START_US, round(PPB / (1 + skew)))])


def cut(recordings: Recordings, start_s: float, end_s: float) -> tuple[Plan, Played, list[float]]:
    """A clip, played, and the published capture times of its frames, s after the first."""
    start_us, end_us = START_US + round(start_s * S_US), START_US + round(end_s * S_US)
    plan = make_plan(recordings.views, recordings.open_fd, start_us=start_us, end_us=end_us, latency_us=0)
    published = plan_frames(recordings.views, recordings.open_fd, start_us, end_us, 0)
    played = play(recordings.bytes_of(plan))
    return plan, played, [(at_us - published[0]) / S_US for at_us in published]


MEDIA: list[dict[str, Any]] = [
    {"bframes": 0, "gop": 30},
    {"bframes": 2, "gop": 60},
    {"bframes": 3, "gop": 30, "codec": "libx265"},
    {"bframes": 2, "gop": 50, "rate": Fraction(50)},
]


@pytest.mark.parametrize("skew", [-0.05, -0.02, 0.01, 0.02, 0.05])
@pytest.mark.parametrize("media", MEDIA, ids=["no b-frames", "b-frames", "hevc open gop", "50 fps"])
def test_four_seconds_of_a_source_whose_clock_is_off_last_four_seconds(
    recordings: Recordings, media: dict[str, Any], skew: float
) -> None:
    frame_s = float(1 / media.get("rate", 30))
    recordings.record(encode(round(5 / frame_s), **media), clock=off_by(skew), segment_s=2)
    plan, played, published = cut(recordings, 0.3, 4.3)
    assert plan.missing == ()
    assert 4 - frame_s < plan.duration_s < 4 + frame_s
    assert len(played.frames) == plan.frames == len(published)
    assert played.numbers == list(range(played.numbers[0], played.numbers[0] + plan.frames))
    for (time_s, _), published_s in zip(played.frames, published, strict=True):
        assert time_s == pytest.approx(published_s, abs=0.001)
    assert plan.preroll_s < 2.2


@pytest.mark.parametrize("skew", [-0.05, -0.02, -0.005, 0.005, 0.02, 0.05])
def test_sound_stays_with_its_picture_and_keeps_its_pitch(recordings: Recordings, skew: float) -> None:
    media = encode(360, gop=30)
    assert media.sound is not None
    recordings.record(media, clock=off_by(skew), part_s=1.0)
    plan, played, _ = cut(recordings, 1, 11)
    begin_s = (plan.coverage_start_us - START_US) / S_US
    sound = played.pcm()
    assert sound.shape[1] == pytest.approx(10 * AUDIO_HZ, abs=2 * PACKET)
    places_s = [0.5 + 0.1 * n for n in range(90)]
    results = []
    for at_s in places_s:
        begin = round(at_s * AUDIO_HZ)
        whole = found_at(sound[0, begin : begin + 256], media.sound[0], (begin_s + at_s) * (1 + skew))
        results += [] if whole is None else [whole / (1 + skew) - begin_s - at_s]
    assert len(results) > 0.8 * len(places_s), "the rest lies where a packet was left out or played twice"
    assert max(map(abs, results)) < 0.033


PACKET = 1024


def found_at(heard: Sound, source: Sound, near_s: float) -> float | None:
    """Position of this sound in the source, s; None: no match. Compares up to three packets on each side."""
    low = max(0, round(near_s * AUDIO_HZ) - 3 * PACKET)
    around = source[low : low + 6 * PACKET + len(heard)]
    at = int(np.argmax(np.correlate(around, heard, "valid")))
    is_same = np.corrcoef(around[at : at + len(heard)], heard)[0, 1] > 0.99
    return (low + at) / AUDIO_HZ if is_same else None


@pytest.mark.parametrize("skew", [-300e-6, 0, 300e-6])
def test_a_usual_clock_changes_nothing(recordings: Recordings, skew: float) -> None:
    recordings.record(encode(180, bframes=2, gop=30), clock=off_by(skew))
    plan, played, _ = cut(recordings, 1.01, 5.01)
    assert plan.course == ()
    steps = {round((after - before) * 90_000) for (before, _), (after, _) in pairwise(played.frames)}
    assert steps == {3000}


def test_two_runs_of_one_clip_each_follow_their_own_clock(recordings: Recordings) -> None:
    """The second run begins 3 s of wall time after the first: a camera with a fast clock reconnected."""
    recordings.record(encode(90, gop=30), clock=off_by(0.02))
    later = RunClock.of([Knot(0, START_US + 3 * S_US, round(PPB / 0.98))])
    recordings.record(encode(90, gop=30, first=500), run=2, clock=later)
    plan, played, published = cut(recordings, 0, 6)
    assert len(played.frames) == len(published) > 170
    assert plan.duration_s == pytest.approx(6, abs=0.034)
    for (time_s, _), published_s in zip(played.frames, published, strict=True):
        assert time_s == pytest.approx(published_s, abs=0.002)


def test_only_an_even_course_is_followed() -> None:
    even = [(own, own * 102 // 100) for own in range(0, 10_001, 100)]
    line = clip_time(even, 20)
    assert line is not None and line.of([10_000, 500, 0, -100]) == [10_200, 510, 0, -102]
    assert clip_time(even, 200) is None, "near enough"
    assert clip_time([(own, wall + 21 * (own == 5000)) for own, wall in even], 20) is None
    assert clip_time([(own, own + own // 1001) for own in range(0, 1_000_001, 100)], 20) is None, "a crystal"
    assert clip_time([(0, 0), (50, 0)], 20) is None and clip_time([(0, 0)], 20) is None


UNEVEN = {
    "set 1.5 s on": [Knot(0, START_US, PPB), Knot(2_500_000_000, START_US + 4 * S_US, PPB)],
    "slewed by 100 ms": [
        Knot(0, START_US, PPB),
        Knot(2_500_000_000, START_US + 2_500_000, PPB, 200 * S_US, PPB // 2),
    ],
    "settling": [Knot(0, START_US, PPB, 700 * S_US, PPB * 6 // 7)],
    "settling of a fast one": [
        Knot(0, START_US, PPB),
        Knot(2 * 10**9, START_US + 2 * S_US, PPB * 100 // 102),
    ],
}


@pytest.mark.parametrize("knots", UNEVEN.values(), ids=UNEVEN)
def test_a_clock_set_or_slewed_inside_a_clip_changes_no_table(
    recordings: Recordings, knots: list[Knot], monkeypatch: pytest.MonkeyPatch
) -> None:
    recordings.record(encode(180, bframes=2, gop=30), clock=RunClock.of(knots))
    same_as_without_course(recordings, 0.3, 5.3, monkeypatch)


@pytest.mark.parametrize("skew", [-300e-6, 300e-6])
def test_a_crystal_changes_no_table_of_a_long_clip(
    recordings: Recordings, skew: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    recordings.record(repeated(encode(480, gop=30), 12), clock=off_by(skew), segment_s=60)
    same_as_without_course(recordings, 1, 181, monkeypatch)


def same_as_without_course(
    recordings: Recordings, start_s: float, end_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    start_us, end_us = START_US + round(start_s * S_US), START_US + round(end_s * S_US)

    def planned() -> Plan:
        return make_plan(recordings.views, recordings.open_fd, start_us=start_us, end_us=end_us, latency_us=0)

    plan = planned()
    monkeypatch.setattr("appliance.media.cut.plan.follow_wall", lambda _: None)
    without = planned()
    assert plan.course == ()
    assert recordings.bytes_of(plan) == recordings.bytes_of(without)
