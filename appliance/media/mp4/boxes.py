"""ISO base media boxes as bytes (ISO/IEC 14496-12, -14, -15).

Owns: how one box is laid out. Must not know: files, indexes, clips, where a number comes from.
All durations are ticks of the timescale given beside them; sizes are bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import NamedTuple

from appliance.media.mp4.turn import UNITY

_U32 = struct.Struct(">I")
_MVHD_TAIL = b"\0\1\0\0\1\0" + bytes(10) + UNITY + bytes(24)  # rate 1.0, volume 1.0
_UND = b"\x55\xc4\0\0"  # language 'und' and pre_defined
ENABLED_IN_MOVIE = 3  # tkhd flags: track_enabled | track_in_movie
EMPTY_EDIT = -1  # elst media_time: nothing of the track is presented


class Edit(NamedTuple):
    """One elst entry: `duration` in movie ticks, `media_time` in track ticks or EMPTY_EDIT."""

    duration: int
    media_time: int


def box(fourcc: bytes, *payload: bytes) -> bytes:
    """A plain box; raises ValueError when it would not fit a 32-bit size."""
    body = b"".join(payload)
    if len(body) > 0xFFFF_FFF7:
        raise ValueError(f"{fourcc!r} of {len(body)} bytes needs a 64-bit size")
    return _U32.pack(8 + len(body)) + fourcc + body


def full_box(fourcc: bytes, version: int, flags: int, *payload: bytes) -> bytes:
    """A box that begins with version and 24-bit flags."""
    return box(fourcc, _U32.pack(version << 24 | flags), *payload)


def mdat_header(payload_bytes: int) -> bytes:
    """Header of an mdat: 8 bytes, or 16 when box and header pass 4 GiB."""
    if payload_bytes + 8 > 0xFFFF_FFFF:
        return struct.pack(">I4sQ", 1, b"mdat", payload_bytes + 16)
    return struct.pack(">I4s", payload_bytes + 8, b"mdat")


def ftyp(major: bytes, minor: int, compatible: bytes) -> bytes:
    """`compatible` is the brands one after the other, four bytes each."""
    return box(b"ftyp", major, _U32.pack(minor), compatible)


def mvhd(timescale: int, duration: int, next_track_id: int, version: int = 1) -> bytes:
    """Movie header; version 0 is what MediaMTX writes (and patches at close)."""
    times = ">QQIQ" if version else ">IIII"
    head = struct.pack(times, 0, 0, timescale, duration)
    return full_box(b"mvhd", version, 0, head, _MVHD_TAIL, _U32.pack(next_track_id))


def tkhd(
    track_id: int,
    duration: int,
    width: int,
    height: int,
    *,
    audio: bool,
    version: int = 1,
    matrix: bytes = UNITY,
) -> bytes:
    """Track header; `duration` in movie ticks, width and height in whole pixels before `matrix` turns them
    (0 for audio)."""
    head = struct.pack(">QQIIQ" if version else ">IIIII", 0, 0, track_id, 0, duration)
    group = struct.pack(">hhhh", 0, 1 if audio else 0, 0x100 if audio else 0, 0)
    size = struct.pack(">II", width << 16, height << 16)
    return full_box(b"tkhd", version, ENABLED_IN_MOVIE, head, bytes(8), group, matrix, size)


def mdhd(timescale: int, duration: int, version: int = 1) -> bytes:
    """Media header, language 'und'."""
    head = struct.pack(">QQIQ" if version else ">IIII", 0, 0, timescale, duration)
    return full_box(b"mdhd", version, 0, head, _UND)


def hdlr(*, audio: bool) -> bytes:
    """Handler of a sound or video track."""
    kind, name = (b"soun", b"SoundHandler\0") if audio else (b"vide", b"VideoHandler\0")
    return full_box(b"hdlr", 0, 0, bytes(4), kind, bytes(12), name)


def minf(stbl: bytes, *, audio: bool) -> bytes:
    """Media information around a finished stbl; all data is in this file."""
    header = full_box(b"smhd", 0, 0, bytes(4)) if audio else full_box(b"vmhd", 0, 1, bytes(8))
    dinf = box(b"dinf", full_box(b"dref", 0, 0, _U32.pack(1), full_box(b"url ", 0, 1)))
    return box(b"minf", header, dinf, stbl)


def mdia(timescale: int, duration: int, stbl: bytes, *, audio: bool, version: int = 1) -> bytes:
    """Media box: mdhd, hdlr, minf."""
    return box(b"mdia", mdhd(timescale, duration, version), hdlr(audio=audio), minf(stbl, audio=audio))


def edts(edits: Sequence[Edit]) -> bytes:
    """Edit list, version 1, rate 1.0; empty bytes for no edits."""
    if not edits:
        return b""
    rows = b"".join(struct.pack(">QqI", duration, start, 0x10000) for duration, start in edits)
    return box(b"edts", full_box(b"elst", 1, 0, _U32.pack(len(edits)), rows))


def stsd(*entries: bytes) -> bytes:
    """Sample description box with these sample entries."""
    return full_box(b"stsd", 0, 0, _U32.pack(len(entries)), *entries)


def empty_stbl(stsd_box: bytes) -> bytes:
    """Sample table of an init segment: the description and no samples."""
    empty = [full_box(kind, 0, 0, bytes(4)) for kind in (b"stts", b"stsc")]
    return box(
        b"stbl", stsd_box, *empty, full_box(b"stsz", 0, 0, bytes(8)), full_box(b"stco", 0, 0, bytes(4))
    )


def trex(track_id: int) -> bytes:
    """Track extends: description 1, no defaults."""
    return full_box(b"trex", 0, 0, struct.pack(">5I", track_id, 1, 0, 0, 0))


def visual_entry(fourcc: bytes, width: int, height: int, config: bytes) -> bytes:
    """Visual sample entry (avc1, hvc1 ...); `config` is the finished avcC or hvcC box."""
    head = bytes(6) + b"\0\1" + bytes(16) + struct.pack(">HH", width, height)
    rest = struct.pack(">II", 0x480000, 0x480000) + bytes(4) + b"\0\1" + bytes(32) + b"\0\x18\xff\xff"
    return box(fourcc, head, rest, config)


def mp4a_entry(channels: int, sample_rate: int, audio_specific_config: bytes) -> bytes:
    """AAC sample entry with an esds (14496-1 section 7.2.6) around the AudioSpecificConfig."""
    specific = bytes([5, len(audio_specific_config)]) + audio_specific_config
    decoder = bytes([4, 13 + len(specific), 0x40, 0x15, 0, 0, 0]) + struct.pack(">II", 128_000, 128_000)
    body = decoder + specific
    stream = bytes([3, 3 + len(body) + 3, 0, 2, 0]) + body + bytes([6, 1, 2])
    head = bytes(6) + b"\0\1" + bytes(8) + struct.pack(">HHHHI", channels, 16, 0, 0, sample_rate << 16)
    return box(b"mp4a", head, full_box(b"esds", 0, 0, stream))


def mtxi(stream_id: bytes, number: int, dts_ns: int, ntp_ns: int) -> bytes:
    """MediaMTX's run box (its recordstore/mp4_boxes.go): 52 bytes, lives in moov/udta."""
    if len(stream_id) != 16:
        raise ValueError("a StreamID is 16 bytes")
    return full_box(b"mtxi", 0, 0, stream_id, struct.pack(">Qqq", number, dts_ns, ntp_ns))
