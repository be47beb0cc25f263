"""media/decode/probe.py: the real content of a file."""

from __future__ import annotations

import io
from typing import BinaryIO, cast

import pytest

from appliance.media.decode.probe import ProbeFacts, probe
from appliance.media.decode.thumbnail import BadMedia
from tests.workers.film import FRAMES, HEIGHT, WIDTH, make_film


def _probe(data: bytes, *, decode: bool = True) -> ProbeFacts:
    return probe(cast(BinaryIO, io.BytesIO(data)), decode=decode)


@pytest.fixture(scope="module")
def film() -> bytes:
    return make_film()


def test_every_frame_of_a_whole_film_is_counted(film: bytes) -> None:
    facts = _probe(film)
    (video,) = facts.streams
    assert (video.kind, video.codec, video.width, video.height) == ("video", "h264", WIDTH, HEIGHT)
    assert (video.packets, video.frames, video.errors, facts.read_error) == (FRAMES, FRAMES, 0, "")
    assert (video.start_s, video.end_s) == pytest.approx((0.0, FRAMES / 25))
    assert facts.duration_s == pytest.approx(FRAMES / 25)


def test_without_decoding_only_packets_are_counted(film: bytes) -> None:
    (video,) = _probe(film, decode=False).streams
    assert (video.packets, video.frames) == (FRAMES, 0)


def test_a_film_with_a_zeroed_half_shows_by_its_counts(film: bytes) -> None:
    mdat = film.index(b"mdat") - 4
    end = mdat + int.from_bytes(film[mdat : mdat + 4], "big")
    middle = (mdat + end) // 2
    damaged = film[:middle] + bytes(end - middle) + film[end:]
    (video,) = _probe(damaged).streams
    assert video.packets == FRAMES
    assert video.frames < FRAMES
    assert video.errors > 0


def test_black_and_frozen_pictures_are_counted() -> None:
    (video,) = _probe(make_film(lambda number: 16 if number < 4 else 40 + 10 * number)).streams
    assert video.black == 4
    assert video.frozen == 3  # the first black one has no predecessor


def test_what_is_no_mp4_is_bad_media() -> None:
    with pytest.raises(BadMedia):
        _probe(b"not a film at all" * 20)
