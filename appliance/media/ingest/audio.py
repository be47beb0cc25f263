"""Audio in transport streams, converted to MP4 samples: AAC in ADTS, Opus.

Owns: ADTS (ISO/IEC 14496-3 1.A.3), Opus in MPEG-TS (ETSI TS 102 366-style control header, as FFmpeg and OBS
write it) and packet durations (RFC 6716 section 3.1). Must not know: files, time beyond sample counts.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

from appliance.media.mp4 import boxes

_RATES: Final = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)
AAC_SAMPLES: Final = 1024
OPUS_RATE: Final = 48000
_MAX_CARRY: Final = 8192  # an ADTS frame is at most 8,191 bytes


class AudioFrame(NamedTuple):
    """One frame: `samples` long; `entry` the sample entry it needs, `rate` its timescale."""

    data: bytes
    samples: int
    rate: int
    entry: bytes


class AdtsReader:
    """AAC frames out of PES payloads; a frame may continue in the next payload."""

    def __init__(self) -> None:
        self._carry = b""

    def feed(self, payload: bytes) -> Iterator[tuple[AudioFrame, bool]]:
        """Frames with whether each began in this payload (then the payload's PTS counts from it)."""
        data, carried = self._carry + payload, len(self._carry)
        at = 0
        while True:
            begin = _next_adts(data, at)
            if begin is None:
                self._carry = data[max(at, len(data) - 6) :] if data[at:] else b""
                return
            size = (data[begin + 3] & 3) << 11 | data[begin + 4] << 3 | data[begin + 5] >> 5
            if begin + size > len(data):
                self._carry = data[begin:][:_MAX_CARRY]
                return
            yield _adts_frame(data[begin : begin + size]), begin >= carried
            at = begin + size


def _next_adts(data: bytes, at: int) -> int | None:
    """Offset of the next plausible frame header: sync word, layer 0, known rate, sane size."""
    while True:
        at = data.find(b"\xff", at)
        if at < 0 or at + 7 > len(data):
            return None
        if data[at + 1] & 0xF6 == 0xF0 and data[at + 2] >> 2 & 15 < len(_RATES) and _channels(data, at):
            header = 7 if data[at + 1] & 1 else 9
            if ((data[at + 3] & 3) << 11 | data[at + 4] << 3 | data[at + 5] >> 5) > header:
                return at
        at += 1


def _channels(data: bytes, at: int) -> int:
    return (data[at + 2] & 1) << 2 | data[at + 3] >> 6


def _adts_frame(frame: bytes) -> AudioFrame:
    kind, index, channels = (frame[2] >> 6) + 1, frame[2] >> 2 & 15, _channels(frame, 0)
    specific = struct.pack(">H", kind << 11 | index << 7 | channels << 3)
    rate = _RATES[index]
    # the sample entry has 16 bits for it; above, only the AudioSpecificConfig has it (as FFmpeg writes)
    entry = boxes.mp4a_entry(8 if channels == 7 else channels, rate if rate < 65_536 else 0, specific)
    blocks = (frame[6] & 3) + 1
    return AudioFrame(frame[7 if frame[1] & 1 else 9 :], AAC_SAMPLES * blocks, rate, entry)


def opus_frames(payload: bytes, channels: int) -> Iterator[AudioFrame]:
    """Opus packets of one PES payload; stops at the first byte that does not fit."""
    at = 0
    while at + 2 < len(payload) and payload[at] == 0x7F and payload[at + 1] & 0xE0 == 0xE0:
        flags = payload[at + 1]
        at += 2
        size = 0
        while at < len(payload):
            size += payload[at]
            at += 1
            if payload[at - 1] != 0xFF:
                break
        at += 2 * bool(flags & 0x10) + 2 * bool(flags & 0x08)  # trims: played in full
        if flags & 0x04 and at < len(payload):
            at += 1 + payload[at]
        packet = payload[at : at + size]
        if len(packet) < size or not packet:
            return
        at += size
        yield AudioFrame(packet, opus_samples(packet), OPUS_RATE, _opus_entry(channels))


def opus_samples(packet: bytes) -> int:
    """Length of an Opus packet at 48 kHz, from its table-of-contents byte."""
    config, count_code = packet[0] >> 3, packet[0] & 3
    if config < 12:
        frame = (480, 960, 1920, 2880)[config & 3]
    elif config < 16:
        frame = (480, 960)[config & 1]
    else:
        frame = (120, 240, 480, 960)[config & 3]
    if count_code < 3:
        return frame * (1, 2, 2)[count_code]
    return frame * ((packet[1] & 0x3F) if len(packet) > 1 else 1)


def _opus_entry(channels: int) -> bytes:
    specific = boxes.box(b"dOps", struct.pack(">BBHIhB", 0, channels, 312, OPUS_RATE, 0, 0))
    head = bytes(6) + b"\0\1" + bytes(8) + struct.pack(">HHHHI", channels, 16, 0, 0, OPUS_RATE << 16)
    return boxes.box(b"Opus", head, specific)
