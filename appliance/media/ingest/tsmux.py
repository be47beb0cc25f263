"""Put access units into an MPEG transport stream: enough for our own cameras (synthetic, tests).

Owns: packets, tables and PES of one programme, a picture and maybe AAC sound. Must not know: encoders.
Nothing is buffered: each call returns complete packets of exactly that unit.
"""

from __future__ import annotations

import struct
from typing import Final

from appliance.media.ingest.mpegts import PACKET, crc32

VIDEO_PID: Final = 0x100
AUDIO_PID: Final = 0x101
NULL_PACKET: Final = b"\x47\x1f\xff\x10" + b"\xff" * 184  # filler that every receiver skips
_PMT_PID: Final = 0x1000
_MASK: Final = (1 << 33) - 1
_PCR_LEAD: Final = 9_000  # the clock runs 100 ms before the first dts, as decoders want
_TABLES_EVERY: Final = 10  # units: a receiver that joins late waits at most 0.4 s for the tables
_TYPES: Final = {"h264": 0x1B, "hevc": 0x24}


class Muxer:
    """One programme. Timestamps are 90 kHz ticks of any size; they are wrapped to 33 bits here."""

    def __init__(self, codec: str, *, sound: bool) -> None:
        entries = _entry(_TYPES[codec], VIDEO_PID) + (_entry(0x0F, AUDIO_PID) if sound else b"")
        self._tables = [
            (0, _table(0, 1, struct.pack(">HH", 1, 0xE000 | _PMT_PID))),
            (_PMT_PID, _table(2, 1, struct.pack(">HH", 0xE000 | VIDEO_PID, 0xF000) + entries)),
        ]
        self._counters: dict[int, int] = {}
        self._units = 0

    def video(self, data: bytes, pts: int, dts: int, *, key: bool) -> bytes:
        """One Annex B access unit, preceded by the tables when they are due."""
        tables = self._send_tables() if key or self._units % _TABLES_EVERY == 0 else b""
        self._units += 1
        clock = (dts - _PCR_LEAD) & _MASK
        field = bytes([0x50 if key else 0x10]) + struct.pack(">IH", clock >> 1, (clock & 1) << 15 | 0x7E00)
        return tables + self._packets(VIDEO_PID, _pes(0xE0, data, pts, dts), field)

    def audio(self, adts: bytes, pts: int) -> bytes:
        """One or more whole ADTS frames."""
        return self._packets(AUDIO_PID, _pes(0xC0, adts, pts, pts), b"")

    def _send_tables(self) -> bytes:
        return b"".join(
            self._packet(pid, True, b"\0" + section + b"\xff" * 184)[0] for pid, section in self._tables
        )

    def _packets(self, pid: int, pes: bytes, field: bytes) -> bytes:
        out: list[bytes] = []
        at = 0
        while at < len(pes):
            packet, used = self._packet(pid, at == 0, pes[at : at + 184], field if at == 0 else b"")
            out.append(packet)
            at += used
        return b"".join(out)

    def _packet(self, pid: int, begins: bool, payload: bytes, field: bytes = b"") -> tuple[bytes, int]:
        """One packet of `pid` with as much payload as fits; the bytes of payload used."""
        counter = self._counters.get(pid, 0)
        self._counters[pid] = (counter + 1) & 15
        room = 184 - (len(field) + 1 if field else 0)
        used = payload[:room]
        spare = room - len(used)
        if spare and not field:  # an adaptation field of one byte has only its length
            field = b"\0" + b"\xff" * (spare - 2) if spare > 1 else b""
            adaptation = bytes([len(field)]) + field
        elif field:
            field += b"\xff" * spare
            adaptation = bytes([len(field)]) + field
        else:
            adaptation = b""
        flags = (0x30 if adaptation else 0x10) | counter
        packet = struct.pack(">BHB", 0x47, (0x4000 if begins else 0) | pid, flags) + adaptation + used
        assert len(packet) == PACKET
        return packet, len(used)


def adts(frame: bytes, sample_rate_index: int, channels: int) -> bytes:
    """An AAC-LC frame with its ADTS header (ISO/IEC 14496-3 1.A.3.2)."""
    size = len(frame) + 7
    second = (1 << 6) | sample_rate_index << 2 | channels >> 2
    return (
        bytes(
            [
                0xFF,
                0xF1,
                second,
                (channels & 3) << 6 | size >> 11,
                size >> 3 & 255,
                (size & 7) << 5 | 31,
                0xFC,
            ]
        )
        + frame
    )


def _pes(stream_id: int, data: bytes, pts: int, dts: int) -> bytes:
    both = pts != dts
    stamps = _stamp(3 if both else 2, pts) + (_stamp(1, dts) if both else b"")
    length = 3 + len(stamps) + len(data)
    head = struct.pack(
        ">3sBHBBB",
        b"\0\0\1",
        stream_id,
        length if length < 0x10000 else 0,
        0x84,
        0xC0 if both else 0x80,
        len(stamps),
    )
    return head + stamps + data


def _stamp(prefix: int, ticks: int) -> bytes:
    t = ticks & _MASK
    return struct.pack(">BHH", prefix << 4 | t >> 29 & 0x0E | 1, t >> 14 & 0xFFFE | 1, t << 1 & 0xFFFE | 1)


def _entry(kind: int, pid: int) -> bytes:
    return struct.pack(">BHH", kind, 0xE000 | pid, 0xF000)


def _table(table_id: int, number: int, body: bytes) -> bytes:
    section = struct.pack(">BHHBBB", table_id, 0xB000 | len(body) + 9, number, 0xC1, 0, 0) + body
    return section + struct.pack(">I", crc32(section))
