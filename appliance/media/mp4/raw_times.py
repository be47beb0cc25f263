"""What the edit lists of a clip's header say, for a reader that does not apply them.

Owns: reading the header that plan.py lays out. Must not know: samples, files, decoders.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from appliance.media.mp4.boxes import EMPTY_EDIT
from appliance.media.mp4.walk import Malformed, children, read_box_header, u32

_EDIT = struct.Struct(">QqI")


@dataclass(frozen=True, slots=True)
class RawTimes:
    """`timescale` is the video's and the movie's. `video_origin`: raw tick of the first frame shown.
    `sound_origin`: raw tick of the sound at that instant (negative where sound begins later); None: no
    sound."""

    timescale: int
    video_origin: int
    sound_origin: int | None


def raw_times(header: bytes) -> RawTimes:
    """Of a header of ours. Raises Malformed for any other."""
    moov = next((span for kind, *span in _boxes_before_mdat(header) if kind == b"moov"), None)
    if moov is None:
        raise Malformed("no moov")
    movie = _inside(header, *moov)
    timescale = u32(header, movie[b"mvhd"][0] + 20, movie[b"mvhd"][1]) if b"mvhd" in movie else 0
    tracks = [_track(header, *span) for kind, *span in children(header, *moov) if kind == b"trak"]
    videos = [edits for kind, _, edits in tracks if kind == b"vide" and edits]
    if not timescale or not videos:
        raise Malformed("no video with an edit list")
    sounds = [(scale, edits) for kind, scale, edits in tracks if kind == b"soun" and edits]
    return RawTimes(timescale, videos[0][0][1], _origin(*sounds[0], timescale) if sounds else None)


def _origin(scale: int, edits: list[tuple[int, int]], movie_scale: int) -> int:
    """The raw tick that is heard with the first frame."""
    empty = sum(duration for duration, start in edits if start == EMPTY_EDIT)
    start = next((start for _, start in edits if start != EMPTY_EDIT), 0)
    return start - (empty * scale + movie_scale // 2) // movie_scale


def _boxes_before_mdat(header: bytes) -> Iterator[tuple[bytes, int, int]]:
    at = 0
    while (box := read_box_header(header, at)) is not None and box.fourcc != b"mdat":
        yield box.fourcc, at + box.header_size, at + box.size
        at += box.size


def _inside(header: bytes, start: int, end: int) -> dict[bytes, tuple[int, int]]:
    return {kind: (first, last) for kind, first, last in children(header, start, end)}


def _track(header: bytes, start: int, end: int) -> tuple[bytes, int, list[tuple[int, int]]]:
    """(handler, timescale, edits as (movie ticks, media tick))."""
    trak = _inside(header, start, end)
    if b"mdia" not in trak or b"edts" not in trak:
        return b"", 1, []
    media, edits = _inside(header, *trak[b"mdia"]), _inside(header, *trak[b"edts"])
    if not {b"mdhd", b"hdlr"} <= media.keys() or b"elst" not in edits:
        return b"", 1, []
    scale = u32(header, media[b"mdhd"][0] + 20, media[b"mdhd"][1])
    handler = header[media[b"hdlr"][0] + 8 : media[b"hdlr"][0] + 12]
    at, last = edits[b"elst"]
    count = u32(header, at + 4, last)
    if count > 16 or at + 8 + count * _EDIT.size > last or not scale:
        raise Malformed("an edit list is shorter than it claims")
    rows = [_EDIT.unpack_from(header, at + 8 + number * _EDIT.size) for number in range(count)]
    return handler, scale, [(duration, media_time) for duration, media_time, _ in rows]
