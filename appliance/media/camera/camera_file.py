"""A camera's video file, opened once: what of it can be cut, and where decoding would begin.

Owns: telling a progressive MP4 from a fragmented one. Must not know: how either is laid out.
"""

from __future__ import annotations

import os
from typing import Protocol

from appliance.media.camera.fragmented import FragmentedFile
from appliance.media.camera.progressive import ProgressiveFile
from appliance.media.index.view import SegmentView
from appliance.media.mp4.fmp4 import Init
from appliance.media.mp4.walk import Malformed, read_box_header

_LOOK_BOXES = 16


class CameraFile(Protocol):
    """Times are us from the first frame or sound shown. Every method may raise Malformed and OSError."""

    @property
    def fd(self) -> int: ...
    @property
    def size(self) -> int: ...
    @property
    def end_us(self) -> int: ...
    @property
    def init(self) -> Init: ...
    def key_us(self, at_us: int) -> int: ...
    def view(self, start_us: int, end_us: int) -> SegmentView: ...


def open_camera_file(fd: int) -> CameraFile:
    """The file behind `fd`, which the caller keeps open as long and closes.

    Reads moov's tables, or walks all fragments: blocking, run it in a thread. Raises Malformed for a file
    that is no MP4 with video, OSError.
    """
    size = os.fstat(fd).st_size
    if not size:
        raise Malformed("the file is empty")
    return FragmentedFile.open(fd, size) if _has_fragments(fd, size) else ProgressiveFile.open(fd, size)


def _has_fragments(fd: int, size: int) -> bool:
    """A moof is among the file's first boxes. Raises Malformed where the first is no box of an MP4."""
    at = 0
    for number in range(_LOOK_BOXES):
        head = os.pread(fd, 16, at)
        header = None if head[:4] == bytes(4) else read_box_header(head, 0)
        if header is None or (not number and header.fourcc not in _FIRST):
            break
        if header.fourcc == b"moof":
            return True
        at += header.size
    if at == 0:
        raise Malformed("not an MP4")
    return False


_FIRST = frozenset({b"ftyp", b"styp", b"moov", b"moof", b"mdat", b"free", b"skip", b"wide", b"uuid", b"pnot"})
