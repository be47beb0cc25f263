"""Bits of H.264 and HEVC sequence parameter sets.

Owns: Exp-Golomb reading, the fields up to picture size and bit depth. Must not know: where a set was found.
Hostile input raises Malformed. Sources: ITU-T H.264 7.3.2.1.1 and 9.1, H.265 7.3.2.2.1 and 7.3.3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from appliance.media.mp4.walk import Malformed

_HIGH_PROFILES: Final = frozenset({100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135})
_MAX_PICTURE: Final = 16_384


class Bits:
    """Reads an RBSP bit by bit (emulation prevention removed); raises Malformed past its end."""

    def __init__(self, nal: bytes, skip_bytes: int) -> None:
        payload = nal[skip_bytes : skip_bytes + 1024].replace(
            b"\0\0\3", b"\0\0"
        )  # all we read is near the front
        self._value = int.from_bytes(payload, "big")
        self._left = 8 * len(payload)

    def take(self, count: int) -> int:
        """Next `count` bits, most significant first."""
        if count > self._left:
            raise Malformed("a parameter set is cut short")
        self._left -= count
        return self._value >> self._left & (1 << count) - 1

    def ue(self) -> int:
        """Exp-Golomb code (H.264 9.1), at most 32 bits long."""
        zeros = 0
        while not self.take(1):
            zeros += 1
            if zeros > 31:
                raise Malformed("an Exp-Golomb code is too long")
        return (1 << zeros) - 1 + self.take(zeros)

    def se(self) -> int:
        """Signed Exp-Golomb code (H.264 9.1.1)."""
        code = self.ue()
        return (code + 1) // 2 if code & 1 else -(code // 2)


@dataclass(frozen=True, slots=True)
class Sps:
    """Fields of an SPS that a sample entry or a caller needs."""

    id: int
    width: int
    height: int
    chroma_format: int
    luma_depth: int
    chroma_depth: int
    profile: bytes = b""  # HEVC: the 12 general bytes of profile_tier_level
    temporal_layers: int = 1
    temporal_nested: int = 0


def _size(sps_id: int, width: int, height: int, chroma: int, depths: tuple[int, int]) -> Sps:
    if not (0 < width <= _MAX_PICTURE and 0 < height <= _MAX_PICTURE):
        raise Malformed(f"a picture of {width}x{height}")
    if chroma > 3 or not all(8 <= depth <= 16 for depth in depths):
        raise Malformed(f"a picture of {depths[0]} and {depths[1]} bits, chroma format {chroma}")
    return Sps(sps_id, width, height, chroma, *depths)


def h264_sps(nal: bytes) -> Sps:
    """H.264 7.3.2.1.1, as far as the cropping window."""
    bits = Bits(nal, 1)
    profile = bits.take(8)
    bits.take(16)
    sps_id = bits.ue()
    chroma, depths = 1, (8, 8)
    if profile in _HIGH_PROFILES:
        chroma = bits.ue()
        separate = bits.take(1) if chroma == 3 else 0
        depths = (bits.ue() + 8, bits.ue() + 8)
        bits.take(1)
        if bits.take(1):
            skip_scaling_lists(bits, 8 if chroma != 3 else 12)
        chroma = 0 if separate else chroma
    bits.ue()  # log2_max_frame_num
    _skip_pic_order(bits)
    bits.ue()  # max_num_ref_frames
    bits.take(1)
    width, map_height = 16 * (bits.ue() + 1), 16 * (bits.ue() + 1)
    frame_only = bits.take(1)
    if not frame_only:
        bits.take(1)
    bits.take(1)
    crop = [bits.ue() for _ in range(4)] if bits.take(1) else [0, 0, 0, 0]
    across, down = (2 if chroma in (1, 2) else 1), (2 if chroma == 1 else 1) * (2 - frame_only)
    height = map_height * (2 - frame_only) - down * (crop[2] + crop[3])
    return _size(sps_id, width - across * (crop[0] + crop[1]), height, chroma, depths)


def skip_scaling_lists(bits: Bits, count: int) -> None:
    """Past `count` scaling lists of a high profile (7.3.2.1.1.1)."""
    for number in range(count):
        if not bits.take(1):
            continue
        last = following = 8
        for _ in range(16 if number < 6 else 64):
            if following:
                following = (last + bits.se()) % 256
            last = following or last


def _skip_pic_order(bits: Bits) -> None:
    kind = bits.ue()
    if kind == 0:
        bits.ue()
    elif kind == 1:
        bits.take(1)
        bits.se()
        bits.se()
        cycle = bits.ue()
        if cycle > 255:
            raise Malformed("a picture order cycle is too long")
        for _ in range(cycle):
            bits.se()


def hevc_sps(nal: bytes) -> Sps:
    """H.265 7.3.2.2.1, as far as the bit depths."""
    bits = Bits(nal, 2)
    bits.take(4)
    sub_layers = bits.take(3)
    nested = bits.take(1)
    profile = bits.take(96).to_bytes(12, "big")
    present = [(bits.take(1), bits.take(1)) for _ in range(sub_layers)]
    if sub_layers:
        bits.take(2 * (8 - sub_layers))
    for has_profile, has_level in present:
        bits.take(88 * has_profile + 8 * has_level)
    sps_id = bits.ue()
    chroma = bits.ue()
    if chroma == 3:
        bits.take(1)
    width, height = bits.ue(), bits.ue()
    crop = [bits.ue() for _ in range(4)] if bits.take(1) else [0, 0, 0, 0]
    depths = (bits.ue() + 8, bits.ue() + 8)
    across, down = (2 if chroma in (1, 2) else 1), (2 if chroma == 1 else 1)
    size = (width - across * (crop[0] + crop[1]), height - down * (crop[2] + crop[3]))
    plain = _size(sps_id, *size, chroma, depths)
    return Sps(sps_id, plain.width, plain.height, chroma, *depths, profile, sub_layers + 1, nested)
