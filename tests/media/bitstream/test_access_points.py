"""Access points are found by NAL type and recovery point, for real encoders and for hostile bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.media.bitstream.access_points import AccessPoint, counts, entry_of, sample_entry, sample_nals
from appliance.media.bitstream.annexb import VideoCodec
from tests.kit.barcode import encode

IDR = AccessPoint("idr")


def entries(
    codec: VideoCodec, count: int = 70, *, bframes: int = 0, extra: str = ""
) -> dict[int, AccessPoint]:
    """The kind of each access point, by its picture's number in output order."""
    library = "libx264" if codec == "h264" else "libx265"
    media = encode(count, codec=library, bframes=bframes, extra=extra, sound=False)
    result = {sample.pts // 3000: sample_entry(codec, sample.data) for sample in media.frames}
    return {number: entry for number, entry in result.items() if entry is not None}


def test_closed_groups_are_entered_at_their_idr() -> None:
    assert entries("h264", bframes=2) == {0: IDR, 30: IDR, 60: IDR}
    assert entries("hevc", bframes=2, extra="open-gop=0") == {0: IDR, 30: IDR, 60: IDR}


def test_open_groups_are_entered_at_recovery_points_and_cra_pictures() -> None:
    recovery = AccessPoint("recovery", 0, exact=True)
    assert entries("h264", bframes=2, extra="open-gop=1") == {0: IDR, 30: recovery, 60: recovery}
    assert entries("hevc", bframes=2) == {0: IDR, 30: AccessPoint("cra"), 60: AccessPoint("cra")}


def test_intra_refresh_is_right_only_some_pictures_later() -> None:
    actual = entries("h264", extra="intra-refresh=1")
    assert actual[0] == IDR and actual.keys() == {0, 30, 60}
    assert actual[30].kind == "recovery" and 8 <= actual[30].recovery <= 12  # 12 columns of macroblocks


@pytest.mark.parametrize(
    ("nal_kind", "expected"),
    [(16, "bla"), (18, "bla"), (19, "idr"), (20, "idr"), (21, "cra"), (0, None), (9, None), (1, None)],
)
def test_hevc_picture_kinds(nal_kind: int, expected: str | None) -> None:
    outcome = entry_of("hevc", [bytes([nal_kind << 1, 1, 0x80])])
    assert (outcome.kind if outcome is not None else None) == expected


def test_a_recovery_point_behind_long_messages_and_in_hevc() -> None:
    user_data = bytes([5, 255, 45]) + b"u" * 300
    point = bytes([6, 1, 0b0110_1000])  # ue 011 -> 2, exact 0
    slice_ = bytes([0x41, 0x9A])
    assert entry_of("h264", [b"\x06" + user_data + point + b"\x80", slice_]) == AccessPoint(
        "recovery", 2, False
    )
    # se 00101 -> -2: pictures before it are correct already
    point = bytes([6, 1, 0b0010_1100])
    hevc = [bytes([39 << 1, 1]) + point + b"\x80", bytes([2, 1, 0x80])]
    assert entry_of("hevc", hevc) == AccessPoint("recovery", 0, True)


def test_a_message_after_the_slice_is_of_the_next_picture() -> None:
    point = b"\x06\x06\x01\xc4\x80"
    assert entry_of("h264", [b"\x41\x9a", point]) is None
    assert entry_of("h264", [point, b"\x41\x9a"]) == AccessPoint("recovery", 0, True)
    assert entry_of("h264", [point]) is None


def test_reference_pictures_count_in_h264_every_picture_in_hevc() -> None:
    media = encode(20, bframes=2, extra="b-pyramid=0", sound=False)
    counted = [s.pts // 3000 for s in media.frames if counts("h264", sample_nals(s.data))]
    assert counted[:4] == [0, 3, 6, 9]
    assert counts("hevc", [b"\x02\x01"])


def test_the_head_of_a_sample_is_enough() -> None:
    media = encode(70, bframes=2, extra="open-gop=1", sound=False)
    key = next(sample for sample in media.frames if sample.pts == 30 * 3000)
    assert sample_entry("h264", key.data[:120]) == AccessPoint("recovery", 0, True)


@given(st.sampled_from(["h264", "hevc"]), st.binary(max_size=60), st.sampled_from([1, 2, 4]))
def test_any_bytes_end_in_an_answer(codec: VideoCodec, data: bytes, length_size: int) -> None:
    entry = sample_entry(codec, data, length_size)
    assert entry is None or 0 <= entry.recovery <= 1 << 16
