"""Frames between the SRT receiver and the remuxer survive any split of the pipe's data."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.box.recorder.framing import MAX_PAYLOAD, Frame, FrameKind, FrameReader, pack

FRAMES = st.lists(
    st.builds(Frame, st.sampled_from(FrameKind), st.integers(0, 2**62), st.binary(max_size=50)), max_size=8
)


@given(frames=FRAMES, cut=st.integers(1, 40))
def test_frames_are_read_back_however_their_bytes_are_divided(frames: list[Frame], cut: int) -> None:
    data = b"".join(pack(*frame) for frame in frames)
    reader = FrameReader()
    read = [f for at in range(0, len(data), cut) for f in reader.feed(data[at : at + cut])]
    assert read == frames


def test_a_torn_last_frame_is_left_out() -> None:
    whole = pack(FrameKind.DATA, 1, b"abc")
    assert list(FrameReader().feed(whole + whole[:-1])) == [Frame(FrameKind.DATA, 1, b"abc")]


@pytest.mark.parametrize("data", [b"\x09" + bytes(12), pack(FrameKind.DATA, 0, bytes(MAX_PAYLOAD + 1))])
def test_bytes_of_another_kind_are_an_error(data: bytes) -> None:
    with pytest.raises(ValueError):
        list(FrameReader().feed(data))
