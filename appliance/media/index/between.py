"""Boxes that are not parts: which may stand between two parts, and between a moof and its mdat.

Owns: which of them are skipped, and which are garbage. Must not know: parts, samples.
"""

from __future__ import annotations

import os
from typing import Final

from appliance.media.mp4.fmp4 import BoxHeader, Malformed, read_box_header

MAX_MDAT_BYTES: Final = 1 << 30  # MediaMTX gives up at 50 MB (recordMaxPartSize)
# Boxes that may stand between parts. Others are skipped too (ISO/IEC 14496-12, 4.2), once it is verified that
# they are boxes and not garbage.
_KNOWN: Final = frozenset(
    b"ftyp moov moof mdat free skip sidx ssix styp emsg prft uuid mfra udta meta".split()
)
MAX_SKIPPED_BYTES: Final = 1 << 28  # no valid box between parts is larger: it is garbage
MAX_SKIPPED: Final = 1000  # boxes without a part between them: a file with only those is garbage
_BETWEEN: Final = 100  # boxes between a moof and its mdat


class Damage(Exception):
    """The file cannot be read past this point; the index reports it and keeps what comes before."""


def check_box(fd: int, size: int, at: int, header: BoxHeader) -> None:
    """Raises Damage when an apparent box of unknown type is garbage: then no box follows it."""
    if header.fourcc in _KNOWN:
        return
    end = at + header.size
    is_box = _is_type(header.fourcc) and header.size <= MAX_SKIPPED_BYTES
    if is_box and end + 8 <= size:
        try:
            following = read_box_header(os.pread(fd, 16, end), 0)
        except Malformed:
            following = None
        is_box = following is not None and _is_type(following.fourcc)
    if not is_box:
        raise Damage(f"unknown box {header.fourcc!r} at byte {at}")


def _is_type(fourcc: bytes) -> bool:
    """Four printable characters, or QuickTime's copyright sign before three."""
    return all(0x20 <= byte < 0x7F for byte in fourcc[1:]) and (0x20 <= fourcc[0] < 0x7F or fourcc[0] == 0xA9)


def find_mdat(look: bytes, at: int, moof_size: int, fd: int, size: int) -> tuple[int, int]:
    """(first payload byte, end) in the file of the mdat that belongs to a moof. Raises Damage."""
    place, where = moof_size, at
    for _ in range(_BETWEEN):
        try:
            header = read_box_header(look, place)
        except Malformed as error:
            raise Damage(f"after the moof at byte {where}: {error}") from error
        if header is None:
            return 0, 1 << 62  # the header is not complete yet
        if header.fourcc == b"mdat" and header.size <= MAX_MDAT_BYTES:
            return at + place + header.header_size, at + place + header.size
        if header.fourcc in (b"mdat", b"moof", b"moov") or header.size > MAX_SKIPPED_BYTES:
            raise Damage(f"{header.fourcc!r} of {header.size} bytes after the moof at byte {where}")
        check_box(fd, size, at + place, header)
        at, place = at + place + header.size, 0
        if at + 8 > size:
            return 0, 1 << 62
        look = os.pread(fd, 16, at)
    raise Damage(f"no mdat after the moof at byte {where}")
