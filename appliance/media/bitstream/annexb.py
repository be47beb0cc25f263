"""Access units as encoders send them (Annex B) and as MP4 stores them (length-prefixed).

Owns: NAL unit kinds of H.264 (ITU-T H.264 table 7-1) and HEVC (H.265 table 7-1) that a recorder needs. Must
not know: the content of a parameter set (see params.py), files, time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

VideoCodec = Literal["h264", "hevc"]


@dataclass(frozen=True, slots=True)
class _Kinds:
    """NAL type numbers of one codec. `sync` may begin a run; `sets` are in the order they are written."""

    sets: tuple[int, ...]
    sync: frozenset[int]
    picture: frozenset[int]
    dropped: frozenset[int]
    skipped_leading: frozenset[int]  # pictures that cannot be decoded right after a starting CRA


_KINDS: Final[dict[VideoCodec, _Kinds]] = {
    "h264": _Kinds((7, 8), frozenset({5}), frozenset({1, 2, 5}), frozenset({9, 10, 11, 12}), frozenset()),
    "hevc": _Kinds(
        (32, 33, 34),
        frozenset({16, 17, 18, 19, 20, 21}),
        frozenset(range(32)),
        frozenset({35, 36, 37, 38}),
        frozenset({8, 9}),
    ),
}


class AccessUnit(NamedTuple):
    """One picture: `sets` are the distinct parameter sets found in it (vps, sps, pps order by kind)."""

    nals: tuple[bytes, ...]  # without parameter sets, delimiters and filler
    sets: tuple[tuple[bytes, ...], ...]  # one tuple per kind of set
    sync: bool
    picture: bool
    leading: bool


def split(data: bytes) -> list[bytes]:
    """NAL units between start codes, without trailing zeros; bytes before the first start code are no NAL."""
    nals: list[bytes] = []
    start = data.find(b"\0\0\1")
    while start >= 0:
        begin = start + 3
        start = data.find(b"\0\0\1", begin)
        nal = data[begin : start if start >= 0 else len(data)].rstrip(b"\0")
        if nal:
            nals.append(nal)
    return nals


def nal_type(codec: VideoCodec, nal: bytes) -> int:
    return nal[0] & 0x1F if codec == "h264" else nal[0] >> 1 & 0x3F


def access_unit(codec: VideoCodec, nals: Sequence[bytes]) -> AccessUnit:
    """Separate the NAL units of one access unit by kind."""
    kinds = _KINDS[codec]
    sets: dict[int, list[bytes]] = {kind: [] for kind in kinds.sets}
    rest: list[bytes] = []
    pictures: set[int] = set()
    for nal in nals:
        kind = nal_type(codec, nal)
        if kind in sets:
            if nal not in sets[kind]:
                sets[kind].append(nal)
        elif kind not in kinds.dropped:
            rest.append(nal)
            if kind in kinds.picture:
                pictures.add(kind)
    return AccessUnit(
        tuple(rest),
        tuple(tuple(sets[kind]) for kind in kinds.sets),
        bool(pictures & kinds.sync),
        bool(pictures),
        bool(pictures) and pictures <= kinds.skipped_leading,
    )


def length_prefixed(nals: Sequence[bytes]) -> bytes:
    """A sample: every NAL unit after its 4-byte size."""
    return b"".join([len(nal).to_bytes(4, "big") + nal for nal in nals])
