"""Clips cut from recordings on disk, decoded and compared with the source pictures and sound."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from appliance.media.cut.frames import plan_frame, plan_frames
from appliance.media.cut.plan import NoFootage, Plan, make_plan
from appliance.media.index.view import SegmentView
from appliance.media.mp4.fmp4 import Malformed
from tests.kit.barcode import AUDIO_HZ, VIDEO_HZ, Media, Played, Sound, encode, number_of, play
from tests.kit.fmp4_file import START_US, Recordings, StraightClock

LATENCY_US = 250_000
ROUNDING_US = 25  # MediaMTX truncates the start of a part to whole ticks of 11 us
NTSC = Fraction(30_000, 1001)


@pytest.fixture
def recordings(tmp_path: Path) -> Iterator[Recordings]:
    made = Recordings(tmp_path)
    yield made
    made.close()


def at_us(frame: float, rate: Fraction = Fraction(30)) -> int:
    """Capture time of a frame number of run 1; halves are between frames."""
    return START_US - LATENCY_US + round(frame * 1_000_000 / rate)


def plan_us(recordings: Recordings, start_us: int, end_us: int) -> Plan:
    return make_plan(
        recordings.views, recordings.open_fd, start_us=start_us, end_us=end_us, latency_us=LATENCY_US
    )


def cut(recordings: Recordings, first: int, stop: int, rate: Fraction = Fraction(30)) -> tuple[Plan, Played]:
    """The clip of frames first..stop of run 1, requested half a frame early, like an operator."""
    plan = plan_us(recordings, at_us(first - 0.5, rate), at_us(stop - 0.5, rate))
    clip = recordings.bytes_of(plan)
    assert len(clip) == plan.size
    return plan, play(clip)


def assert_same_sound(
    media: Media, played: Played, first: int, stop: int, rate: Fraction = Fraction(30), at: int = 0
) -> None:
    """From sample `at` of the clip on, the sound equals that of frames first..stop of the recording, to the
    bit.

    Two samples of difference are allowed: MediaMTX truncates times to whole ticks.
    """
    assert media.sound is not None
    begin, end = (round(frame * AUDIO_HZ / rate) for frame in (first, stop))
    received = played.pcm()[:, at : at + end - begin - 2]
    assert received.shape[1] == end - begin - 2
    slips = [slip for slip in range(-2, 3) if _equal(received, media.sound[:, begin + slip :])]
    assert slips, "the sound is not the recording's"


def _equal(heard: Sound, truth: Sound) -> bool:
    return np.array_equal(heard, truth[:, : heard.shape[1]])


def assert_missing(plan: Plan, *expected: tuple[str, float, float]) -> None:
    """Reason, first and last frame number of each missing span."""
    assert [gap.reason for gap in plan.missing] == [reason for reason, _, _ in expected]
    for gap, (_, start, end) in zip(plan.missing, expected, strict=True):
        assert gap.start_us == pytest.approx(at_us(start), abs=ROUNDING_US)
        assert gap.end_us == pytest.approx(at_us(end), abs=ROUNDING_US)


INS = [0, 1, 17, 30, 57, 58, 59]


@pytest.mark.parametrize(
    "media",
    [
        {"bframes": 2, "gop": 60},
        {"bframes": 0, "gop": 30},
        {"bframes": 2, "gop": 60, "rate": NTSC},
        {"codec": "libx265", "bframes": 3, "gop": 30},
    ],
    ids=["b-frames", "no b-frames", "29.97", "hevc open gop"],
)
def test_a_clip_shows_exactly_the_frames_asked_for(recordings: Recordings, media: dict[str, Any]) -> None:
    source = encode(150, **media)
    rate = media.get("rate", Fraction(30))
    assert isinstance(rate, Fraction)
    recordings.record(source)
    for number in INS:
        first, stop = 30 + number, 60 + number + number % 5
        plan, played = cut(recordings, first, stop, rate)
        assert played.numbers == list(range(first, stop))
        assert played.frames[0][0] == 0
        assert plan.frames == stop - first
        assert plan.duration_s == pytest.approx(float((stop - first) / rate), abs=1 / VIDEO_HZ)
        assert plan.missing == () and plan.settled
        assert_same_sound(source, played, first, stop, rate)


def shifted(media: Media, frames_s: float = 0, after: int = 0) -> Media:
    """The media with its pictures from number `after` on shifted by `frames_s`."""
    by = round(frames_s * VIDEO_HZ)
    frames = [
        frame._replace(dts=frame.dts + by, pts=frame.pts + by) if place >= after else frame
        for place, frame in enumerate(media.frames)
    ]
    if after:
        before = frames[after - 1]
        frames[after - 1] = before._replace(duration=frames[after].dts - before.dts)
    return replace(media, frames=frames)


@pytest.mark.parametrize("bframes", [0, 2])
@pytest.mark.parametrize("mtxi", [True, False], ids=["one run", "without mtxi"])
def test_a_clip_goes_on_over_the_join_of_two_segments(
    recordings: Recordings, bframes: int, mtxi: bool
) -> None:
    source = encode(150, bframes=bframes, gop=30)
    recordings.record(source, segment_s=1.5, part_s=0.2, mtxi=mtxi)
    assert len(recordings.views) >= 2
    if not mtxi:  # each file counts from 0 again; its clock comes from its name
        firsts = range(0, 150, 60)
        recordings.views[:] = [
            replace(view, clock=StraightClock(START_US + round(_tick_zero_us(view, frame))))
            for view, frame in zip(recordings.views, firsts, strict=True)
        ]
    for first in (31, 43, 57, 58, 59, 60, 61):
        plan, played = cut(recordings, first, first + 31)
        assert played.numbers == list(range(first, first + 31))
        steps = np.diff([time for time, _ in played.frames])
        assert np.allclose(steps, 1 / 30, atol=0.0005)
        assert plan.missing == ()
        if mtxi:
            assert_same_sound(source, played, first, first + 31)


def _tick_zero_us(view: SegmentView, frame: int) -> float:
    """Box time of tick 0 of a file whose first picture is `frame`."""
    return frame * 1e6 / 30 - view.keys[0].pts * 1e6 / VIDEO_HZ


def test_a_gap_between_runs_is_held_by_the_last_frame_and_silence(recordings: Recordings) -> None:
    before, after = encode(60, bframes=2), encode(60, bframes=2, first=200)
    recordings.record(before)
    recordings.record(after, run=2, start_us=START_US + 5_000_000)
    start_us, end_us = at_us(29.5), at_us(179.5)
    plan = plan_us(recordings, start_us, end_us)
    played = play(recordings.bytes_of(plan))
    assert played.numbers == [*range(30, 60), *range(200, 230)]
    assert [round(time * 30) for time, _ in played.frames] == [*range(30), *range(120, 150)]
    assert_missing(plan, ("gap", 60, 150))
    assert plan.duration_s == pytest.approx(5.0, abs=0.001)
    assert [span[0] for span in plan.media_spans] == ["01" * 16, "02" * 16]
    assert_same_sound(before, played, 30, 59)
    pcm = played.pcm()
    assert np.abs(pcm[:, round(1.1 * AUDIO_HZ) : round(3.95 * AUDIO_HZ)]).max() < 1e-3
    assert pcm.shape[1] == pytest.approx(5.0 * AUDIO_HZ, abs=1100)
    # one packet to fade in: its predecessor is missing
    at = round(4.0 * AUDIO_HZ) + 2048
    assert after.sound is not None
    results = [s for s in range(1024, 3072 + 1024) if _equal(pcm[:, at : at + 9000], after.sound[:, s:])]
    assert len(results) == 1 and abs(results[0] - 2048) < 500  # a silent packet is longer than the rest


def test_a_run_that_begins_inside_the_window_trims_the_clip(recordings: Recordings) -> None:
    recordings.record(encode(60, bframes=2))
    plan = plan_us(recordings, at_us(-60), at_us(19.5))
    assert play(recordings.bytes_of(plan)).numbers == list(range(20))
    assert_missing(plan, ("no_footage", -60, 0))
    assert plan.coverage_start_us == pytest.approx(at_us(0), abs=ROUNDING_US)
    tail = plan_us(recordings, at_us(49.5), at_us(90))
    assert play(recordings.bytes_of(tail)).numbers == list(range(50, 60))
    assert_missing(tail, ("no_footage", 60, 90))
    assert not tail.settled and plan.settled


def test_nothing_in_the_window_is_no_footage(recordings: Recordings) -> None:
    recordings.record(encode(60, bframes=2))
    for start, end in ((-50, -20), (61, 90), (10.2, 10.8)):
        with pytest.raises(NoFootage):
            plan_us(recordings, at_us(start), at_us(end))


def test_leading_pictures_of_a_run_that_begins_open_are_left_out(recordings: Recordings) -> None:
    first, second = encode(60, codec="libx265", bframes=3), encode(90, codec="libx265", bframes=3, first=100)
    keys = [place for place, frame in enumerate(second.frames) if frame.sync]
    base = second.frames[keys[1]]
    late = [x._replace(dts=x.dts - base.dts, pts=x.pts - base.dts) for x in second.frames[keys[1] :]]
    assert any(frame.pts < late[0].pts for frame in late[1:]), "the second run must begin with an open GOP"
    recordings.record(first)
    recordings.record(
        replace(second, frames=late, audio=None, packets=()), run=2, start_us=START_US + 3_000_000
    )
    start_us, end_us = at_us(29.5), at_us(110)
    plan = plan_us(recordings, start_us, end_us)
    played = play(recordings.bytes_of(plan))
    numbers = played.numbers
    assert numbers[:30] == list(range(30, 60))
    assert numbers[30:] == list(range(130, 130 + len(numbers) - 30))
    times = plan_frames(recordings.views, recordings.open_fd, start_us, end_us, LATENCY_US)
    assert len(times) == plan.frames == len(numbers)


@pytest.mark.parametrize("in_band", [True, False], ids=["inside a file", "between runs"])
def test_a_clip_over_a_change_of_picture_size_keeps_the_longest_span(
    recordings: Recordings, in_band: bool
) -> None:
    small, large = encode(60, sound=False), encode(60, first=60, size=(384, 192), sound=False)
    if in_band:
        frames = [*small.frames, *shifted(large, 2.0).frames]
        recordings.record(replace(small, frames=frames))
    else:
        recordings.record(small)
        recordings.record(large, run=2, start_us=START_US + 2_000_000)
    plan, played = cut(recordings, 50, 100)
    assert played.numbers == list(range(60, 100))
    assert (plan.width, plan.height) == (384, 192)
    assert_missing(plan, ("format_change", 49.5, 60))
    plan, played = cut(recordings, 10, 70)
    assert played.numbers == list(range(10, 60))
    assert (plan.width, plan.height) == (192, 96)
    assert_missing(plan, ("format_change", 60, 69.5))


def test_sound_that_begins_before_the_picture_is_heard_from_the_first_frame(recordings: Recordings) -> None:
    source = shifted(encode(90, bframes=2), 1.0)
    recordings.record(source, part_s=0.2)
    assert recordings.views[0].parts[0].video_tfdt == -1
    plan = plan_us(recordings, at_us(0), at_us(59.5))
    played = play(recordings.bytes_of(plan))
    assert played.numbers == list(range(30))
    assert_same_sound(source, played, 30, 59)


def test_sound_that_begins_after_the_picture_begins_late(recordings: Recordings) -> None:
    source = encode(90, bframes=2)
    recordings.record(replace(source, packets=source.packets[60:]))
    plan, played = cut(recordings, 30, 60)
    assert played.numbers == list(range(30, 60))
    late = 60 * 1024 - 48_000
    assert played.sound[0][0] == pytest.approx(late, abs=2)
    assert plan.missing == ()


def test_sound_far_from_its_picture_in_the_file_is_found(recordings: Recordings) -> None:
    source = encode(120, bframes=2)
    late = [p._replace(dts=p.dts + 24_000, pts=p.pts + 24_000) for p in source.packets]
    recordings.record(replace(source, packets=late), part_s=0.2)
    # half a second of skew: a frame's sound is two parts later
    _, played = cut(recordings, 60, 75)
    assert_same_sound(source, played, 45, 60)


def test_a_leap_of_the_source_clock_is_a_hole_of_the_length_in_wall_time(recordings: Recordings) -> None:
    leap_ns = 2_000_000_000
    source = shifted(encode(120, bframes=0), 3.0, after=60)

    class Leaping:
        """Media time jumps by 3 s within 100 ms."""

        def wall_us(self, media_ns: int) -> int:
            return (
                START_US
                + (media_ns if media_ns <= leap_ns else max(leap_ns, media_ns - 2_900_000_000)) // 1000
            )

        def media_ns(self, wall_us: int) -> int:
            since = (wall_us - START_US) * 1000
            return since if since <= leap_ns else since + 2_900_000_000

    moved = [p if p.dts < 2 * AUDIO_HZ else p._replace(dts=p.dts + 3 * AUDIO_HZ) for p in source.packets]
    recordings.record(replace(source, packets=moved), clock=Leaping())
    plan = plan_us(recordings, at_us(29.5), at_us(92.5))
    played = play(recordings.bytes_of(plan))
    assert played.numbers == list(range(30, 90))
    assert plan.duration_s == pytest.approx(2.1, abs=0.02)
    assert played.frames[-1][0] == pytest.approx(2.067, abs=0.02)
    assert_same_sound(source, played, 30, 59)
    assert played.pcm().shape[1] == pytest.approx(2.1 * AUDIO_HZ, abs=2048)


def test_lost_frames_inside_a_run_are_held_and_named(recordings: Recordings) -> None:
    source = shifted(encode(120, bframes=2, sound=False), 3.0, after=60)
    recordings.record(source)
    plan = plan_us(recordings, at_us(29.5), at_us(179.5))
    played = play(recordings.bytes_of(plan))
    assert played.numbers == [*range(30, 60), *range(60, 90)]
    assert [round(time * 30) for time, _ in played.frames] == [*range(30), *range(120, 150)]
    assert_missing(plan, ("gap", 60, 150))


@pytest.mark.parametrize("off_us", [-1, 0, 1])
def test_published_frame_times_and_chosen_frames_agree_to_the_microsecond(
    recordings: Recordings, off_us: int
) -> None:
    recordings.record(encode(150, bframes=2, gop=60, rate=NTSC), segment_s=1.5)
    everything = plan_frames(recordings.views, recordings.open_fd, at_us(-9), at_us(999), LATENCY_US)
    assert len(everything) == 150
    for first, stop in ((0, 7), (59, 61), (63, 149), (100, 120)):
        start_us, end_us = everything[first] + off_us, everything[stop] + off_us
        listed = plan_frames(recordings.views, recordings.open_fd, start_us, end_us, LATENCY_US)
        assert listed == [time for time in everything if start_us <= time < end_us]
        played = play(recordings.bytes_of(plan_us(recordings, start_us, end_us)))
        assert played.numbers == [everything.index(time) for time in listed]


def test_the_key_picture_at_an_instant_decodes_alone(recordings: Recordings) -> None:
    recordings.record(encode(120, bframes=2, gop=30), segment_s=1.5)
    for frame, key in ((0, 0), (29, 0), (30, 30), (75.5, 60), (500, 90)):
        result = plan_frame(recordings.views, recordings.open_fd, at_us(frame) + 40, LATENCY_US)
        data = os.pread(recordings.open_fd(result.picture.name), result.picture.length, result.picture.offset)
        decoder: Any = av.CodecContext.create("h264", "r")
        decoder.extradata = result.extradata
        frames = [*decoder.decode(av.Packet(data)), *decoder.decode(None)]
        assert [number_of(each) for each in frames] == [key]
        assert result.capture_us == pytest.approx(at_us(key), abs=ROUNDING_US)
        assert (result.width, result.height, result.codec) == (192, 96, "avc1")
    with pytest.raises(NoFootage):
        plan_frame(recordings.views, recordings.open_fd, at_us(-1), LATENCY_US)


def test_a_recording_cut_short_after_it_was_indexed_is_malformed_not_a_crash(recordings: Recordings) -> None:
    recordings.record(encode(60))
    view = recordings.views[0]
    os.truncate(recordings.folder / view.name, view.parts[2].offset + 9)
    with pytest.raises(Malformed):
        cut(recordings, 30, 50)


@pytest.mark.parametrize("part_s", [0.001, 0.07, 0.4], ids=["a frame a part", "two", "twelve"])
@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_pictures_shown_before_their_decode_time_are_in_the_clip(
    recordings: Recordings, part_s: float, codec: str
) -> None:
    """CMAF and ffmpeg's negative_cts_offsets: the first pts is the first dts, B-frames are below theirs."""
    source = encode(150, codec=codec, bframes=3, gop=30, sound=False)
    late = min(frame.dts for frame in source.frames)
    frames = [frame._replace(dts=frame.dts - late) for frame in source.frames]
    assert min(frame.pts - frame.dts for frame in frames) < 0 == frames[0].dts
    recordings.record(replace(source, frames=frames), part_s=part_s, segment_s=2.0)
    everything = plan_frames(recordings.views, recordings.open_fd, at_us(-9), at_us(999), LATENCY_US)
    assert len(everything) == 150
    for first, stop in [(40, 58), (57, 61), (59, 60), *((60 + n, 90 + n) for n in range(12)), (130, 150)]:
        plan = plan_us(recordings, everything[first], everything[stop - 1] + 1)
        assert play(recordings.bytes_of(plan)).numbers == list(range(first, stop))
        assert plan.missing == ()
    for frame in range(120, 150):  # also where the last picture shown is not the last one in the file
        plan = plan_us(recordings, everything[frame], everything[frame] + 1)
        assert play(recordings.bytes_of(plan)).numbers == [frame]
