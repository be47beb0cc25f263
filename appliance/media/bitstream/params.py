"""H.264 and HEVC parameter sets: which ones a picture is decoded with, and a sample entry with exactly those.

MediaMTX keeps the first SPS/PPS of a file in its sample entry and writes later ones in-band, so one file may
hold several picture sizes. Owns: reading sets from a sample entry and from the start of a key sample, stable
ids of the active sets, the picture size, the rebuilt sample entry. Must not know: files, indexes, clips. Sets
that no picture refers to (picture_sets.py) are left out of ids and rebuilt entries.
Sources: ITU-T H.264 7.3.2, H.265 7.3, ISO/IEC 14496-15 5.3.3 and 8.3.3. All input may be hostile: Malformed.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple

from appliance.media.bitstream.access_points import is_slice, sample_nals
from appliance.media.bitstream.annexb import VideoCodec, nal_type
from appliance.media.bitstream.picture_sets import (
    H264_PPS,
    H264_SPS,
    HEVC_PPS,
    HEVC_SPS,
    HEVC_VPS,
    Sets,
    pps_ids,
    referred,
    sps_id_of,
)
from appliance.media.bitstream.sps import Bits, h264_sps, hevc_sps
from appliance.media.mp4 import boxes
from appliance.media.mp4.fmp4 import Malformed, Track, read_box_header

# Bytes of a key sample in which its parameter sets are found: they come first, before SEI and slices.
KEY_HEAD_BYTES: Final = 4096
_VISUAL_ENTRY_BYTES: Final = 86  # box header and fixed fields before the first child box (8.5.2)
_H264_CODECS: Final = frozenset({"avc1", "avc3"})
_HEVC_CODECS: Final = frozenset({"hvc1", "hev1"})
_AVCC_EXTENDED: Final = frozenset({100, 110, 122, 144})
_BLANK: Final = {
    b"avcC": b"\1\0\0\0\xff\xe0\0",
    b"hvcC": b"\1" + bytes(20) + b"\xff\0",
}  # no sets, 4-byte lengths
_MAX_SETS: Final = 64  # an SPS id is at most 31, a PPS id 255; real streams use one or two


class KeyFacts(NamedTuple):
    """Ids of a key sample's active parameter sets, equal in every file.

    `params_id`: the same sets, so one sample description serves both. `format_id`: the same size, profile,
    chroma and bit depth, so that one track can hold both, each with its own description.
    """

    params_id: int
    format_id: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Description:
    """How to decode a span of samples: `entry` is a sample entry box, `config` the avcC/hvcC payload.

    `params_id` is the id of the sets in it, 0 for codecs without sets.
    """

    entry: bytes
    config: bytes
    width: int
    height: int
    rebuilt: bool
    params_id: int = 0


def key_facts(track: Track, key_head: bytes, nals: Sequence[bytes] | None = None) -> KeyFacts:
    """Ids and size of the sets that are active at a key sample (ids are positive, below 2^63).

    `key_head` is the first KEY_HEAD_BYTES (or all) of the sample; sets found there override those of the
    sample entry. Codecs without such sets are identified by their sample entry. `nals` are the NAL units of
    `key_head`, if the caller has them already. Raises Malformed.
    """
    codec = codec_of(track)
    if codec is None:
        same = _digest(track.codec.encode(), track.stsd)
        return KeyFacts(same, same, track.width, track.height)
    prefix = length_size(track)
    in_band = tuple(_sets_before_slices(codec, prefix, key_head))
    return _facts(track, in_band, pps_ids(codec, nals or sample_nals(key_head, prefix)))


@lru_cache(maxsize=256)  # most keys equal the one before: saves 50 us of 80, a tenth of a walk's time
def _facts(track: Track, in_band: tuple[bytes, ...], named: frozenset[int]) -> KeyFacts:
    sets = _counting(track, in_band, named)
    h264 = codec_of(track) == "h264"
    family = b"h264" if h264 else b"hevc"
    nal = _only_sps(sets)
    sps = h264_sps(nal) if h264 else hevc_sps(nal)
    profile = nal[1] if h264 else sps.profile[0] & 0xDF  # without the tier: it bounds bit rates alone
    looks = repr((profile, sps.width, sps.height, sps.chroma_format, sps.luma_depth, sps.chroma_depth))
    return KeyFacts(_params_id(sets), _digest(family, looks.encode()), sps.width, sps.height)


def _params_id(sets: Sets) -> int:
    return _digest(*(sets[key] for key in sorted(sets)))


def describe(track: Track, key_head: bytes, also_named: frozenset[int] = frozenset()) -> Description:
    """The description for samples from this key on: the file's own unless the key refers to other sets.

    `also_named` are PPS ids that pictures after the key refer to. `hev1`/`avc3` become `hvc1`/`avc1` when all
    sets are in the entry: Apple's players accept nothing else. Raises Malformed.
    """
    entry = first_entry(track)
    if codec_of(track) is None:
        return Description(entry, b"", track.width, track.height, rebuilt=False)
    config = _config(entry)
    sets = _in_force(track, key_head, also_named)
    if sets == _own_sets(track):
        tagged = _apple_tag(entry, sets)
        return Description(tagged, config, track.width, track.height, False, _params_id(sets))
    return _rebuilt(track, entry, config, sets)


def sets_at(track: Track, key_head: bytes) -> Sets:
    """The parameter sets active at a key sample. Only for codecs that have them. Raises Malformed."""
    return _in_force(track, key_head)


def has_spare_pps(track: Track, key_head: bytes) -> bool:
    """Whether `describe` leaves out a PPS of the file's entry that a later picture may still refer to.

    PPS of another SPS than the active one do not count.
    """
    if (codec := codec_of(track)) is None:
        return False
    sps_kind, pps_kind = (H264_SPS, H264_PPS) if codec == "h264" else (HEVC_SPS, HEVC_PPS)
    own, in_force = _own_sets(track), _in_force(track, key_head)
    for (kind, number), nal in own.items():
        if kind == pps_kind and (kind, number) not in in_force:
            sps = sps_kind, sps_id_of(codec, nal)
            if sps in own and own[sps] == in_force.get(sps):
                return True
    return False


def first_entry(track: Track) -> bytes:
    """The first sample entry box of a track's stsd."""
    header = read_box_header(track.stsd, 16)
    if header is None or 16 + header.size > len(track.stsd):
        raise Malformed("stsd without a sample entry")
    return track.stsd[16 : 16 + header.size]


@lru_cache(maxsize=64)
def length_size(track: Track) -> int:
    """Bytes of the length before each NAL unit in this track's samples."""
    return _length_size(track, _config(first_entry(track)))


def picture_size(codec: str, sps: bytes) -> tuple[int, int]:
    """(width, height) in pixels after cropping, of an SPS NAL unit with its NAL header."""
    size = h264_sps(sps) if codec in _H264_CODECS else hevc_sps(sps)
    return size.width, size.height


def codec_of(track: Track) -> VideoCodec | None:
    """The codec of the NAL units in the track's samples; None for a codec without NAL units."""
    if track.codec in _H264_CODECS:
        return "h264"
    return "hevc" if track.codec in _HEVC_CODECS else None


def _digest(*chunks: bytes) -> int:
    digest = hashlib.blake2s(digest_size=8)
    for chunk in chunks:
        digest.update(len(chunk).to_bytes(4, "big") + chunk)
    return (int.from_bytes(digest.digest(), "big") >> 1) or 1


# -- where the sets are -------------------------------------------------------------------------------------


def _config(entry: bytes) -> bytes:
    """Payload of the avcC or hvcC box of a visual sample entry."""
    at = _VISUAL_ENTRY_BYTES
    while (header := read_box_header(entry, at)) is not None and at + header.size <= len(entry):
        if header.fourcc in (b"avcC", b"hvcC"):
            return entry[at + header.header_size : at + header.size] or _BLANK[header.fourcc]
        at += header.size
    raise Malformed("a sample entry without avcC or hvcC")


def _in_force(track: Track, key_head: bytes, also_named: frozenset[int] = frozenset()) -> Sets:
    """The sets that pictures from this key on refer to."""
    codec = codec_of(track)
    assert codec is not None
    prefix = length_size(track)
    in_band = tuple(_sets_before_slices(codec, prefix, key_head))
    return _counting(track, in_band, pps_ids(codec, sample_nals(key_head, prefix)) | also_named)


@lru_cache(maxsize=64)  # equal for nearly every key of a run
def _counting(track: Track, in_band: tuple[bytes, ...], named: frozenset[int]) -> Sets:
    """The active sets when `in_band` comes with a picture whose slices refer to the PPS ids `named`."""
    codec = codec_of(track)
    assert codec is not None
    repeated = _by_id(track, in_band)
    return referred(codec, {**_own_sets(track), **repeated}, named, repeated)


def _length_size(track: Track, config: bytes) -> int:
    at = 4 if track.codec in _H264_CODECS else 21
    if len(config) <= at:
        raise Malformed("a decoder configuration is cut short")
    return (config[at] & 3) + 1


@lru_cache(maxsize=64)
def _own_sets(track: Track) -> Sets:
    """The parameter sets in the file's own sample entry. Raises Malformed."""
    return _sets_of_config(track, _config(first_entry(track)))


def _sets_of_config(track: Track, config: bytes) -> dict[tuple[int, int], bytes]:
    nals = _avcc_nals(config) if track.codec in _H264_CODECS else _hvcc_nals(config)
    return _by_id(track, nals)


def _by_id(track: Track, nals: Iterable[bytes]) -> dict[tuple[int, int], bytes]:
    sets: dict[tuple[int, int], bytes] = {}
    for nal in nals:
        key = _h264_id(nal) if track.codec in _H264_CODECS else _hevc_id(nal)
        if key is not None:
            sets[key] = nal
        if len(sets) > _MAX_SETS:
            raise Malformed(f"more than {_MAX_SETS} parameter sets")
    return sets


def _avcc_nals(config: bytes) -> Iterator[bytes]:
    at = 5
    for mask in (0x1F, 0xFF):
        if at >= len(config):
            raise Malformed("avcC is cut short")
        count = config[at] & mask
        at += 1
        for _ in range(count):
            nal, at = _sized(config, at)
            yield nal


def _hvcc_nals(config: bytes) -> Iterator[bytes]:
    if len(config) < 23:
        raise Malformed("hvcC is cut short")
    at = 23
    for _ in range(config[22]):
        if at + 3 > len(config):
            raise Malformed("hvcC is cut short")
        count = int.from_bytes(config[at + 1 : at + 3], "big")
        at += 3
        for _ in range(count):
            nal, at = _sized(config, at)
            yield nal


def _sized(config: bytes, at: int) -> tuple[bytes, int]:
    end = at + 2 + int.from_bytes(config[at : at + 2], "big")
    if at + 2 > len(config) or end > len(config):
        raise Malformed("a parameter set reaches past its decoder configuration")
    return config[at + 2 : end], end


def _sets_before_slices(codec: VideoCodec, length_size: int, head: bytes) -> Iterator[bytes]:
    """Parameter sets of an access unit up to its first slice, those that are complete in `head`."""
    kinds = (H264_SPS, H264_PPS) if codec == "h264" else (HEVC_VPS, HEVC_SPS, HEVC_PPS)
    at = 0
    while at + length_size < len(head):
        end = at + length_size + int.from_bytes(head[at : at + length_size], "big")
        nal = head[at + length_size : end]
        if end > len(head) or not nal or is_slice(codec, nal):
            return
        if nal_type(codec, nal) in kinds:
            yield nal
        at = end


def _h264_id(nal: bytes) -> tuple[int, int] | None:
    kind = nal[0] & 0x1F if nal else 0
    if kind == H264_SPS:
        return kind, Bits(nal, 4).ue()
    if kind == H264_PPS:
        return kind, Bits(nal, 1).ue()
    return None


def _hevc_id(nal: bytes) -> tuple[int, int] | None:
    kind = nal[0] >> 1 & 0x3F if len(nal) > 2 else 0
    if kind == HEVC_VPS:
        return kind, nal[2] >> 4
    if kind == HEVC_SPS:
        return kind, hevc_sps(nal).id
    if kind == HEVC_PPS:
        return kind, Bits(nal, 2).ue()
    return None


# -- a new sample entry -------------------------------------------------------------------------------------


def _apple_tag(entry: bytes, sets: Sets) -> bytes:
    kinds = {kind for kind, _ in sets}
    if entry[4:8] == b"hev1" and kinds >= {HEVC_VPS, HEVC_SPS, HEVC_PPS}:
        return entry[:4] + b"hvc1" + entry[8:]
    if entry[4:8] == b"avc3" and kinds >= {H264_SPS, H264_PPS}:
        return entry[:4] + b"avc1" + entry[8:]
    return entry


def _rebuilt(track: Track, entry: bytes, old: bytes, sets: Sets) -> Description:
    h264 = track.codec in _H264_CODECS
    length_size = _length_size(track, old)
    config = _avcc(sets, length_size) if h264 else _hvcc(sets, length_size)
    width, height = picture_size(track.codec, _only_sps(sets))
    # fixed fields up to width and height, and those after them; pasp, colr, btrt described the old picture
    fixed = entry[8:32] + struct.pack(">HH", width, height) + entry[36:_VISUAL_ENTRY_BYTES]
    body = fixed + boxes.box(b"avcC" if h264 else b"hvcC", config)
    rebuilt = boxes.box(b"avc1" if h264 else b"hvc1", body)
    return Description(rebuilt, config, width, height, True, _params_id(sets))


def _only_sps(sets: Sets) -> bytes:
    """The SPS of a picture; the first one, when it is unknown which one a picture refers to."""
    sps = next((nal for (kind, _), nal in sets.items() if kind in (H264_SPS, HEVC_SPS)), None)
    if sps is None or len(sps) < 4:
        raise Malformed("no sequence parameter set in force")
    return sps


def _avcc(sets: Sets, length_size: int) -> bytes:
    """AVCDecoderConfigurationRecord (14496-15 5.3.3.1)."""
    sps = [nal for (kind, _), nal in sorted(sets.items()) if kind == H264_SPS]
    pps = [nal for (kind, _), nal in sorted(sets.items()) if kind == H264_PPS]
    if not sps or not pps or len(sps) > 31 or len(sps[0]) < 4:
        raise Malformed("no H.264 parameter sets in force")
    head = b"\1" + sps[0][1:4] + bytes([0xFC | length_size - 1, 0xE0 | len(sps)])
    config = head + _packed(sps) + bytes([len(pps)]) + _packed(pps)
    if sps[0][1] in _AVCC_EXTENDED:
        facts = h264_sps(sps[0])
        config += bytes(
            [0xFC | facts.chroma_format, 0xF8 | facts.luma_depth - 8, 0xF8 | facts.chroma_depth - 8, 0]
        )
    return config


def _hvcc(sets: Sets, length_size: int) -> bytes:
    """HEVCDecoderConfigurationRecord (14496-15 8.3.3.1)."""
    kinds = {kind: [nal for (k, _), nal in sorted(sets.items()) if k == kind] for kind in (32, 33, 34)}
    if not all(kinds.values()):
        raise Malformed("no HEVC parameter sets in force")
    facts = hevc_sps(kinds[HEVC_SPS][0])
    flags = facts.temporal_layers << 3 | facts.temporal_nested << 2 | length_size - 1
    head = b"\1" + facts.profile + b"\xf0\0\xfc"  # no minimum segmentation, any parallelism
    depths = bytes([0xFC | facts.chroma_format, 0xF8 | facts.luma_depth - 8, 0xF8 | facts.chroma_depth - 8])
    arrays = b"".join(
        struct.pack(">BH", 0x80 | kind, len(nals)) + _packed(nals) for kind, nals in kinds.items()
    )
    return head + depths + b"\0\0" + bytes([flags, len(kinds)]) + arrays


def _packed(nals: list[bytes]) -> bytes:
    if any(len(nal) > 0xFFFF for nal in nals):
        raise Malformed("a parameter set of more than 65535 bytes")
    return b"".join(struct.pack(">H", len(nal)) + nal for nal in nals)
