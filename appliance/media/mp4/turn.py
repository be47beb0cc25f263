"""The orientation of a picture: the display matrix of a track, and turning planes of pixels upright by it.

Owns: the matrix of tkhd (ISO/IEC 14496-12 6.2.2) read as quarter turns and mirrorings, and moving pixels.
Must not know: decoders, files. Any other matrix (scaled, sheared, none) leaves pictures as coded.
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

MATRIX_BYTES: Final = 36
UNITY: Final = struct.pack(">9i", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)


class Turn(NamedTuple):
    """Rows become columns first (`transposed`); then rows, then columns, are put in reverse order."""

    transposed: bool = False
    rows_reversed: bool = False
    columns_reversed: bool = False

    def size(self, width: int, height: int) -> tuple[int, int]:
        """(width, height) as shown of a picture coded so."""
        return (height, width) if self.transposed else (width, height)

    def plane(self, data: bytes, stride: int, width: int, height: int) -> list[bytes]:
        """The rows, as shown, of a plane of 8-bit samples with `stride` bytes a row."""
        if self.transposed:
            end = stride * (height - 1)
            rows = [data[column : end + column + 1 : stride] for column in range(width)]
        else:
            rows = [data[row * stride : row * stride + width] for row in range(height)]
        if self.rows_reversed:
            rows.reverse()
        return [row[::-1] for row in rows] if self.columns_reversed else rows


AS_CODED: Final = Turn()


def turn_of(matrix: tuple[int, ...]) -> Turn:
    """The turn of a display matrix a b u c d v x y w: a point (x, y) is shown at (ax + cy, bx + dy)."""
    a, b, _, c, d = matrix[:5]
    if not b and not c and a and d:
        return Turn(False, d < 0, a < 0)
    if not a and not d and b and c:
        return Turn(True, b < 0, c < 0)
    return AS_CODED


def turn_of_first_track(head: bytes) -> Turn:
    """The turn of the first track of an MP4 that begins with `head` (moov in front, as in ours).

    AS_CODED when none is found: then players show the picture as coded too.
    """
    at, end, wanted = 0, len(head), [b"moov", b"trak", b"tkhd"]
    while at + 8 <= end:
        size, kind = struct.unpack_from(">I4s", head, at)
        if kind == wanted[0] and len(wanted) > 1:
            wanted.pop(0)
            at += 8
        elif kind == wanted[0]:
            matrix = head[at + size - 8 - MATRIX_BYTES : at + size - 8]
            return turn_of(struct.unpack(">9i", matrix)) if len(matrix) == MATRIX_BYTES else AS_CODED
        else:
            at += max(size, 8)
    return AS_CODED


def usable(matrix: bytes) -> bytes:
    """The matrix for a player: UNITY in place of one that shows nothing."""
    a, b, _, c, d, *_ = struct.unpack(">9i", matrix)
    return matrix if a * d != b * c else UNITY
