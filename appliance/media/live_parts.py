"""A recording's parts as a live stream: the same bytes, on one timeline, from a key frame on.

Owns: what MSE needs that a recording does not have: a first fragment that starts with a key, decode times
that go on over segment borders, a codecs string. Must not know: sockets, who watches.

Every fragment's decode time is the run's media time plus LEAD_NS, so all clients share the same bytes and
a new segment of the run needs nothing new. Parts start mid-GOP (MediaMTX does not align them); Chromium
refuses a first fragment without a key (facts/cutting.md section 4), so the first one is rebuilt.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from appliance.media.fmp4 import Init, Malformed, Track, TrackRun, parse_moof, read_box_header
from appliance.media.fragment import Sample, Traf, part
from appliance.media.params import first_entry
from appliance.media.view import Key, Part, SegmentView

NS = 1_000_000_000
LEAD_NS = 60 * NS  # mtxi.DTS may be negative (facts/mediamtx.md 1.3), a decode time may not


def ticks(ns: int, track: Track) -> int:
    """Media time as ticks of a track, rounded down."""
    return ns * track.timescale // NS


def shift_of(view: SegmentView, track: Track) -> int:
    """What is added to the decode times of `view` to put them on the live timeline."""
    return ticks(view.base_ns + LEAD_NS, track)


def mime_of(init: Init) -> str:
    """The MIME type with codecs (RFC 6381) that MediaSource.isTypeSupported is asked with."""
    names = [name for track in init.tracks if (name := _codec(track)) is not None]
    return f'video/mp4; codecs="{", ".join(names)}"'


def _codec(track: Track) -> str | None:
    if track.kind == "other":
        return None
    entry = first_entry(track)
    if track.codec in ("avc1", "avc3"):
        at = entry.find(b"avcC")
        return f"{track.codec}.{entry[at + 5 : at + 8].hex()}" if at > 0 else track.codec
    if track.codec in ("hvc1", "hev1"):
        return _hevc(track.codec, entry)
    if track.codec == "mp4a":
        return "mp4a.40.2"
    return {"Opus": "opus"}.get(track.codec, track.codec)


def _hevc(codec: str, entry: bytes) -> str:
    """ISO/IEC 14496-15 annex E: profile, compatibility (bits reversed), tier and level, constraints."""
    at = entry.find(b"hvcC")
    if at < 0:
        return codec
    profile, compatible = entry[at + 5], struct.unpack_from(">I", entry, at + 6)[0]
    reversed_bits = int(f"{compatible:032b}"[::-1], 2)
    constraints = entry[at + 10 : at + 16].rstrip(b"\0")
    space = ["", "A", "B", "C"][profile >> 6]
    tier = "H" if profile & 0x20 else "L"
    flags = "".join(f".{byte:x}" for byte in constraints)
    return f"{codec}.{space}{profile & 0x1F}.{reversed_bits:x}.{tier}{entry[at + 16]}{flags}"


def shifted(data: bytes, moof_size: int, shifts: dict[int, int]) -> bytes:
    """A whole part with its decode times moved: `shifts` is ticks by track id. Raises Malformed."""
    moved = bytearray(data)
    at = 8
    while (header := read_box_header(data[:moof_size], at)) is not None:
        if header.fourcc == b"traf":
            _shift_traf(moved, at + 8, at + header.size, shifts)
        at += header.size
    return bytes(moved)


def _shift_traf(moved: bytearray, at: int, end: int, shifts: dict[int, int]) -> None:
    track_id = 0
    while (header := read_box_header(bytes(moved[:end]), at)) is not None:
        if header.fourcc == b"tfhd":
            track_id = struct.unpack_from(">I", moved, at + 12)[0]
        elif header.fourcc == b"tfdt":
            if moved[at + 8] != 1:
                raise Malformed("a part with 32-bit decode times cannot be moved")
            time = struct.unpack_from(">Q", moved, at + 12)[0] + shifts.get(track_id, 0)
            struct.pack_into(">Q", moved, at + 12, time)
        at += header.size


def from_key(data: bytes, where: Part, view: SegmentView, key: Key) -> bytes:
    """The first fragment of a stream: `data` is the part `where`, cut to begin with `key`.

    Raises Malformed.
    """
    video = view.init.video
    if video is None:
        raise Malformed(f"{view.name} has no video")
    runs = parse_moof(data[: where.moof_size], 0, view.init)
    trafs = [_video(data, video, runs, key.sample, shift_of(view, video))]
    for track in view.init.tracks:
        if track.kind == "audio":
            begin = key.pts * track.timescale // video.timescale
            samples, first = _samples(data, [run for run in runs if run.track_id == track.id], begin)
            if samples:
                trafs.append(Traf(track.id, first + shift_of(view, track), samples))
    return part(0, trafs)


def _video(data: bytes, track: Track, runs: Sequence[TrackRun], sample: int, shift: int) -> Traf:
    samples, _ = _samples(data, [run for run in runs if run.track_id == track.id])
    if sample >= len(samples):
        raise Malformed("the key is not in its part")
    kept = samples[sample:]
    return Traf(track.id, kept[0].dts + shift, kept)


def _samples(data: bytes, runs: Sequence[TrackRun], begin: int | None = None) -> tuple[list[Sample], int]:
    """Samples of one track, those that end by `begin` left out; and the first one's dts."""
    found: list[Sample] = []
    for run in runs:
        dts, at = run.tfdt, run.data_offset
        for place, size in enumerate(run.sizes):
            duration = run.durations[place]
            cto = run.ctos[place] if run.ctos is not None else 0
            is_sync = run.sync is None or bool(run.sync[place])
            if begin is None or dts + duration > begin:
                found.append(Sample(dts, dts + cto, duration, is_sync, data[at : at + size]))
            dts += duration
            at += size
    return found, found[0].dts if found else 0
