"""The end of a clip: its last picture begins before OUT, and a slow camera's picture is cut off there."""

from __future__ import annotations

import io
from collections.abc import Iterator
from fractions import Fraction
from itertools import accumulate
from pathlib import Path
from typing import BinaryIO, cast

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from appliance.media.cut.plan import Plan, make_plan
from appliance.media.cut.retrim import header_size, retrim
from appliance.media.decode.probe import probe
from appliance.media.decode.transcode import Recipe, transcode
from tests.kit import segments
from tests.kit.barcode import VIDEO_HZ, encode, play
from tests.kit.fmp4_file import START_US, Recordings, StraightClock

TICK_US = 25  # of 90 kHz, twice: MediaMTX truncates the start of a part to whole ticks
WHOLE_US = 40_000
S = 1_000_000


@pytest.fixture
def recordings(tmp_path: Path) -> Iterator[Recordings]:
    made = Recordings(tmp_path)
    yield made
    made.close()


def cut(recordings: Recordings, first_us: int, end_us: int) -> Plan:
    start_us = START_US + first_us
    views, open_fd = recordings.views, recordings.open_fd
    return make_plan(views, open_fd, start_us=start_us, end_us=START_US + end_us, latency_us=0)


def record(recordings: Recordings, lengths: list[int], part_frames: int) -> list[int]:
    """One run of key pictures with these durations in ticks; returns their start times and the end (us)."""
    data = segments.init((b"\x07" * 16, 0, 0, START_US * 1000))
    begins = list(accumulate(lengths, initial=0))
    for at in range(0, len(lengths), part_frames):
        samples = [segments.Sample(ticks, sync=True) for ticks in lengths[at : at + part_frames]]
        data += segments.part(samples, begins[at], sequence=at)
    recordings.add("one.mp4", data, StraightClock(START_US))
    return [ticks * S // VIDEO_HZ for ticks in begins]


@st.composite
def paces(draw: st.DrawFn) -> list[int]:
    """Ticks of each picture: up to four segments of one rate each, some with a tenth of jitter."""
    lengths: list[int] = []
    for _ in range(draw(st.integers(1, 4))):
        usual = VIDEO_HZ // draw(st.integers(1, 60))
        jitter = draw(st.sampled_from([0, usual // 10]))
        lengths += [usual + draw(st.integers(-jitter, jitter)) for _ in range(draw(st.integers(4, 9)))]
    return lengths


# a directory per example is made below: pytest's is made once for all of them
@example(lengths=[1730] * 4 + [90_000] * 4, part_frames=1, first_us=0, length_us=104_191)
@settings(deadline=None, max_examples=150)
@given(
    lengths=paces(),
    part_frames=st.integers(1, 6),
    first_us=st.integers(0, 60 * S),
    length_us=st.integers(0, 60 * S),
)
def test_a_clip_ends_where_it_was_asked_at_any_rate(
    tmp_path_factory: pytest.TempPathFactory,
    lengths: list[int],
    part_frames: int,
    first_us: int,
    length_us: int,
) -> None:
    recordings = Recordings(tmp_path_factory.mktemp("run"))
    try:
        begins = record(recordings, lengths, part_frames)
        first_us %= begins[-2]
        end_us = first_us + 1 + length_us % (begins[-1] + S // 2 - first_us)
        frames = [n for n, at in enumerate(begins[:-1]) if first_us <= at < end_us]
        if not frames:
            return
        plan = cut(recordings, first_us, end_us)
        first_us, whole_us = begins[frames[0]], begins[frames[-1] + 1]
        ends_us = plan.coverage_end_us - START_US
        assert plan.frames == len(frames)
        assert plan.coverage_start_us - START_US == pytest.approx(first_us, abs=1)
        assert min(whole_us, end_us) - TICK_US <= ends_us <= min(whole_us, end_us + WHOLE_US) + TICK_US
        assert plan.duration_s * S == pytest.approx(ends_us - first_us, abs=TICK_US)
    finally:
        recordings.close()


@pytest.mark.parametrize("bframes", [0, 2])
@pytest.mark.parametrize("rate", [1, 2, 5, 7, 12, 25, 60])
@pytest.mark.parametrize(
    ("first_s", "last_s"), [(2.995, 8.495), (3.295, 8.895), (3.005, 8.015), (2.985, 4.295)]
)
def test_every_picture_begun_before_the_end_is_seen_and_no_longer_than_asked(
    recordings: Recordings, rate: int, bframes: int, first_s: float, last_s: float
) -> None:
    source = encode(rate * 10, rate=Fraction(rate), gop=rate, bframes=bframes, sound=False)
    recordings.record(source, part_s=1.0)
    plan = cut(recordings, round(first_s * S), round(last_s * S))
    expected = [n for n in range(rate * 10) if first_s <= n / rate < last_s]
    clip = recordings.bytes_of(plan)
    assert play(clip).numbers == expected
    assert plan.duration_s + expected[0] / rate <= last_s + WHOLE_US / S
    if (expected[-1] + 1) / rate - last_s > WHOLE_US / S:
        assert plan.duration_s == pytest.approx(last_s - expected[0] / rate, abs=TICK_US / S)


def test_the_sound_ends_with_the_last_picture(recordings: Recordings) -> None:
    recordings.record(encode(20, rate=Fraction(2), gop=2), part_s=1.0)
    plan = cut(recordings, 3 * S, 6 * S + 100_000)
    received = play(recordings.bytes_of(plan)).pcm().shape[1]
    assert received == pytest.approx(3.1 * 48_000, abs=1024)


def test_a_trim_of_the_file_ends_where_it_was_asked(recordings: Recordings) -> None:
    recordings.record(encode(20, rate=Fraction(2), gop=2, sound=False), part_s=1.0)
    clip = recordings.bytes_of(cut(recordings, 3 * S, 8 * S + 300_000))
    size = header_size(clip)
    for length_us in (2_100_000, 5_300_000, 9 * S):
        result = retrim(clip[:size], skip_us=500_000, length_us=length_us - 500_000)
        assert result.end_us == pytest.approx(min(length_us, 5_300_000), abs=TICK_US)
        assert play(result.header + clip[size:]).numbers == list(range(7, 6 + result.frames + 1))
        assert result.frames == -(-min(length_us, 5_300_000) // 500_000) - 1


def test_what_is_encoded_from_it_ends_there_too(recordings: Recordings) -> None:
    recordings.record(encode(20, rate=Fraction(2), gop=2), part_s=1.0)
    plan = cut(recordings, 3 * S, 6 * S + 100_000)
    film, output = io.BytesIO(recordings.bytes_of(plan)), io.BytesIO()
    recipe = Recipe("ultrafast", 23, threads=1)
    written = transcode(cast(BinaryIO, film), cast(BinaryIO, output), recipe, moov_bytes=16_384)
    assert (written.frames, plan.frames) == (7, 7)
    assert written.end_s == pytest.approx(plan.duration_s, abs=0.001)
    for file in (film, output):
        actual = probe(cast(BinaryIO, file), decode=True).streams[0]
        assert (actual.kind, actual.frames) == ("video", 7)
        assert actual.end_s == pytest.approx(plan.duration_s, abs=0.001)
