"""Splitting of NAL units."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from appliance.media.bitstream import annexb


def test_start_codes_of_three_and_four_bytes_and_trailing_zeros() -> None:
    assert annexb.split(b"\0\0\0\1\x67a\0\0\1\x68b\0\0\0\1\x65c\0\0") == [b"\x67a", b"\x68b", b"\x65c"]
    assert annexb.split(b"junk") == annexb.split(b"") == []


def test_an_h264_key_picture_loses_delimiter_and_filler_and_keeps_sei() -> None:
    nals = [b"\x09\xf0", b"\x67S", b"\x68P", b"\x68Q", b"\x68P", b"\x06sei", b"\x65slice", b"\x0cfill"]
    unit = annexb.access_unit("h264", nals)
    assert unit == ((b"\x06sei", b"\x65slice"), ((b"\x67S",), (b"\x68P", b"\x68Q")), True, True, False)


def test_only_idr_is_sync_in_h264() -> None:
    assert not annexb.access_unit("h264", [b"\x41p"]).sync
    assert not annexb.access_unit("h264", [b"\x06sei"]).picture


def test_hevc_random_access_pictures_are_sync_and_rasl_is_leading() -> None:
    def nal(kind: int) -> bytes:
        return bytes([kind << 1, 1, 0x80])

    assert [kind for kind in range(32) if annexb.access_unit("hevc", [nal(kind)]).sync] == [*range(16, 22)]
    assert [kind for kind in range(32) if annexb.access_unit("hevc", [nal(kind)]).leading] == [8, 9]
    sets = annexb.access_unit("hevc", [nal(34), nal(32), nal(33), nal(19)]).sets
    assert sets == ((nal(32),), (nal(33),), (nal(34),))


@given(st.lists(st.binary(min_size=1, max_size=20).map(lambda b: b.replace(b"\0", b"\1")), max_size=6))
def test_splitting_undoes_joining(nals: list[bytes]) -> None:
    assert annexb.split(b"".join(b"\0\0\1" + nal for nal in nals)) == nals
    sample = annexb.length_prefixed(nals)
    assert len(sample) == sum(4 + len(nal) for nal in nals)
