"""Which parameter sets a picture is decoded with, determined from its slices.

Owns: the chain slice -> PPS -> SPS (-> VPS). Must not know: where sets were found, containers, clips.
A recorder that joins a stream before it has received its sets writes placeholder sets (MediaMTX 1.20:
1920x1080, with a PPS that no slice refers to); sets that no picture refers to are therefore ignored.
Sources: ITU-T H.264 7.3.2.2 and 7.3.3; H.265 7.3.2.3.1 and 7.3.6.1. Hostile input raises Malformed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import lru_cache
from typing import Final

from appliance.media.bitstream.access_points import is_slice
from appliance.media.bitstream.annexb import VideoCodec, nal_type
from appliance.media.bitstream.sps import Bits
from appliance.media.mp4.walk import Malformed

H264_SPS, H264_PPS = 7, 8
HEVC_VPS, HEVC_SPS, HEVC_PPS = 32, 33, 34
_KINDS: Final[dict[VideoCodec, tuple[int, int]]] = {
    "h264": (H264_SPS, H264_PPS),
    "hevc": (HEVC_SPS, HEVC_PPS),
}
_SLICE_HEAD: Final = 32  # bytes that hold everything up to the PPS id
_USUAL_SLICE_HEAD: Final = 4  # enough for nearly all slices

# (NAL type, id inside that type) -> NAL bytes, with emulation prevention bytes
Sets = Mapping[tuple[int, int], bytes]


def pps_ids(codec: VideoCodec, nals: Iterable[bytes]) -> frozenset[int]:
    """The PPS that each slice among `nals` refers to; slices that cannot be read are left out."""
    ids: set[int] = set()
    for nal in nals:
        if nal and is_slice(codec, nal):
            try:
                ids.add(_pps_id(codec, nal[:_USUAL_SLICE_HEAD]))
            except Malformed:
                with suppress(Malformed):
                    ids.add(_pps_id(codec, nal[:_SLICE_HEAD]))
    return frozenset(ids)


@lru_cache(maxsize=1024)  # a picture has up to 16 slices, and those of the next key begin with the same bits
def _pps_id(codec: VideoCodec, head: bytes) -> int:
    bits = Bits(head, 1 if codec == "h264" else 2)
    if codec == "h264":
        bits.ue()  # first_mb_in_slice
        bits.ue()  # slice_type
    else:
        bits.take(2 if 16 <= nal_type(codec, head) <= 23 else 1)  # first_slice, no_output_of_prior_pics
    return bits.ue()


def referred(
    codec: VideoCodec, sets: Sets, named: frozenset[int], repeated: Sets
) -> dict[tuple[int, int], bytes]:
    """Those of `sets` that apply to pictures whose slices refer to the PPS ids `named`:

    the SPS they refer to, and every PPS of that SPS which the stream itself repeats (`repeated`), because
    later pictures may refer to it. For a stream that repeats none, all PPS of the SPS. All of `sets`, when
    the chain cannot be followed.
    """
    sps_kind, pps_kind = _KINDS[codec]
    sps_of = {number: sps_id_of(codec, nal) for (kind, number), nal in sets.items() if kind == pps_kind}
    wanted = {sps_of[number] for number in named if (sps_kind, sps_of.get(number, -1)) in sets}
    if not wanted:
        return dict(sets)
    in_band = {number for kind, number in repeated if kind == pps_kind} | set(named)
    repeats = any(kind == pps_kind for kind, _ in repeated)
    vps = {sets[HEVC_SPS, number][2] >> 4 for number in wanted} if codec == "hevc" else set()
    chosen: dict[tuple[int, int], bytes] = {}
    for (kind, number), nal in sets.items():
        counts = number in wanted if kind == sps_kind else number in vps
        if kind == pps_kind:
            counts = sps_of[number] in wanted and (not repeats or number in in_band)
        if counts:
            chosen[kind, number] = nal
    return chosen


def sps_id_of(codec: VideoCodec, pps: bytes) -> int:
    """The SPS of a PPS; -1 when it cannot be read."""
    bits = Bits(pps, 1 if codec == "h264" else 2)
    try:
        bits.ue()
        return bits.ue()
    except Malformed:
        return -1
