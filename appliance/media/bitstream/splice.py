"""Make an HEVC key sample decodable after unrelated pictures.

Owns: the NAL types in one key sample. Must not know: files, tables, why two recordings are joined.

A recorder that starts in the middle of an open-GOP stream begins with a CRA picture. At the start of a file
that is a random access point, but in the middle of a file a decoder continues its picture order count from
the run before, and drops or mixes frames (FFmpeg 8.1 lost the last two of the run before). The same picture
with the type BLA (broken link access) is correct here: it refers to nothing before it, and waiting pictures
are output first.
Source: ITU-T H.265 7.4.2.2, 8.1.3, C.5.2.2; CRA and BLA slices have the same syntax.
"""

from __future__ import annotations

from typing import Final

from appliance.media.bitstream.params import length_size
from appliance.media.mp4.fmp4 import Malformed, Track

MAX_BYTES: Final = 1 << 20  # the sample is copied into the clip's header; a larger one is left as it is
_CRA, _BLA_N_LP = 21, 18


def needs_splice(track: Track) -> bool:
    """Only HEVC has random access pictures that continue the picture order count."""
    return track.codec in ("hvc1", "hev1")


def as_broken_link(track: Track, sample: bytes) -> bytes | None:
    """The sample with its CRA slices changed to BLA without leading pictures; None when it has none."""
    prefix = length_size(track)
    changed = bytearray(sample)
    at = 0
    while at + prefix < len(changed):
        size = int.from_bytes(changed[at : at + prefix], "big")
        at += prefix
        if size < 2 or at + size > len(changed):
            raise Malformed("a NAL unit reaches past its sample")
        if changed[at] >> 1 & 0x3F == _CRA:
            changed[at] = changed[at] & 0x81 | _BLA_N_LP << 1
        at += size
    return bytes(changed) if changed != sample else None
