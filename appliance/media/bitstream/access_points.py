"""At which pictures decoding may begin, determined from their NAL units.

Owns: IDR, CRA, BLA and recovery points of H.264 and HEVC, and how soon after them pictures are correct. Must
not know: files, containers, time. The container's own flags (trun, stss) are not used: recorders set them
wrongly in both directions. Hostile bytes give None, never an error.

A recovery point with `recovery > 0` is how streams with intra refresh begin: no picture is wholly intra, and
pictures are correct only from the recovery-th counted picture on (`counts` defines which ones count).
Sources: ITU-T H.264 7.4.1.2.4, D.1.8 and D.2.8; H.265 7.4.2.2, D.2.8 and D.3.8.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, Literal, NamedTuple

from appliance.media.bitstream.annexb import VideoCodec, nal_type
from appliance.media.bitstream.sps import Bits
from appliance.media.mp4.walk import Malformed

Kind = Literal["idr", "cra", "bla", "recovery"]

_H264_SLICES: Final = frozenset({1, 2, 5})  # 2: data partition A, which carries the slice header
_H264_IDR, _H264_SEI = 5, 6
_HEVC_SEI: Final = 39  # prefix SEI; a recovery point is never in a suffix SEI
_HEVC_ENTRIES: Final[dict[int, Kind]] = {16: "bla", 17: "bla", 18: "bla", 19: "idr", 20: "idr", 21: "cra"}
_RECOVERY_POINT: Final = 6  # payloadType in both codecs
_MAX_RECOVERY: Final = 1 << 16  # log2_max_frame_num and log2_max_poc_lsb are at most 16


class AccessPoint(NamedTuple):
    """A picture at which decoding may begin.

    `recovery`: 0 when this picture and all after it in output order are correct; else after how many counted
    pictures (see `counts`) they are. `exact`: then bit for bit, not approximately.
    """

    kind: Kind
    recovery: int = 0
    exact: bool = True


def entry_of(codec: VideoCodec, nals: Iterable[bytes]) -> AccessPoint | None:
    """The entry that the access unit `nals` (decode order, NAL headers included) is; None: it is not one.

    The first bytes of each NAL unit are enough; reading stops at the first slice.
    """
    recovery: AccessPoint | None = None
    sei = _H264_SEI if codec == "h264" else _HEVC_SEI
    for nal in nals:
        if not nal:
            continue
        kind = nal_type(codec, nal)
        if kind == sei:
            recovery = recovery or _recovery_point(codec, nal)
        elif codec == "h264" and kind in _H264_SLICES:
            return AccessPoint("idr") if kind == _H264_IDR else recovery
        elif codec == "hevc" and kind < 32:
            entry = _HEVC_ENTRIES.get(kind)
            return AccessPoint(entry) if entry is not None else recovery
    return None


def sample_entry(codec: VideoCodec, sample: bytes, length_size: int = 4) -> AccessPoint | None:
    """The same for an MP4 sample (length-prefixed NAL units); `sample` may be only its first bytes."""
    return entry_of(codec, sample_nals(sample, length_size))


def sample_nals(sample: bytes, length_size: int = 4) -> Iterator[bytes]:
    """NAL units of an MP4 sample; the last one is truncated where `sample` is."""
    at = 0
    while at + length_size < len(sample):
        begin = at + length_size
        at = begin + int.from_bytes(sample[at:begin], "big")
        yield sample[begin:at]


def is_intra_slice(nal: bytes) -> bool:
    """Whether an H.264 slice is I or SI, so that it refers to no other picture. False when it cannot be
    read."""
    bits = Bits(nal[:32], 1)
    try:
        bits.ue()  # first_mb_in_slice
        return bits.ue() % 5 in (2, 4)
    except Malformed:
        return False


def is_slice(codec: VideoCodec, nal: bytes) -> bool:
    """Whether the NAL unit carries a slice or its first part."""
    kind = nal_type(codec, nal)
    return kind in _H264_SLICES if codec == "h264" else kind < 32


def counts(codec: VideoCodec, nals: Iterable[bytes]) -> bool:
    """Whether a picture after a recovery point is one of those that `Entry.recovery` counts.

    H.264 counts frame_num, which increases at reference pictures; HEVC counts picture order, which every
    picture has (for an encoder that increases it by 2 the wait is twice as long as needed).
    """
    if codec == "hevc":
        return True
    return any(nal[0] & 0x60 for nal in nals if nal and nal[0] & 0x1F in _H264_SLICES)


def _recovery_point(codec: VideoCodec, nal: bytes) -> AccessPoint | None:
    """The recovery point message in a SEI NAL unit, if it has one."""
    data = nal[1 if codec == "h264" else 2 :].replace(b"\0\0\3", b"\0\0")
    at = 0
    while at + 2 < len(data):  # a message of at least one byte, and the stop bit after it
        kind, at = _extended(data, at)
        size, at = _extended(data, at)
        if kind == _RECOVERY_POINT:
            return _read_recovery(codec, data[at : at + size])
        at += size
    return None


def _extended(data: bytes, at: int) -> tuple[int, int]:
    """payloadType or payloadSize: any number of 0xFF, then the rest (H.264 7.3.2.3.1)."""
    value = 0
    while at < len(data) and data[at] == 0xFF:
        value, at = value + 255, at + 1
    return value + (data[at] if at < len(data) else 0), at + 1


def _read_recovery(codec: VideoCodec, payload: bytes) -> AccessPoint | None:
    bits = Bits(payload, 0)
    try:
        # H.265 allows a negative count: pictures before this one in output order are already correct
        count = bits.ue() if codec == "h264" else max(0, bits.se())
        exact = bool(bits.take(1))
    except Malformed:
        return None
    return AccessPoint("recovery", count, exact) if count <= _MAX_RECOVERY else None
