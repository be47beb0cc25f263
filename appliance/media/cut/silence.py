"""The decoder configuration of an AAC track, and silent frames to fill a hole in it: plain AAC LC.

Owns: the AudioSpecificConfig in a sample entry, the bits of one silent raw_data_block, whether a track can
contain it. Must not know: tables, gaps.

Why not an empty edit: FFmpeg (8.1, measured; Chromium demuxes with FFmpeg, not measured) plays the beginning
of the track during an empty edit that is not the first one. Why not only a long sample duration: FFmpeg plays
it correctly, but a packet of 1024 samples with a duration of three seconds is untested on a tablet.
Source: ISO/IEC 14496-3 4.4.2 (AAC LC syntax).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from appliance.media.bitstream.params import first_entry
from appliance.media.mp4.fmp4 import Malformed, Track, read_box_header

SAMPLES_PER_FRAME: Final = 1024
_AUDIO_ENTRY_BYTES: Final = 36  # box header and fixed fields of an audio sample entry, version 0
_AAC_LC: Final = 2
# max_sfb 0: no spectrum at all. Fields as (bits, width), in the order of the syntax.
_ICS_INFO: Final = (
    (0, 1),
    (0, 2),
    (0, 1),
    (0, 6),
    (0, 1),
)  # reserved, long window, sine shape, max_sfb, predictor
_CHANNEL: Final = ((0, 8),)  # global_gain
_TOOLS: Final = ((0, 1), (0, 1), (0, 1))  # pulse, tns, gain control: none
_END: Final = ((7, 3),)
_FRAMES: Final = {
    1: ((0, 3), (0, 4), *_CHANNEL, *_ICS_INFO, *_TOOLS, *_END),
    2: ((1, 3), (0, 4), (1, 1), *_ICS_INFO, (0, 2), *_CHANNEL, *_TOOLS, *_CHANNEL, *_TOOLS, *_END),
}


SoundId = tuple[int, str, bytes]


def sound_id(track: Track) -> SoundId:
    """Equal ids: packets of both tracks decode with one description. (esds also holds measured bit rates.)"""
    return track.timescale, track.codec, _specific_of(track) or track.stsd


def silent_frame(track: Track) -> bytes | None:
    """One silent access unit for the track, or None when it is not AAC LC in mono or stereo."""
    specific = _specific_of(track)
    if len(specific) < 2 or specific[0] >> 3 != _AAC_LC:
        return None
    short = specific[1] >> 2 & 1  # frameLengthFlag: 960 samples
    fields = _FRAMES.get(specific[1] >> 3 & 0xF)
    return None if fields is None or short else _packed(fields)


@lru_cache(maxsize=64)  # called for every run of packets of every clip
def _specific_of(track: Track) -> bytes:
    if track.codec != "mp4a":
        return b""
    try:
        return _audio_specific_config(first_entry(track))
    except Malformed:
        return b""


def _packed(fields: tuple[tuple[int, int], ...]) -> bytes:
    value = length = 0
    for bits, width in fields:
        value, length = value << width | bits, length + width
    padding = -length % 8
    return (value << padding).to_bytes((length + padding) // 8, "big")


def _audio_specific_config(entry: bytes) -> bytes:
    """DecoderSpecificInfo of an mp4a entry's esds (14496-1 7.2.6); empty when there is none."""
    at = _AUDIO_ENTRY_BYTES
    while (header := read_box_header(entry, at)) is not None and at + header.size <= len(entry):
        if header.fourcc == b"esds":
            return _specific_info(entry[at + header.header_size + 4 : at + header.size])
        at += header.size
    return b""


def _specific_info(body: bytes) -> bytes:
    """Walk ES descriptor (tag 3) and decoder config (4) down to the specific info (5)."""
    at = 0
    while at < len(body):
        tag = body[at]
        at, length = _expandable(body, at + 1)
        if tag == 3:
            flags = body[at + 2] if at + 2 < len(body) else 0
            at += 3 + 2 * (flags >> 7) + 2 * (flags >> 5 & 1)
            if flags & 0x40:
                at += 1 + (body[at] if at < len(body) else 0)
        elif tag == 4:
            at += 13
        elif tag == 5:
            return body[at : at + length]
        else:
            at += length
    return b""


def _expandable(body: bytes, at: int) -> tuple[int, int]:
    """(place after it, value) of a length of one to four bytes, seven bits each."""
    value = 0
    for _ in range(4):
        if at >= len(body):
            return at, 0
        byte = body[at]
        value, at = value << 7 | byte & 0x7F, at + 1
        if not byte & 0x80:
            break
    return at, value
