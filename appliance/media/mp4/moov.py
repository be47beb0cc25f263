"""The header of a progressive MP4 whose samples lie in byte ranges of other files.

Owns: building ftyp+moov+mdat header from sample tables, and which ranges of the sources follow it. Must not
know: recordings, wall time, how samples were chosen. The result is `header + range + range + ...`; bytes
inside a range that no chunk refers to (moof boxes, skipped payload) are unused bytes in mdat, which the
format allows.
Source: ISO/IEC 14496-12 sections 8.6 and 8.7.
"""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final, NamedTuple

from appliance.media.mp4 import boxes
from appliance.media.mp4.turn import UNITY

# Two reads cost more than reading this many unneeded bytes.
_BRIDGE_BYTES: Final = 65_536
FILLER: Final = -1  # Chunk.source of bytes that are in the header itself
_MAX_32: Final = 0xFFFF_FFFF
_FTYP: Final = boxes.ftyp(b"isom", 512, b"isomiso2avc1mp41")


class Range(NamedTuple):
    """`length` bytes of the recording `name` (relative to recordings_dir) from `offset` on."""

    name: str
    offset: int
    length: int


class Chunk(NamedTuple):
    """`samples` samples lying together in a source; for FILLER, `offset` counts from the filler's start.

    `description` is the number (from 1) of their entry in stsd.
    """

    source: int
    offset: int
    length: int
    samples: int
    description: int = 1


@dataclass(slots=True)
class TrackTable:
    """All samples of one track in decode order.

    `deltas` is dts to the next dts (ticks of `timescale`), `ctos` pts - dts or None when all are 0, `sync`
    the numbers (from 1) of sync samples or None when all are, `edits` as boxes.Edit. Audio has no width.
    `width` and `height` are as coded, `matrix` is tkhd's.
    """

    timescale: int
    stsd: bytes
    deltas: array[int]
    sizes: array[int]
    ctos: array[int] | None
    sync: array[int] | None
    chunks: list[Chunk]
    edits: list[boxes.Edit]
    width: int = 0
    height: int = 0
    matrix: bytes = UNITY

    @property
    def audio(self) -> bool:
        return not self.width


def build(
    tracks: Sequence[TrackTable],
    names: Sequence[str],
    movie_timescale: int,
    duration: int,
    filler: bytes = b"",
) -> tuple[bytes, tuple[Range, ...]]:
    """(header bytes, ranges to send after it). `duration` in movie ticks; `names[source]` as in Chunk.

    `filler` is sample data of our own; it ends the header, as the first bytes of mdat's payload.
    """
    ranges, places = _lay_out([chunk for track in tracks for chunk in track.chunks], names, len(filler))
    payload = len(filler) + sum(piece.length for piece in ranges)
    mdat = boxes.mdat_header(payload)
    # chunk offsets are 32-bit unless the file may pass 4 GiB; the header itself is far below 16 MiB
    wide = payload + (16 << 20) > _MAX_32
    moov, ends = _moov(tracks, movie_timescale, duration, wide)
    header = bytearray(_FTYP + moov + mdat)
    _patch_offsets(header, tracks, places, ends, wide)
    return bytes(header) + filler, ranges


def _lay_out(
    chunks: list[Chunk], names: Sequence[str], filler_bytes: int
) -> tuple[tuple[Range, ...], list[int]]:
    """Ranges that cover all chunks, and the offset of each chunk in filler and ranges laid end to end."""
    places = [0] * len(chunks)
    ranges: list[Range] = []
    # the open range, and the bytes of everything before it
    source, start, end, before = FILLER, 0, 0, filler_bytes
    for number in sorted(range(len(chunks)), key=chunks.__getitem__):
        chunk = chunks[number]
        if chunk.source == FILLER:
            places[number] = chunk.offset
            continue
        if chunk.source != source or chunk.offset > end + _BRIDGE_BYTES:
            if source != FILLER:
                ranges.append(Range(names[source], start, end - start))
            before += end - start
            source, start, end = chunk.source, chunk.offset, chunk.offset
        places[number] = before + chunk.offset - start
        end = max(end, chunk.offset + chunk.length)
    if source != FILLER:
        ranges.append(Range(names[source], start, end - start))
    return tuple(ranges), places


def _moov(
    tracks: Sequence[TrackTable], movie_timescale: int, duration: int, wide: bool
) -> tuple[bytes, list[int]]:
    """moov with empty chunk offsets, and where in ftyp+moov each track's offsets end."""
    body = [boxes.mvhd(movie_timescale, duration, len(tracks) + 1)]
    at = len(_FTYP) + 8 + len(body[0])
    ends: list[int] = []
    for number, track in enumerate(tracks, start=1):
        trak = _trak(number, track, duration, wide)
        body.append(trak)
        at += len(trak)
        ends.append(at)
    return boxes.box(b"moov", *body), ends


def _patch_offsets(
    header: bytearray, tracks: Sequence[TrackTable], places: list[int], ends: list[int], wide: bool
) -> None:
    """Each trak ends with its stco entries, so their position follows from the end of the trak."""
    first = 0
    for track, end in zip(tracks, ends, strict=True):
        mine = places[first : first + len(track.chunks)]
        first += len(mine)
        packed = struct.pack(f">{len(mine)}{'Q' if wide else 'I'}", *[len(header) + place for place in mine])
        header[end - len(packed) : end] = packed


def _trak(number: int, track: TrackTable, duration: int, wide: bool) -> bytes:
    stbl = boxes.box(b"stbl", *_tables(track, wide))
    audio = track.audio
    return boxes.box(
        b"trak",
        boxes.tkhd(number, duration, track.width, track.height, audio=audio, matrix=track.matrix),
        boxes.edts(track.edits),
        boxes.mdia(track.timescale, sum(track.deltas), stbl, audio=audio),
    )


def _tables(track: TrackTable, wide: bool) -> Iterable[bytes]:
    """The children of stbl; chunk offsets last, as zeros (see _patch_offsets)."""
    yield track.stsd
    yield _run_lengths(b"stts", track.deltas)
    if track.ctos is not None:
        yield _compositions(track.ctos)
    if track.sync is not None:
        yield boxes.full_box(b"stss", 0, 0, struct.pack(">I", len(track.sync)), _big_endian(track.sync))
    yield _samples_per_chunk(track.chunks)
    yield boxes.full_box(b"stsz", 0, 0, struct.pack(">II", 0, len(track.sizes)), _big_endian(track.sizes))
    count = len(track.chunks)
    yield boxes.full_box(
        b"co64" if wide else b"stco", 0, 0, struct.pack(">I", count), bytes((8 if wide else 4) * count)
    )


def _run_lengths(fourcc: bytes, values: array[int]) -> bytes:
    if values and values.count(values[0]) == len(values):
        runs = [len(values), values[0]]
    else:
        runs = [number for value, same in groupby(values) for number in (len(list(same)), value)]
    return boxes.full_box(fourcc, 0, 0, struct.pack(f">I{len(runs)}I", len(runs) // 2, *runs))


def _compositions(ctos: array[int]) -> bytes:
    """ctts version 1 (signed). B-frames change the offset at nearly every sample: one row each, in bulk."""
    if ctos.count(ctos[0]) == len(ctos):
        return boxes.full_box(b"ctts", 1, 0, struct.pack(">IIi", 1, len(ctos), ctos[0]))
    rows = array("i", [1]) * (2 * len(ctos))
    rows[1::2] = ctos
    return boxes.full_box(b"ctts", 1, 0, struct.pack(">I", len(ctos)), _big_endian(rows))


def _samples_per_chunk(chunks: list[Chunk]) -> bytes:
    rows: list[int] = []
    before = (-1, -1)
    for number, chunk in enumerate(chunks, start=1):
        if (chunk.samples, chunk.description) != before:
            rows += (number, chunk.samples, chunk.description)
            before = chunk.samples, chunk.description
    return boxes.full_box(b"stsc", 0, 0, struct.pack(f">I{len(rows)}I", len(rows) // 3, *rows))


def _big_endian(values: array[int]) -> bytes:
    """The array's bytes, big-endian; the array itself is not changed."""
    if sys.byteorder == "big":
        return values.tobytes()
    copy = values[:]
    copy.byteswap()
    return copy.tobytes()
