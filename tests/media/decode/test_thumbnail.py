"""media/decode/thumbnail.py: one keyframe, one exact frame."""

from __future__ import annotations

import io
from typing import BinaryIO, cast

import pytest

from appliance.media.decode.jpeg import jpeg_size
from appliance.media.decode.thumbnail import BadMedia, frame_jpeg, keyframe_jpeg, scaled_size
from tests.workers.film import HEIGHT, WIDTH, first_keyframe, grey, make_film, mean_luma


@pytest.fixture(scope="module")
def film() -> bytes:
    return make_film()


@pytest.mark.parametrize("encoder", ["libx264", "libx265"])
def test_a_keyframe_becomes_a_jpeg_of_the_same_picture(encoder: str) -> None:
    key = first_keyframe(make_film(lambda number: 150, encoder=encoder, frames=1))
    jpeg = keyframe_jpeg(key.codec, key.extradata, key.sample, width_px=160)
    assert (jpeg.width, jpeg.height) == jpeg_size(jpeg.data) == (160, 90)
    # 150 in video range is 156 in JPEG's full range
    assert mean_luma(jpeg.data) == pytest.approx(156, abs=4)


def test_a_picture_is_never_enlarged(film: bytes) -> None:
    key = first_keyframe(film)
    jpeg = keyframe_jpeg(key.codec, key.extradata, key.sample, width_px=4000)
    assert (jpeg.width, jpeg.height) == (WIDTH, HEIGHT)


@pytest.mark.parametrize(
    ("sample", "codec"),
    [
        (b"\x00" * 400, "h264"),
        (b"\xff" * 400, "hevc"),
        (b"garbage" * 99, "av1"),
        (b"x", "vp9"),
        (b"x", "prores"),
    ],
)
def test_garbage_is_bad_media_and_nothing_else(sample: bytes, codec: str) -> None:
    with pytest.raises(BadMedia):
        keyframe_jpeg(codec, b"", sample, width_px=320)


def test_a_cut_off_keyframe_is_either_a_picture_or_bad_media(film: bytes) -> None:
    key = first_keyframe(film)
    for length in range(0, len(key.sample), 17):
        try:
            jpeg = keyframe_jpeg(key.codec, key.extradata, key.sample[:length], width_px=64)
        except BadMedia:
            continue
        assert jpeg_size(jpeg.data) == (64, 36)


@pytest.mark.parametrize("number", [0, 1, 5, 11])
def test_the_exact_frame_is_the_one_shown_then(film: bytes, number: int) -> None:
    shown = frame_jpeg(cast(BinaryIO, io.BytesIO(film)), at_s=number / 25 + 0.001, width_px=0)
    assert mean_luma(shown.data) == pytest.approx((grey(number) - 16) * 255 / 219, abs=4)


def test_after_the_end_the_last_frame_stays(film: bytes) -> None:
    shown = frame_jpeg(cast(BinaryIO, io.BytesIO(film)), at_s=99.0, width_px=0)
    assert mean_luma(shown.data) == pytest.approx((grey(11) - 16) * 255 / 219, abs=4)


@pytest.mark.parametrize("data", [b"", b"#EXTM3U\n/etc/passwd\n", b"\x00\x00\x00\x08ftyp" * 9])
def test_what_is_no_mp4_is_bad_media(data: bytes) -> None:
    with pytest.raises(BadMedia):
        frame_jpeg(cast(BinaryIO, io.BytesIO(data)), at_s=0.0, width_px=0)


@pytest.mark.parametrize(
    ("source", "wanted", "expected"),
    [
        ((1920, 1080), 320, (320, 180)),
        ((1080, 1920), 320, (320, 568)),
        ((1919, 1079), 0, (1918, 1078)),
        ((100, 50), 320, (100, 50)),
    ],
)
def test_scaling_keeps_the_aspect_in_even_numbers(
    source: tuple[int, int], wanted: int, expected: tuple[int, int]
) -> None:
    assert scaled_size(*source, wanted) == expected


@pytest.mark.parametrize("source", [(0, 0), (1, 9000), (20000, 100), (8000, 2)])
def test_absurd_sizes_are_refused(source: tuple[int, int]) -> None:
    with pytest.raises(BadMedia):
        scaled_size(*source, 320)
