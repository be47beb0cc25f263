"""Clips cut from recordings on disk, decoded, and compared with what was drawn and played into them."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from appliance.media.frames import plan_frame, plan_frames
from appliance.media.plan import NoFootage, Plan, make_plan
from tests.kit.barcode import AUDIO_HZ, VIDEO_HZ, Media, Played, Sound, encode, play
from tests.kit.fmp4_file import START_US, Recordings

LATENCY_US = 250_000
NTSC = Fraction(30_000, 1001)


@pytest.fixture
def recordings(tmp_path: Path) -> Iterator[Recordings]:
    made = Recordings(tmp_path)
    yield made
    made.close()


def at_us(frame: float, rate: Fraction = Fraction(30)) -> int:
    """Capture time of a frame number of run 1; halves lie between frames."""
    return START_US - LATENCY_US + round(frame * 1_000_000 / rate)


def plan_us(recordings: Recordings, start_us: int, end_us: int) -> Plan:
    return make_plan(
        recordings.views, recordings.open_fd, start_us=start_us, end_us=end_us, latency_us=LATENCY_US
    )


def cut(
    recordings: Recordings, first: int, stop: int, rate: Fraction = Fraction(30)
) -> tuple[Plan, Played]:
    """The clip of frames first..stop of run 1, asked for half a frame early, as an operator would."""
    plan = plan_us(recordings, at_us(first - 0.5, rate), at_us(stop - 0.5, rate))
    clip = recordings.bytes_of(plan)
    assert len(clip) == plan.size
    return plan, play(clip)


def assert_same_sound(
    media: Media, played: Played, first: int, stop: int, rate: Fraction = Fraction(30), at: int = 0
) -> None:
    """From sample `at` of the clip on, the sound is that of frames first..stop of the recording, to the bit.

    One or two samples early is right: MediaMTX cuts the start of a part to whole ticks.
    """
    assert media.sound is not None
    begin, end = (round(frame * AUDIO_HZ / rate) for frame in (first, stop))
    heard = played.pcm()[:, at : at + end - begin - 2]
    assert heard.shape[1] == end - begin - 2
    slips = [slip for slip in (0, 1, 2) if _equal(heard, media.sound[:, begin + slip :])]
    assert slips, "the sound is not the recording's"


def _equal(heard: Sound, truth: Sound) -> bool:
    return np.array_equal(heard, truth[:, : heard.shape[1]])


INS = [0, 1, 17, 30, 57, 58, 59]


@pytest.mark.parametrize(
    "media",
    [
        dict(bframes=2, gop=60),
        dict(bframes=0, gop=30),
        dict(bframes=2, gop=60, rate=NTSC),
        dict(codec="libx265", bframes=3, gop=30),
    ],
    ids=["b-frames", "no b-frames", "29.97", "hevc open gop"],
)
def test_a_clip_shows_exactly_the_frames_asked_for(
    recordings: Recordings, media: dict[str, object]
) -> None:
    source = encode(150, **media)  # type: ignore[arg-type]
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
