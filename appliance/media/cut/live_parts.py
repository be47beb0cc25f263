"""A recording's parts as a live stream: the same bytes, on one timeline, from a key frame on.

Owns: what MSE needs that a recording does not have: a first fragment that starts with a key, decode times
that continue over segment borders, a codecs string. Must not know: sockets, viewers.

A stream has the channel's video track and one sound track, whatever else the file contains (cover pictures, a
second video, further sound tracks, data): a browser may refuse a codec it cannot decode, and waits for data
of every announced track.

Every fragment's decode time is the run's media time plus LEAD_NS, so all clients share the same bytes and a
new segment of the run needs no new init. Parts start mid-GOP (MediaMTX does not align them); Chromium refuses
a first fragment without a key, so the first one is rebuilt.
"""

from __future__ import annotations

import struct
from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from appliance.media.bitstream.access_points import is_slice, sample_nals
from appliance.media.bitstream.blank_idr import blank_idr
from appliance.media.bitstream.params import (
    KEY_HEAD_BYTES,
    Description,
    codec_of,
    describe,
    first_entry,
    length_size,
    sets_at,
)
from appliance.media.bitstream.picture_sets import H264_PPS, H264_SPS
from appliance.media.index.view import Key, Part, SegmentView
from appliance.media.mp4 import boxes
from appliance.media.mp4.fmp4 import Init, Malformed, Track, read_box_header
from appliance.media.mp4.fragment import Sample, Traf, part
from appliance.media.mp4.moof import TrackRun, parse_moof
from appliance.media.mp4.walk import children, u32

NS = 1_000_000_000
LEAD_NS = 60 * NS  # mtxi.DTS may be negative, a decode time may not


def ticks(ns: int, track: Track) -> int:
    """Media time as ticks of a track, rounded down."""
    return ns * track.timescale // NS


def shift_of(view: SegmentView, track: Track) -> int:
    """What is added to the decode times of `view` to put them on the live timeline."""
    return ticks(view.base_ns + LEAD_NS, track)


def tracks_shown(init: Init, sound: int | None = None) -> list[Track]:
    """The tracks of a live stream in the file's order: the channel's video and the sound track of this id.

    0: no sound; None: the first sound track.
    """
    sound_id = init.audio.id if sound is None and init.audio is not None else sound
    return [
        track
        for track in init.tracks
        if track is init.video or (track.kind == "audio" and track.id == sound_id)
    ]


def tracks_in(moof: bytes, init: Init) -> set[int]:
    """Ids of the tracks that have samples in a part. Raises Malformed."""
    return {run.track_id for run in parse_moof(moof, 0, init) if run.sizes}


def mime_of(init: Init, video_entry: bytes | None = None, *, sound: int | None = None) -> str:
    """The MIME type with codecs (RFC 6381) for MediaSource.isTypeSupported.

    `video_entry`: the sample entry that describes the video, where that is not the file's own. `sound`: see
    `tracks_shown`.
    """
    names = [
        _codec(track, video_entry if video_entry and track is init.video else first_entry(track))
        for track in tracks_shown(init, sound)
    ]
    return f'video/mp4; codecs="{", ".join(names)}"'


def _codec(track: Track, entry: bytes) -> str:
    fourcc = entry[4:8].decode("latin-1")
    if track.codec in ("avc1", "avc3"):
        at = entry.find(b"avcC")
        return f"{fourcc}.{entry[at + 5 : at + 8].hex()}" if at > 0 else fourcc
    if track.codec in ("hvc1", "hev1"):
        return _hevc(fourcc, entry)
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


def keys_of_part(view: SegmentView, number: int) -> Sequence[Key]:
    """The keys in part `number`, in order."""
    keys = view.keys
    first = bisect_left(keys, number, key=lambda key: key.part)
    return keys[first : bisect_right(keys, number, lo=first, key=lambda key: key.part)]


def description_at(data: bytes, view: SegmentView, key: Key) -> Description:
    """The description for decoding pictures from `key` on; `data` is its part. Raises Malformed."""
    video = _video_of(view)
    samples, _ = _samples(data, _runs_of(data, view.parts[key.part], view, video.id))
    if key.sample >= len(samples):
        raise Malformed("the key is not in its part")
    return describe(video, samples[key.sample].data[:KEY_HEAD_BYTES])


def init_with(init: bytes, view: SegmentView, description: Description, *, sound: int | None = None) -> bytes:
    """The file's ftyp+moov `init` with only the tracks shown, and its video described by `description`.

    The file's own entry may be wrong or incomplete.
    """
    shown = {track.id for track in tracks_shown(view.init, sound)}
    if shown != {track.id for track in view.init.tracks}:
        init = _of_tracks(init, 0, len(init), shown)
    own, new = _video_of(view).stsd, boxes.stsd(description.entry)
    at = init.find(own)
    return init if own == new or at < 0 else _replaced(init, at, len(own), new)


def _of_tracks(data: bytes, at: int, end: int, ids: set[int]) -> bytes:
    """The boxes of data[at:end] without those of tracks other than these."""
    boxes_kept = []
    for fourcc, start, stop in children(data, at, end):
        if fourcc in (b"moov", b"mvex"):
            boxes_kept.append(boxes.box(fourcc, _of_tracks(data, start, stop, ids)))
        elif fourcc == b"trex":
            boxes_kept += [boxes.box(fourcc, data[start:stop])] if u32(data, start + 4, stop) in ids else []
        elif fourcc != b"trak" or _track_id(data, start, stop) in ids:
            boxes_kept.append(boxes.box(fourcc, data[start:stop]))
    return b"".join(boxes_kept)


def _track_id(data: bytes, at: int, end: int) -> int:
    """The track id in a trak's tkhd."""
    for fourcc, start, stop in children(data, at, end):
        if fourcc == b"tkhd":
            return u32(data, start + (20 if data[start] else 12), stop)
    raise Malformed("a trak lacks tkhd")


def _replaced(data: bytes, at: int, size: int, new: bytes) -> bytes:
    """The box at `at` replaced; the sizes of all boxes around it are adjusted."""
    made = bytearray(data[:at] + new + data[at + size :])
    begin, end = 0, len(data)
    while begin < at and (header := read_box_header(data[:end], begin)) is not None:
        if begin + header.size <= at:
            begin += header.size
            continue
        if header.header_size != 8:
            raise Malformed("an init of boxes with 64-bit sizes")
        struct.pack_into(">I", made, begin, header.size + len(new) - size)
        begin, end = begin + 8, begin + header.size
    return bytes(made)


def from_key(
    data: bytes, view: SegmentView, key: Key, *, with_idr: bool = False, sound: int | None = None
) -> bytes:
    """The first fragment of a stream: the part `data` of `key`, cut to begin with that key.

    `with_idr`: an H.264 recovery point gets a grey IDR picture of 1 ms before it (blank_idr.py; 0.1 s of work
    once for 1920x1080). Raises Malformed.
    """
    leading_of = None if key.resets else key
    return stretch(data, view, key.part, begin=key, leading_of=leading_of, with_idr=with_idr, sound=sound)


def stretch(
    data: bytes,
    view: SegmentView,
    number: int,
    *,
    begin: Key | None = None,
    end: Key | None = None,
    leading_of: Key | None = None,
    with_idr: bool = False,
    sound: int | None = None,
) -> bytes:
    """Samples of part `number`, from one key (or its start) to before another (or its end), as a fragment.

    Of the tracks shown only; empty bytes when they have no samples (Chromium refuses a fragment without a
    track). Pictures that follow the key `leading_of` and are shown before it are left out: after a recovery
    point at which decoding began they cannot be decoded. Decode times stay without a gap (MSE treats more
    than two frames as a discontinuity, and then waits for a key). Raises Malformed.
    """
    video, where = _video_of(view), view.parts[number]
    samples, _ = _samples(data, _runs_of(data, where, view, video.id))
    if any(key is not None and key.sample >= len(samples) for key in (begin, end)):
        raise Malformed("the key is not in its part")
    first = begin.sample if begin is not None else 0
    stop = end.sample if end is not None else len(samples)
    entries = {key.sample for key in keys_of_part(view, number)}
    if begin is not None:
        entries.add(first)
    from_pts = leading_of.pts if leading_of is not None else None
    pictures: list[Sample] = []
    gap_from: int | None = None  # dts of the first sample left out at the start
    for place in range(first, stop):
        sample = samples[place]
        after = leading_of is not None and (leading_of.part != number or place > leading_of.sample)
        if after and from_pts is not None and sample.pts < from_pts:
            if pictures:
                pictures[-1] = pictures[-1]._replace(duration=pictures[-1].duration + sample.duration)
            elif gap_from is None:
                gap_from = sample.dts
            continue
        if not pictures and gap_from is not None:
            sample = sample._replace(dts=gap_from, duration=sample.duration + sample.dts - gap_from)
        if pictures and sample.dts > pictures[-1].dts + pictures[-1].duration:
            pictures[-1] = pictures[-1]._replace(duration=sample.dts - pictures[-1].dts)
        pictures.append(sample._replace(sync=place in entries))
    if with_idr and begin is not None and not begin.resets and pictures:
        pictures[:0] = _grey(video, pictures[0])
    trafs = [Traf(video.id, pictures[0].dts + shift_of(view, video), pictures)] if pictures else []
    for track in tracks_shown(view.init, sound):
        if track is not video:
            low, high = (
                None if key is None else key.pts * track.timescale // video.timescale for key in (begin, end)
            )
            heard, at = _samples(data, _runs_of(data, where, view, track.id), low, high)
            if heard:
                trafs.append(Traf(track.id, at + shift_of(view, track), heard))
    return part(0, trafs) if trafs else b""


def _grey(video: Track, key: Sample) -> list[Sample]:
    """A grey IDR picture before a recovery point; empty when it cannot be made or is not needed."""
    if codec_of(video) != "h264":
        return []
    head = key.data[:KEY_HEAD_BYTES]
    slices = (nal for nal in sample_nals(head, length_size(video)) if nal and is_slice("h264", nal))
    sets = sets_at(video, head)
    sps, pps = (
        next((nal for (of, _), nal in sets.items() if of == kind), b"") for kind in (H264_SPS, H264_PPS)
    )
    idr = blank_idr(sps, pps, next(slices, b""))
    if idr is None:
        return []
    size = length_size(video)
    data = b"".join(len(nal).to_bytes(size, "big") + nal for nal in (sps, pps, idr))
    before = max(1, video.timescale // 1000)
    return [Sample(key.dts - before, key.pts - before, before, True, data)]


def _video_of(view: SegmentView) -> Track:
    if view.init.video is None:
        raise Malformed(f"{view.name} has no video")
    return view.init.video


def _runs_of(data: bytes, where: Part, view: SegmentView, track_id: int) -> list[TrackRun]:
    runs = parse_moof(data[: where.moof_size], 0, view.init)
    return [run for run in runs if run.track_id == track_id]


def _samples(
    data: bytes, runs: Sequence[TrackRun], begin: int | None = None, end: int | None = None
) -> tuple[list[Sample], int]:
    """Samples of one track, except those that end by `begin` or start after `end`; and the first one's
    dts."""
    samples: list[Sample] = []
    for run in runs:
        dts, at = run.tfdt, run.data_offset
        for place, size in enumerate(run.sizes):
            duration = run.durations[place]
            cto = run.ctos[place] if run.ctos is not None else 0
            is_sync = run.sync is None or bool(run.sync[place])
            if (begin is None or dts + duration > begin) and (end is None or dts + duration <= end):
                samples.append(Sample(dts, dts + cto, duration, is_sync, data[at : at + size]))
            dts += duration
            at += size
    return samples, samples[0].dts if samples else 0
