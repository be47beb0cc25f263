"""Bounds-checked reading of one moof: sample tables by columns.

Owns: parsing the bytes of a moof into TrackRun values. Must not know: files, indexes, wall time. Any bytes
give a result or Malformed; counts are checked before anything is allocated for them.
Layout: ISO/IEC 14496-12 section 8.8.
"""

from __future__ import annotations

import struct
import sys
from array import array
from dataclasses import dataclass
from typing import Final, NamedTuple

from appliance.media.mp4.fmp4 import Init
from appliance.media.mp4.walk import BoxHeader, Malformed, Truncated, children, read_box_header, u32, u64

MAX_MOOF_BYTES: Final = 16 << 20
# A trun without per-sample fields costs 20 bytes and may claim 2^32 samples; this limit is above any real
# part.
MAX_SAMPLES_PER_MOOF: Final = 1 << 20
MAX_TFDT: Final = 1 << 60  # 400,000 years at 90 kHz: above it, sums exceed 64-bit fields
_NON_SYNC: Final = 0x10000
# Third byte from the right of sample_flags: bit 0 is sample_is_non_sync_sample (8.8.3.1).
_SYNC_OF_FLAG_BYTE: Final = bytes(0 if value & 1 else 1 for value in range(256))
_NATIVE_IS_LITTLE: Final = sys.byteorder == "little"
# After moof and mfhd: traf, tfhd with default-base-is-moof, 64-bit tfdt, trun up to its table.
_USUAL_FIRST_TRAF: Final = 24
_USUAL_TRAF: Final = struct.Struct(">I 4s 12s I 12s Q I 4s I I i")
_USUAL_NAMES: Final = (b"traf", b"\0\0\0\x10tfhd\0\2\0\0", b"\0\0\0\x14tfdt\1\0\0\0", b"trun")


class TrackRun(NamedTuple):
    """Samples of one trun in decode order; all arrays have one entry per sample.

    `tfdt` is the first sample's decode time in track ticks; where the fragment does not say it, `is_timed` is
    False and it counts from the fragment's begin. `data_offset` is its place in the file, `sync` one byte per
    sample (1 = random access) or None when all are, `ctos` pts-dts or None when all 0. `ticks` and `size` are
    the sums of `durations` and `sizes`, `longest` the greatest duration: every clip of these samples needs
    them, so they are computed once (`track_run`).
    """

    track_id: int
    tfdt: int
    durations: array[int]
    sizes: array[int]
    sync: bytes | None
    ctos: array[int] | None
    data_offset: int
    is_timed: bool
    ticks: int
    size: int
    longest: int


def track_run(
    track_id: int,
    tfdt: int,
    durations: array[int],
    sizes: array[int],
    sync: bytes | None,
    ctos: array[int] | None,
    data_offset: int,
    *,
    is_timed: bool = True,
) -> TrackRun:
    """The run of these samples."""
    longest = max(durations) if durations else 0
    ticks, size = sum(durations), sum(sizes)
    return TrackRun(track_id, tfdt, durations, sizes, sync, ctos, data_offset, is_timed, ticks, size, longest)


@dataclass(slots=True)
class _Fragment:
    """Defaults for the truns of one traf, advanced by each of them."""

    track_id: int = 0
    base: int = 0
    duration: int = 0
    size: int = 0
    flags: int = 0
    dts: int = 0
    position: int = 0  # where data begins when a trun does not give its offset
    is_timed: bool = True


def parse_moof(data: bytes, file_offset: int, init: Init | None = None) -> tuple[TrackRun, ...]:
    """Every trun of the moof that starts at data[0] and at `file_offset` of its file, in file order.

    `init` supplies trex defaults where a fragment relies on them. Raises Malformed.
    """
    header = read_box_header(data, 0)
    if header is None or header.fourcc != b"moof":
        raise Malformed(f"no moof at {file_offset}")
    if header.size > len(data):
        raise Truncated(f"the moof at {file_offset} is cut short")
    if header.size > MAX_MOOF_BYTES:
        raise Malformed(f"the moof at {file_offset} has {header.size} bytes")
    usual = _usual_runs(data, header.size, file_offset)
    return usual if usual is not None else _any_runs(data, header, file_offset, init)


def _usual_runs(data: bytes, end: int, file_offset: int) -> tuple[TrackRun, ...] | None:
    """The runs of a moof laid out as MediaMTX (and fragment.py) do: one unpack per track; else None.

    A clip of 12 s reads up to 60 moofs while a person waits: this takes a third of the general parser's time.
    """
    runs: list[TrackRun] = []
    at, room = _USUAL_FIRST_TRAF, MAX_SAMPLES_PER_MOOF
    if data[12:16] != b"mfhd" or data[8:12] != b"\0\0\0\x10":
        return None
    while at < end:
        if at + _USUAL_TRAF.size > end:
            return None
        size, traf, tfhd, track_id, times, tfdt, trun_size, trun, flags, count, offset = (
            _USUAL_TRAF.unpack_from(data, at)
        )
        stride = (flags >> 8 & 0xF).bit_count()
        table = trun_size - 20
        if (
            (traf, tfhd, times, trun) != _USUAL_NAMES
            or flags & 0xFFF3FF != 0x301
            or size != trun_size + 44
            or table != 4 * stride * count
            or at + size > end
            or count > room
            or tfdt > MAX_TFDT
            or file_offset + offset < 0
            or not track_id
        ):
            return None
        first = at + _USUAL_TRAF.size
        raw = data[first : first + table]
        runs.append(_usual_run(raw, stride, flags, (track_id, tfdt, file_offset + offset)))
        room -= count
        at += size
    return tuple(runs)


def _usual_run(raw: bytes, stride: int, flags: int, place: tuple[int, int, int]) -> TrackRun:
    """The run of a table that has durations and sizes, flags and composition offsets where `flags` say so.

    `place` is (track id, tfdt, data offset).
    """
    track_id, tfdt, offset = place
    table = _words(raw)
    sync: bytes | None = None
    ctos: array[int] | None = None
    if flags & 0x400:
        sync = raw[9 :: 4 * stride].translate(_SYNC_OF_FLAG_BYTE)
        if 0 not in sync:
            sync = None
    if flags & 0x800:
        ctos = array("i", table[stride - 1 :: stride].tobytes())
    return track_run(track_id, tfdt, table[::stride], table[1::stride], sync, ctos, offset)


def _words(raw: bytes) -> array[int]:
    """Big-endian 32-bit fields."""
    table = array("I", raw)
    if _NATIVE_IS_LITTLE:
        table.byteswap()
    return table


def _any_runs(data: bytes, header: BoxHeader, file_offset: int, init: Init | None) -> tuple[TrackRun, ...]:
    runs: list[TrackRun] = []
    room = MAX_SAMPLES_PER_MOOF
    position = file_offset
    for fourcc, start, stop in children(data, header.header_size, header.size):
        if fourcc != b"traf":
            continue
        state = _Fragment(position=position, is_timed=False)
        for inner, at, end in children(data, start, stop):
            if inner == b"tfhd":
                _read_tfhd(data, at, end, state, file_offset, init)
            elif inner == b"tfdt":
                _read_tfdt(data, at, end, state)
            elif inner == b"trun":
                run = _read_trun(data, at, end, state, room)
                room -= len(run.sizes)
                runs.append(run)
        position = state.position
    return tuple(runs)


def _read_tfhd(data: bytes, at: int, end: int, state: _Fragment, file_offset: int, init: Init | None) -> None:
    flags = u32(data, at, end) & 0xFFFFFF
    state.track_id = u32(data, at + 4, end)
    at += 8
    for track in init.tracks if init is not None else ():
        if track.id == state.track_id:
            state.duration, state.size = track.default_duration, track.default_size
            state.flags = track.default_flags
    # 8.8.7: an explicit base, or the moof, or (no flag) the end of the previous track's data
    state.base = file_offset if flags & 0x20000 else state.position
    if flags & 0x1:
        state.base = u64(data, at, end)
        at += 8
    state.position = state.base
    if flags & 0x2:
        at += 4  # sample description index: a MediaMTX stsd has one
    if flags & 0x8:
        state.duration = u32(data, at, end)
        at += 4
    if flags & 0x10:
        state.size = u32(data, at, end)
        at += 4
    if flags & 0x20:
        state.flags = u32(data, at, end)


def _read_tfdt(data: bytes, at: int, end: int, state: _Fragment) -> None:
    wide = u32(data, at, end) >> 24
    state.is_timed = True
    state.dts = u64(data, at + 4, end) if wide else u32(data, at + 4, end)
    if state.dts > MAX_TFDT:
        raise Malformed(f"a fragment begins at tick {state.dts}")


def _read_trun(data: bytes, at: int, end: int, state: _Fragment, room: int) -> TrackRun:
    if not state.track_id:
        raise Malformed("a trun comes before its tfhd")
    flags = u32(data, at, end) & 0xFFFFFF
    count = u32(data, at + 4, end)
    at += 8
    position = state.position
    if flags & 0x1:
        offset = u32(data, at, end)
        position = state.base + (offset - (1 << 32) if offset >> 31 else offset)
        at += 4
    first_flags: int | None = None
    if flags & 0x4:
        first_flags = u32(data, at, end)
        at += 4
    stride = (flags >> 8 & 0xF).bit_count()
    if count > room or at + 4 * stride * count > end:
        raise Malformed(f"a trun of {end - at} bytes claims {count} samples")
    run = _samples(data[at : at + 4 * stride * count], count, flags, first_flags, state, position)
    state.dts += run.ticks
    state.position = position + run.size
    if position < 0 or state.dts > MAX_TFDT or state.position > MAX_TFDT:
        raise Malformed("samples of a trun lie outside any file")
    return run


def _samples(
    raw: bytes, count: int, flags: int, first_flags: int | None, state: _Fragment, position: int
) -> TrackRun:
    """The per-sample table by columns: one slice per field, no object per sample."""
    table = _words(raw)
    stride = (flags >> 8 & 0xF).bit_count()
    column = 0
    durations = sizes = None
    sync: bytes | None = None
    ctos: array[int] | None = None
    if flags & 0x100:
        durations, column = table[column::stride], column + 1
    if flags & 0x200:
        sizes, column = table[column::stride], column + 1
    if flags & 0x400:
        sync, column = raw[4 * column + 1 :: 4 * stride].translate(_SYNC_OF_FLAG_BYTE), column + 1
    elif state.flags & _NON_SYNC:
        sync = bytes(count)
    if first_flags is not None and not flags & 0x400 and count:
        sync = bytes([0 if first_flags & _NON_SYNC else 1]) + (sync or b"\1" * count)[1:]
    if flags & 0x800:
        ctos = array("i", table[column::stride].tobytes())
    return track_run(
        track_id=state.track_id,
        tfdt=state.dts,
        durations=durations if durations is not None else array("I", [state.duration]) * count,
        sizes=sizes if sizes is not None else array("I", [state.size]) * count,
        sync=None if sync is None or 0 not in sync else sync,
        ctos=ctos,
        data_offset=position,
        is_timed=state.is_timed,
    )
