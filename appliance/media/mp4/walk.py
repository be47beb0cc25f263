"""Walk the boxes inside bytes, every step checked against the bytes there are.

Owns: box headers, fields, and the one error for malformed bytes. Must not know: the kinds of boxes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple


class Malformed(ValueError):
    """The bytes do not have the structure they claim; the text says where."""


class Truncated(Malformed):
    """The bytes end inside a box: more of the file may complete it."""


class BoxHeader(NamedTuple):
    """`size` counts the header, `header_size` is 8 or 16."""

    fourcc: bytes
    header_size: int
    size: int


def read_box_header(data: bytes, at: int) -> BoxHeader | None:
    """The box header at `at`, or None when it is cut short; the box itself may reach past `data`."""
    if at < 0 or at + 8 > len(data):
        return None
    size, fourcc = struct.unpack_from(">I4s", data, at)
    header_size = 8
    if size == 1:
        if at + 16 > len(data):
            return None
        (size,) = struct.unpack_from(">Q", data, at + 8)
        header_size = 16
    if size < header_size:  # 0 means "to the end of the file": useless in a recording that grows
        raise Malformed(f"box {fourcc!r} at {at} claims {size} bytes")
    return BoxHeader(fourcc, header_size, size)


def children(data: bytes, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """(fourcc, payload start, payload end) of each box in data[at:end]."""
    while at < end:
        header = read_box_header(data, at)
        if header is None or at + header.size > end:
            raise Truncated(f"a box at {at} reaches past {end}")
        yield header.fourcc, at + header.header_size, at + header.size
        at += header.size


def u32(data: bytes, at: int, end: int) -> int:
    """Big-endian field at `at`; Malformed when it reaches past `end`."""
    if at < 0 or at + 4 > end:
        raise Malformed(f"a field at {at} reaches past {end}")
    return int.from_bytes(data[at : at + 4], "big")


def u64(data: bytes, at: int, end: int) -> int:
    """Big-endian field at `at`; Malformed when it reaches past `end`."""
    if at < 0 or at + 8 > end:
        raise Malformed(f"a field at {at} reaches past {end}")
    return int.from_bytes(data[at : at + 8], "big")
