"""Only parameter sets that pictures refer to count: through slice, PPS and SPS, in both codecs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.media.bitstream import annexb
from appliance.media.bitstream.access_points import sample_nals
from appliance.media.bitstream.annexb import VideoCodec
from appliance.media.bitstream.picture_sets import pps_ids, referred
from tests.kit.barcode import encode

Key = tuple[int, int]


def sets_of(codec: VideoCodec, **kind: object) -> tuple[dict[Key, bytes], list[bytes]]:
    """The sets (ids all 0) and all NAL units of an encoder's first picture."""
    library = "libx264" if codec == "h264" else "libx265"
    nals = list(sample_nals(encode(10, codec=library, sound=False, **kind).frames[0].data))
    kinds = (7, 8) if codec == "h264" else (32, 33, 34)
    return {(k, 0): n for n in nals if (k := annexb.nal_type(codec, n)) in kinds}, nals


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_a_slice_names_its_pps(codec: VideoCodec) -> None:
    _, nals = sets_of(codec)
    assert pps_ids(codec, nals) == {0}


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_sets_that_no_picture_refers_to_are_left_out(codec: VideoCodec) -> None:
    own, _ = sets_of(codec)
    other, _ = sets_of(codec, size=(384, 192))
    sps, pps = (7, 8) if codec == "h264" else (33, 34)
    foreign = {(kind, 3): nal for (kind, _), nal in other.items()}
    # a PPS of another SPS, and that SPS; the foreign PPS still refers to SPS 0, hidden only by its id
    everything = own | {(sps, 3): foreign[sps, 3]}
    assert referred(codec, everything, frozenset({0}), own) == own
    # a second PPS of the same SPS counts if the stream repeats it, or if it repeats none
    spare = own | {(pps, 5): own[pps, 0]}
    assert referred(codec, spare, frozenset({0}), own) == own
    assert referred(codec, spare, frozenset({0, 5}), own) == spare
    assert referred(codec, spare, frozenset({0}), {}) == spare
    assert referred(codec, spare, frozenset({0}), spare) == spare


def test_a_placeholder_of_the_same_sps_is_left_out() -> None:
    own, _ = sets_of("h264")
    placeholder = bytes([0x68]) + b"\x05\xe0\x80"  # PPS 46 of SPS 0
    everything = {(8, 46): placeholder} | own
    assert referred("h264", everything, frozenset({0}), own) == own


def test_a_chain_that_cannot_be_followed_keeps_everything() -> None:
    own, _ = sets_of("h264")
    assert referred("h264", own, frozenset(), own) == own
    assert referred("h264", own, frozenset({9}), own) == own
    assert referred("h264", {(8, 0): own[8, 0]}, frozenset({0}), {}) == {(8, 0): own[8, 0]}


@given(st.sampled_from(["h264", "hevc"]), st.lists(st.binary(max_size=40), max_size=4))
def test_any_bytes_end_in_an_answer(codec: VideoCodec, nals: list[bytes]) -> None:
    assert all(number >= 0 for number in pps_ids(codec, nals))
