"""Segments with MediaMTX's structure: real boxes around samples that are never decoded.

For tests of index, timeline and follower, which read the structure and no pictures.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

from appliance.media.mp4 import boxes

VIDEO, AUDIO = 1, 2
VIDEO_HZ, AUDIO_HZ = 90_000, 48_000
# Baseline 640x360, as libx264 writes it; the PPS is the usual one byte of payload.
SPS = bytes.fromhex("6742c01ed900a02ff970110000030001000003003c8f162e48")
PPS = bytes.fromhex("68cb83cb20")


def _nal(nal: bytes) -> bytes:
    return struct.pack(">I", len(nal)) + nal


def _avcc() -> bytes:
    sets = b"\xe1" + struct.pack(">H", len(SPS)) + SPS + b"\1" + struct.pack(">H", len(PPS)) + PPS
    return boxes.box(b"avcC", b"\1" + SPS[1:4] + b"\xff" + sets)


@dataclass(frozen=True)
class Sample:
    """One video frame: ticks of 90 kHz."""

    duration: int
    sync: bool = False
    cto: int = 0
    size: int = 40


def key_bytes(size: int) -> bytes:
    """An access unit that begins with its parameter sets, as MediaMTX writes every key."""
    head = _nal(SPS) + _nal(PPS)
    return head + _nal(b"\x65" + bytes(max(1, size - len(head) - 5)))


def init(mtxi: tuple[bytes, int, int, int] | None, *, video: bool = True, duration_ms: int = 0) -> bytes:
    """ftyp and moov; `mtxi` is (StreamID, number, DTS ns, NTP ns)."""
    traks = []
    if video:
        entry = boxes.visual_entry(b"avc1", 640, 360, _avcc())
        media = boxes.mdia(VIDEO_HZ, 0, boxes.empty_stbl(boxes.stsd(entry)), audio=False, version=0)
        traks.append(boxes.box(b"trak", boxes.tkhd(VIDEO, 0, 640, 360, audio=False, version=0), media))
    entry = boxes.mp4a_entry(2, AUDIO_HZ, b"\x11\x90")
    media = boxes.mdia(AUDIO_HZ, 0, boxes.empty_stbl(boxes.stsd(entry)), audio=True, version=0)
    traks.append(boxes.box(b"trak", boxes.tkhd(AUDIO, 0, 0, 0, audio=True, version=0), media))
    mvex = boxes.box(b"mvex", *(boxes.trex(track) for track in ((VIDEO, AUDIO) if video else (AUDIO,))))
    udta = boxes.box(b"udta", boxes.mtxi(*mtxi)) if mtxi is not None else b""
    moov = boxes.box(b"moov", boxes.mvhd(1000, duration_ms, 3, version=0), *traks, mvex, udta)
    return boxes.ftyp(b"mp42", 1, b"mp41mp42isomhlsf") + moov


def _traf(track: int, tfdt: int, flags: int, rows: bytes, count: int, offset: int) -> bytes:
    return boxes.box(
        b"traf",
        boxes.full_box(b"tfhd", 0, 0x20000, struct.pack(">I", track)),
        boxes.full_box(b"tfdt", 1, 0, struct.pack(">Q", tfdt)),
        boxes.full_box(b"trun", 1, flags, struct.pack(">Ii", count, offset), rows),
    )


def part(
    video: Sequence[Sample] = (),
    tfdt: int = 0,
    *,
    audio: tuple[int, int] | None = None,
    sequence: int = 0,
    audio_first: bool = False,
) -> bytes:
    """One moof+mdat; `audio` is (tfdt, number of 1024-tick samples of 4 bytes)."""
    tracks: list[tuple[int, int, int, bytes, int, bytes]] = []
    if video:
        rows = b"".join(
            struct.pack(">IIIi", s.duration, len(_payload(s)), 0 if s.sync else 0x10000, s.cto) for s in video
        )
        tracks.append((VIDEO, tfdt, 0xF01, rows, len(video), b"".join(map(_payload, video))))
    if audio is not None:
        rows = struct.pack(">II", 1024, 4) * audio[1]
        tracks.append((AUDIO, audio[0], 0x301, rows, audio[1], b"\1\2\3\4" * audio[1]))
    if audio_first:
        tracks.reverse()
    size = len(_moof(tracks, [0] * len(tracks), sequence))
    offsets, at = [], size + 8
    for track in tracks:
        offsets.append(at)
        at += len(track[5])
    return _moof(tracks, offsets, sequence) + boxes.box(b"mdat", *(track[5] for track in tracks))


def _payload(sample: Sample) -> bytes:
    return key_bytes(sample.size) if sample.sync else _nal(b"\x41" + bytes(sample.size - 5))


def _moof(tracks: list[tuple[int, int, int, bytes, int, bytes]], offsets: list[int], sequence: int) -> bytes:
    trafs = [_traf(*track[:5], offset) for track, offset in zip(tracks, offsets, strict=True)]
    return boxes.box(b"moof", boxes.full_box(b"mfhd", 0, 0, struct.pack(">I", sequence)), *trafs)


@dataclass
class Camera:
    """Parts of an endless recording: 30 fps, a key every second, audio beside it."""

    stream_id: bytes = b"\x11" * 16
    frames_per_part: int = 6
    frame_ticks: int = 3000
    gop: int = 30
    dts_ns: int = 0
    ntp_ns: int = 1_790_000_000_000_000_000
    number: int = 0
    duration_ms: int = 0  # already in the header at the start: as in a finished file
    frame: int = field(default=0, init=False)
    sequence: int = field(default=0, init=False)
    started_at: int = field(default=0, init=False)

    def begin(self) -> bytes:
        """The init of the next segment; media time goes on."""
        self.started_at, self.sequence = self.frame, 0
        elapsed_ns = self.frame * self.frame_ticks * 100_000 // 9
        mtxi = (self.stream_id, self.number, self.dts_ns + elapsed_ns, self.ntp_ns + elapsed_ns)
        self.number += 1
        return init(mtxi, duration_ms=self.duration_ms)

    def next_part(self) -> bytes:
        frames = range(self.frame, self.frame + self.frames_per_part)
        samples = [Sample(self.frame_ticks, frame % self.gop == 0) for frame in frames]
        tfdt = (self.frame - self.started_at) * self.frame_ticks
        made = part(samples, tfdt, sequence=self.sequence, audio_first=bool(self.sequence % 2))
        self.frame += self.frames_per_part
        self.sequence += 1
        return made

    def segment(self, parts: int) -> list[bytes]:
        return [self.begin(), *(self.next_part() for _ in range(parts))]
