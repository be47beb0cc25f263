"""Shorter cuts of a clip's own file, decoded and compared with the source pictures and sound."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from appliance.media.cut.retrim import CannotTrim, header_size, retrim
from appliance.media.mp4.walk import Malformed
from tests.kit.barcode import encode, play
from tests.kit.fmp4_file import Recordings
from tests.media.cut.test_plan import assert_same_sound, cut


@pytest.fixture
def recordings(tmp_path: Path) -> Iterator[Recordings]:
    made = Recordings(tmp_path)
    yield made
    made.close()


def us(frames: float, rate: Fraction = Fraction(30)) -> int:
    return round(frames * 1_000_000 / rate)


@pytest.mark.parametrize(
    "media", [{"bframes": 2, "gop": 60}, {"bframes": 0, "gop": 30}, {"bframes": 2, "sound": False}]
)
def test_a_trim_of_the_file_shows_exactly_its_frames_and_sound(
    recordings: Recordings, media: dict[str, Any]
) -> None:
    source = encode(150, **media)
    recordings.record(source)
    plan, _ = cut(recordings, 47, 107)
    clip = recordings.bytes_of(plan)
    size = header_size(clip)
    for skip, count in ((0, 60), (1, 58), (10, 20), (13, 1), (59, 1)):
        result = retrim(clip[:size], skip_us=us(skip - 0.5) if skip else 0, length_us=us(count))
        assert len(result.header) == size
        played = play(result.header + clip[size:])
        assert played.numbers == list(range(47 + skip, 47 + skip + count))
        assert played.frames[0][0] == 0
        assert (result.frames, result.codec) == (count, "avc1")
        assert result.first_us == pytest.approx(us(skip), abs=1)
        assert result.end_us == pytest.approx(us(skip + count), abs=12)
        assert result.preroll_s == pytest.approx(plan.preroll_s + skip / 30, abs=1e-4)
        if source.sound is not None:
            assert_same_sound(source, played, 47 + skip, 47 + skip + count)


def test_a_trim_of_a_trim_goes_on_from_there(recordings: Recordings) -> None:
    recordings.record(encode(150, bframes=2, gop=60))
    plan, _ = cut(recordings, 30, 90)
    clip = recordings.bytes_of(plan)
    size = header_size(clip)
    once = retrim(clip[:size], skip_us=us(9.5), length_us=us(40)).header
    twice = retrim(once, skip_us=us(4.5), length_us=us(10)).header
    assert play(twice + clip[size:]).numbers == list(range(45, 55))


def test_a_span_beside_the_clip_is_refused(recordings: Recordings) -> None:
    recordings.record(encode(90))
    plan, _ = cut(recordings, 30, 60)
    with pytest.raises(CannotTrim):
        retrim(plan.header, skip_us=us(30), length_us=us(5))


@pytest.mark.parametrize("data", [b"", b"\0\0\0\x08free", bytes(64), b"\0\0\0\x10moov\0\0\0\x08trak"])
def test_a_file_that_is_not_one_of_our_clips_is_refused(data: bytes) -> None:
    with pytest.raises((CannotTrim, Malformed)):
        retrim(data, skip_us=0, length_us=1_000_000)
    with pytest.raises((CannotTrim, Malformed)):
        header_size(data)
