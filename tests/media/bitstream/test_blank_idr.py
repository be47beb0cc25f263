"""A grey IDR picture for any parameter sets decodes without an error and does not change later pictures."""

from __future__ import annotations

from typing import Any

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.media.bitstream.access_points import sample_nals
from appliance.media.bitstream.annexb import length_prefixed
from appliance.media.bitstream.blank_idr import blank_idr
from tests.kit.barcode import encode, number_of

LOOKS = {
    "high": "",
    "main, cavlc": "cabac=0:8x8dct=0",
    "baseline": "cabac=0:8x8dct=0:weightp=0:deblock=0",
    "no deblocking": "no-deblock=1",
    "qp": "qp=40",
}


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("size", [(192, 96), (198, 102), (624, 368)])
def test_it_is_a_grey_picture_before_a_recovery_point(look: str, size: tuple[int, int]) -> None:
    bframes = 0 if "main" in look or "baseline" in look else 2
    media = encode(70, size=size, bframes=bframes, extra=f"open-gop=1:{LOOKS[look]}".strip(":"), sound=False)
    start = next(n for n, frame in enumerate(media.frames) if n and frame.sync)
    nals = list(sample_nals(media.frames[start].data))
    sps, pps = (next(nal for nal in nals if nal[0] & 0x1F == kind) for kind in (7, 8))
    slice_ = next(nal for nal in nals if nal[0] & 0x1F in (1, 5))
    grey = blank_idr(sps, pps, slice_)
    assert grey is not None and grey[0] == 0x65
    decoder: Any = av.CodecContext.create("h264", "r")
    decoder.thread_count = 1
    decoder.options = {"err_detect": "explode"}
    unit = b"".join(b"\0\0\0\1" + nal for nal in (sps, pps, grey))
    shown = decoder.decode(av.Packet(unit))
    key = media.frames[start]
    later = [f for f in media.frames[start + 1 :] if f.pts > key.pts]
    for frame in [key, *later]:
        unit = b"".join(b"\0\0\0\1" + nal for nal in sample_nals(frame.data))
        shown += decoder.decode(av.Packet(unit))
    shown += decoder.decode(None)
    luma = shown[0].to_ndarray(format="gray")
    assert luma.min() == luma.max() and 126 <= luma.min() <= 132
    assert [number_of(frame) for frame in shown[1:]] == list(range(30, 70))


def test_what_cannot_be_made_is_none() -> None:
    media = encode(10, extra="interlaced=1", sound=False)
    nals = list(sample_nals(media.frames[0].data))
    sps, pps, slice_ = (next(nal for nal in nals if nal[0] & 0x1F == kind) for kind in (7, 8, 5))
    assert blank_idr(sps, pps, slice_) is None
    assert blank_idr(b"", b"", b"") is None
    assert length_prefixed([sps])


@given(st.binary(max_size=40), st.binary(max_size=20), st.binary(max_size=20))
def test_any_bytes_end_in_an_answer(sps: bytes, pps: bytes, slice_: bytes) -> None:
    grey = blank_idr(b"\x67\x42" + sps, b"\x68" + pps, slice_)
    assert grey is None or grey[:1] == b"\x65"
