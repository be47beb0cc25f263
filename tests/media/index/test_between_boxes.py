"""Which bytes count as a box, and where the mdat of a moof lies: byte by byte, at every limit."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from appliance.media.index.between import (
    MAX_MDAT_BYTES,
    MAX_SKIPPED_BYTES,
    Damage,
    check_box,
    find_mdat,
)
from appliance.media.mp4 import boxes
from appliance.media.mp4.fmp4 import BoxHeader

AT, MOOF = 1000, 64  # where the moof lies in the file, and its size
NOT_YET = (0, 1 << 62)


@contextmanager
def file_of(data: bytes) -> Iterator[int]:
    fd = os.memfd_create("boxes")
    try:
        os.write(fd, data)
        yield fd
    finally:
        os.close(fd)


def header(fourcc: bytes, size: int) -> bytes:
    return struct.pack(">I4s", size, fourcc)


def wide(fourcc: bytes, size: int) -> bytes:
    return struct.pack(">I4sQ", 1, fourcc, size)


def mdat_of(after: bytes) -> tuple[int, int]:
    """The mdat of a moof with these bytes behind it; 16 of them are known already."""
    data = bytes(AT) + header(b"moof", MOOF) + bytes(MOOF - 8) + after
    with file_of(data) as fd:
        return find_mdat(data[AT : AT + MOOF + 16], AT, MOOF, fd, len(data))


@pytest.mark.parametrize(
    ("fourcc", "is_type"),
    [
        (b"a   ", True),
        (b" abc", True),
        (b"a~~~", True),
        (b"~abc", True),
        (b"\xa9xyz", True),
        (b"a\x1fbc", False),
        (b"ab\x7fc", False),
        (b"\x1fabc", False),
        (b"\x7fabc", False),
        (b"\xaaxyz", False),
        (b"\x90xyz", False),
        (b"a\xa9bc", False),
        (b"\x01a~\xa9", False),
    ],
)
def test_a_type_is_four_printable_characters_or_quicktimes(fourcc: bytes, is_type: bool) -> None:
    with file_of(b"") as fd:
        if is_type:
            check_box(fd, 0, 0, BoxHeader(fourcc, 8, 20))
            return
        with pytest.raises(Damage, match="unknown box"):
            check_box(fd, 0, 0, BoxHeader(fourcc, 8, 20))


@pytest.mark.parametrize(
    ("behind", "is_box"),
    [
        (header(b"free", 8), True),
        (wide(b"free", 20), True),
        (header(b"fr\0e", 8), False),
        (header(b"free", 4), False),
        (b"\0\0\0\x08fr\0", True),  # seven bytes: not known yet
        (b"", True),
    ],
)
def test_an_unknown_box_is_one_when_another_follows(behind: bytes, is_box: bool) -> None:
    with file_of(bytes(30) + behind) as fd:
        if is_box:
            check_box(fd, 30 + len(behind), 10, BoxHeader(b"vend", 8, 20))
            return
        with pytest.raises(Damage, match="at byte 10"):
            check_box(fd, 30 + len(behind), 10, BoxHeader(b"vend", 8, 20))


@pytest.mark.parametrize(("size", "is_box"), [(MAX_SKIPPED_BYTES, True), (MAX_SKIPPED_BYTES + 1, False)])
def test_an_unknown_box_has_a_largest_size(size: int, is_box: bool) -> None:
    with file_of(b"") as fd:
        if is_box:
            check_box(fd, 0, 0, BoxHeader(b"vend", 8, size))
            return
        with pytest.raises(Damage):
            check_box(fd, 0, 0, BoxHeader(b"vend", 8, size))


@pytest.mark.parametrize(
    ("after", "place"),
    [
        (header(b"mdat", 100), (MOOF + 8, MOOF + 100)),
        (wide(b"mdat", 100), (MOOF + 16, MOOF + 100)),
        (header(b"mdat", MAX_MDAT_BYTES), (MOOF + 8, MOOF + MAX_MDAT_BYTES)),
        (boxes.box(b"free", bytes(12)) + header(b"mdat", 100), (MOOF + 28, MOOF + 120)),
        (boxes.box(b"free", bytes(12)) + wide(b"mdat", 100), (MOOF + 36, MOOF + 120)),
        (boxes.box(b"free", b"") * 99 + header(b"mdat", 100), (MOOF + 800, MOOF + 892)),
    ],
)
def test_the_mdat_of_a_moof(after: bytes, place: tuple[int, int]) -> None:
    assert mdat_of(after) == (AT + place[0], AT + place[1])


@pytest.mark.parametrize(
    "after",
    [b"", header(b"mdat", 100)[:7], header(b"free", MAX_SKIPPED_BYTES), boxes.box(b"free", b"") + b"1234567"],
)
def test_what_is_not_complete_is_waited_for(after: bytes) -> None:
    assert mdat_of(after) == NOT_YET


@pytest.mark.parametrize(
    ("after", "message"),
    [
        (header(b"mdat", MAX_MDAT_BYTES + 1), "of 1073741825 bytes"),
        (header(b"moof", 64), "b'moof' of 64 bytes"),
        (header(b"moov", 64), "b'moov'"),
        (header(b"free", MAX_SKIPPED_BYTES + 1), "b'free'"),
        (header(b"mdat", 4), "claims 4 bytes"),
        (header(b"\1\2\3\4", 20) + bytes(30), "unknown box"),
        (boxes.box(b"free", b"") * 100 + header(b"mdat", 100), "no mdat after the moof at byte 1000"),
    ],
)
def test_what_can_be_no_mdat_is_damage(after: bytes, message: str) -> None:
    with pytest.raises(Damage, match=message):
        mdat_of(after)
