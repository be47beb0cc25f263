"""A frame number and an instant that a program can read out of a picture.

Owns: the position and meaning of the blocks. Must not know: encoders, cameras.

Layout. The picture's width is divided into 40 columns; a block is width // 40 pixels square (16 at 640, 8 at
320). The code is 32 blocks wide and 3 high and its top left corner is 4 blocks from the left, 1 from the top,
on a dark border one block wide. A light block (luma above 128) is 1. Bits row by row, from the left, most
significant first: 24 bits frame number, 56 bits instant (us UTC since the epoch, box time), 16 bits CRC-16
(CCITT, start 0xFFFF) of those ten bytes. A reader takes the mean of points in the middle of each block, so
the code can be read after H.264 at 640x360, scaling, and JPEG; a code that is too damaged fails its checksum.
"""

from __future__ import annotations

import binascii
from typing import Final, NamedTuple

COLUMNS: Final = 40
_WIDE, _HIGH = 32, 3
_LEFT, _TOP = 4, 1
_DARK, _LIGHT = 16, 235


class Burned(NamedTuple):
    """The content of a code: frame number (24 bits, wraps) and instant (us UTC)."""

    frame: int
    instant_us: int


def draw(luma: bytearray, stride: int, width: int, frame: int, instant_us: int) -> None:
    """Write the code into a luma plane with `stride` bytes a row; the picture is 5 blocks high or more."""
    block = width // COLUMNS
    body = (frame & 0xFFFFFF).to_bytes(3, "big") + instant_us.to_bytes(7, "big")
    bits = int.from_bytes(body + binascii.crc_hqx(body, 0xFFFF).to_bytes(2, "big"), "big")
    border = bytes([_DARK]) * ((_WIDE + 2) * block)
    for row in range(_HIGH + 2):
        line = border
        if 0 < row <= _HIGH:
            word = bits >> (_HIGH - row) * _WIDE & 0xFFFF_FFFF
            cells = [_LIGHT if word >> (_WIDE - 1 - i) & 1 else _DARK for i in range(_WIDE)]
            edge = bytes([_DARK]) * block
            line = edge + b"".join(bytes([cell]) * block for cell in cells) + edge
        start = ((_TOP - 1 + row) * block) * stride + (_LEFT - 1) * block
        for y in range(block):
            luma[start + y * stride : start + y * stride + len(line)] = line


def read(luma: bytes | memoryview, stride: int, width: int) -> Burned | None:
    """The code in the picture, or None when there is none or it is too damaged."""
    block = width // COLUMNS
    quarter, span = block // 4, range(0, max(1, block // 2), max(1, block // 8))
    if block < 2 or len(luma) < (_TOP + _HIGH) * block * stride:
        return None
    bits = 0
    for row in range(_HIGH):
        first = ((_TOP + row) * block + quarter) * stride + _LEFT * block + quarter
        dots = [first + y * stride + x for y in span for x in span]  # of the first block
        for light in zip(*(luma[at : at + _WIDE * block : block] for at in dots), strict=True):
            bits = bits << 1 | (sum(light) > 128 * len(dots))
    raw = bits.to_bytes(_WIDE * _HIGH // 8, "big")
    if binascii.crc_hqx(raw[:10], 0xFFFF).to_bytes(2, "big") != raw[10:]:
        return None
    return Burned(int.from_bytes(raw[:3], "big"), int.from_bytes(raw[3:10], "big"))
