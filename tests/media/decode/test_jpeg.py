"""media/decode/jpeg.py: worker output is validated before it is used."""

from __future__ import annotations

import pytest

from appliance.media.decode.jpeg import NotAJpeg, jpeg_size
from appliance.media.decode.thumbnail import keyframe_jpeg
from tests.workers.film import first_keyframe, make_film


@pytest.fixture(scope="module")
def jpeg() -> bytes:
    key = first_keyframe(make_film(frames=1))
    return keyframe_jpeg(key.codec, key.extradata, key.sample, width_px=160).data


def test_the_size_of_a_jpeg_is_read(jpeg: bytes) -> None:
    assert jpeg_size(jpeg) == (160, 90)


def test_every_cut_is_noticed(jpeg: bytes) -> None:
    for length in range(len(jpeg)):
        with pytest.raises(NotAJpeg):
            jpeg_size(jpeg[:length])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xd8\xff\xd9",
        b"\x89PNG\r\n\x1a\n" + b"\x00" * 50,
        b"\xff\xd8" + b"\xff\xe0\x00\x02" * 20 + b"\xff\xd9",
        b"\xff\xd8\xff\xc0\x00\x0b\x08\x00\x00\x00\x00\x01\x01\x11\x00\xff\xda\x00\x02\xff\xd9",
    ],
)
def test_bytes_that_are_not_a_picture_are_refused(data: bytes) -> None:
    with pytest.raises(NotAJpeg):
        jpeg_size(data)
