"""Check that bytes are a JPEG, and read its size. Pure bytes, so the daemon may check untrusted output with
it.

Owns the marker walk (ITU-T T.81 annex B); decodes nothing.
"""

from __future__ import annotations

_START, _END = b"\xff\xd8", b"\xff\xd9"
_SIZED_FRAMES = frozenset({0xC0, 0xC1, 0xC2})  # baseline, extended, progressive: what browsers show
_START_OF_SCAN = 0xDA


class NotAJpeg(ValueError):
    """These bytes are not one complete JPEG picture."""


def jpeg_size(data: bytes) -> tuple[int, int]:
    """(width, height) in pixels. Raises NotAJpeg unless the bytes have a JPEG's start, a scan and an end."""
    if data[:2] != _START or data[-2:] != _END:
        raise NotAJpeg("no start or no end marker")
    size: tuple[int, int] | None = None
    at = 2
    while at + 4 <= len(data):
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if data[at] != 0xFF or length < 2 or at + 2 + length > len(data):
            break
        if marker in _SIZED_FRAMES and length >= 8:
            size = (
                int.from_bytes(data[at + 7 : at + 9], "big"),
                int.from_bytes(data[at + 5 : at + 7], "big"),
            )
        if marker == _START_OF_SCAN and size is not None and all(size):
            return size
        at += 2 + length
    raise NotAJpeg("no scan with a size before it")
