"""The barcode survives encoding and scaling of the picture."""

from __future__ import annotations

import io
from fractions import Fraction

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.box.recorder.synthetic import barcode
from appliance.box.recorder.synthetic.barcode import Burned

INSTANT = 1_795_230_767_720_123


def plane(width: int, height: int, frame: int, instant_us: int) -> bytearray:
    luma = bytearray(bytes([100]) * (width * height))
    barcode.draw(luma, width, width, frame, instant_us)
    return luma


@given(st.integers(0, 2**24 - 1), st.integers(0, 2**56 - 1))
def test_every_number_and_instant_can_be_read_back(frame: int, instant_us: int) -> None:
    assert barcode.read(bytes(plane(160, 90, frame, instant_us)), 160, 160) == Burned(frame, instant_us)


def test_a_picture_without_a_barcode_gives_none() -> None:
    assert barcode.read(bytes(640 * 360), 640, 640) is None
    assert barcode.read(b"", 640, 640) is None
    luma = plane(320, 180, 1, INSTANT)
    luma[9 * 320 + 9 * 8 : 9 * 320 + 10 * 8] = bytes([255]) * 8
    flipped = bytes(255 - value for value in luma)
    assert barcode.read(flipped, 320, 320) is None


@pytest.mark.parametrize("width", [320, 640])
def test_it_survives_jpeg_and_scaling_to_half(width: int) -> None:
    height = width * 9 // 16
    frame = av.VideoFrame(width, height, "yuvj420p")
    luma = plane(frame.planes[0].line_size, height, 0, 0)
    barcode.draw(luma, frame.planes[0].line_size, width, 4711, INSTANT)
    frame.planes[0].update(bytes(luma))
    for colour in frame.planes[1:]:
        colour.update(bytes([128]) * colour.buffer_size)
    half = frame.reformat(width=width // 2, height=height // 2)
    half.pts = 0
    sink = io.BytesIO()
    with av.open(sink, "w", format="mjpeg") as out:
        stream = out.add_stream("mjpeg", rate=Fraction(1), options={"qmin": "10", "qmax": "10"})
        stream.width, stream.height, stream.pix_fmt = width // 2, height // 2, "yuvj420p"
        out.mux(stream.encode(half))
        out.mux(stream.encode(None))
    with av.open(io.BytesIO(sink.getvalue()), mode="r") as container:
        [picture] = list(container.decode(video=0))
    decoded = picture.planes[0]
    assert barcode.read(bytes(decoded), decoded.line_size, picture.width) == Burned(4711, INSTANT)
