"""A shorter cut of a clip file of ours, without the recording it was cut from.

Owns: changing the edit lists of a progressive MP4 that plan.py laid out. Nothing is decoded and no sample
table changes: the new header is as long as the old one, so the rest of the file stays where it is. Frames
outside the new ends are hidden, like pre-roll. Must not know: recordings, clocks, files.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import repeat

from appliance.media.cut.coverage import ends_us
from appliance.media.mp4.turn import MATRIX_BYTES, turn_of
from appliance.media.mp4.walk import Malformed, children, read_box_header, u32, u64

MAX_HEADER_BYTES = 16 << 20
_US = 1_000_000


class CannotTrim(ValueError):
    """The file is not laid out as ours are, or has no frame in the new span."""


@dataclass(frozen=True, slots=True)
class Trimmed:
    """`first_us` and `end_us` count from the first frame that the file showed: where the new first frame
    begins and the new last one ends. `preroll_s` is hidden time before the new first frame. `width` and
    `height` are of the picture as it is shown."""

    header: bytes
    first_us: int
    end_us: int
    frames: int
    preroll_s: float
    width: int
    height: int
    codec: str


@dataclass(frozen=True, slots=True)
class _Track:
    is_video: bool
    timescale: int
    edit_at: int  # offset of the one edit's duration in the header
    tkhd_at: int  # offset of tkhd's duration
    stbl: tuple[int, int]
    width: int
    height: int
    codec: str


def header_size(start: bytes) -> int:
    """Bytes before the samples: everything up to mdat's payload. `start` is the file's beginning.

    Raises Malformed; CannotTrim when moov does not come first.
    """
    at = 0
    while (header := read_box_header(start, at)) is not None:
        if header.fourcc == b"mdat":
            return at + header.header_size
        if at + header.size > MAX_HEADER_BYTES:
            break
        at += header.size
    raise CannotTrim("the samples come before their tables, or the tables are too large")


def retrim(header: bytes, *, skip_us: int, length_us: int) -> Trimmed:
    """The header that shows the frames with skip_us <= t < skip_us + length_us, t from the first one shown.

    Raises CannotTrim, Malformed.
    """
    moov = next(
        (
            span
            for kind, *span in children(header[: _before_mdat(header)], 0, _before_mdat(header))
            if kind == b"moov"
        ),
        None,
    )
    if moov is None:
        raise CannotTrim("no moov")
    movie = _box(header, moov[0], moov[1], b"mvhd")
    scale = u32(header, movie[0] + 20, movie[1])
    tracks = [_track(header, *span) for kind, *span in children(header, *moov) if kind == b"trak"]
    video = next((track for track in tracks if track.is_video), None)
    if video is None:
        raise CannotTrim("no video")
    shown = _Shown.of(header, video, scale, skip_us, length_us)
    moved = bytearray(header)
    duration = (shown.end - shown.first) * scale // video.timescale
    struct.pack_into(">Q", moved, movie[0] + 24, duration)
    for track in tracks:
        start = u64(header, track.edit_at + 8, len(header))
        step = (shown.first - shown.begin) * track.timescale // video.timescale
        struct.pack_into(">QQ", moved, track.edit_at, duration, start + step)
        struct.pack_into(">Q", moved, track.tkhd_at, duration)
    return replace(shown.result, header=bytes(moved))


@dataclass(frozen=True, slots=True)
class _Shown:
    """The video edit before (`begin`) and after (`first`, `end`), ticks."""

    begin: int
    first: int
    end: int
    result: Trimmed

    @classmethod
    def of(cls, header: bytes, track: _Track, movie_scale: int, skip_us: int, length_us: int) -> _Shown:
        begin = u64(header, track.edit_at + 8, len(header))
        until = begin + u64(header, track.edit_at, len(header)) * track.timescale // movie_scale
        times = sorted(_pts(header, track))
        visible = [pts for pts in times if begin <= pts < until]
        chosen = [
            pts for pts in visible if skip_us <= (pts - begin) * _US // track.timescale < skip_us + length_us
        ]
        if not chosen:
            raise CannotTrim("no frame of the clip lies in the new span")
        first = chosen[0]
        whole = next((pts for pts in visible if pts > chosen[-1]), until)
        whole_us, asked_us = (whole - begin) * _US // track.timescale, skip_us + length_us
        is_cut = ends_us(whole_us, asked_us) < whole_us
        end = begin - (-asked_us * track.timescale // _US) if is_cut else whole
        result = Trimmed(
            header=b"",
            first_us=(first - begin) * _US // track.timescale,
            end_us=(end - begin) * _US // track.timescale,
            frames=len(chosen),
            preroll_s=(first - times[0]) / track.timescale,
            width=track.width,
            height=track.height,
            codec=track.codec,
        )
        return cls(begin, first, end, result)


def _track(header: bytes, at: int, end: int) -> _Track:
    tkhd, mdia = _box(header, at, end, b"tkhd"), _box(header, at, end, b"mdia")
    elst = _box(header, *_box(header, at, end, b"edts"), b"elst")
    mdhd, handler = _box(header, *mdia, b"mdhd"), _box(header, *mdia, b"hdlr")
    stbl = _box(header, *_box(header, *mdia, b"minf"), b"stbl")
    entry = _box(header, *stbl, b"stsd")[0] + 8
    if header[tkhd[0]] != 1 or header[mdhd[0]] != 1 or header[elst[0]] != 1:
        raise CannotTrim("a header of another version than ours")
    if u32(header, elst[0] + 4, elst[1]) != 1 or header[elst[0] + 16] & 0x80:
        raise CannotTrim("a track of more than one stretch")
    matrix = struct.unpack(">9i", header[tkhd[1] - 8 - MATRIX_BYTES : tkhd[1] - 8])
    size = (u32(header, tkhd[1] - 8, tkhd[1]) >> 16, u32(header, tkhd[1] - 4, tkhd[1]) >> 16)
    width, height = turn_of(matrix).size(*size)
    return _Track(
        is_video=header[handler[0] + 8 : handler[0] + 12] == b"vide",
        timescale=u32(header, mdhd[0] + 20, mdhd[1]),
        edit_at=elst[0] + 8,
        tkhd_at=tkhd[0] + 28,
        stbl=stbl,
        width=width,
        height=height,
        codec=header[entry + 4 : entry + 8].decode("latin-1"),
    )


def _pts(header: bytes, track: _Track) -> Iterator[int]:
    """Presentation times of the track's samples in decode order."""
    offsets = _runs(header, track, b"ctts", signed=True)
    dts = 0
    for duration in _runs(header, track, b"stts", signed=False):
        yield dts + next(offsets, 0)
        dts += duration


def _runs(header: bytes, track: _Track, kind: bytes, *, signed: bool) -> Iterator[int]:
    """The values of a run-length table; nothing for a table that is not there."""
    payload = next((span for name, *span in children(header, *track.stbl) if name == kind), None)
    if payload is None:
        return
    at, end = payload
    count = u32(header, at + 4, end)
    if at + 8 + 8 * count > end:
        raise Malformed(f"{kind!r} is cut short")
    for repeats, value in struct.iter_unpack(">Ii" if signed else ">II", header[at + 8 : at + 8 + 8 * count]):
        yield from repeat(value, repeats)


def _box(header: bytes, at: int, end: int, kind: bytes) -> tuple[int, int]:
    """Payload span of a required box."""
    for name, start, stop in children(header, at, end):
        if name == kind:
            return start, stop
    raise CannotTrim(f"no {kind.decode('latin-1')}")


def _before_mdat(header: bytes) -> int:
    at = 0
    while (box := read_box_header(header, at)) is not None and box.fourcc != b"mdat":
        at += box.size
    return at
