"""Bounds-checked reading of fragmented MP4: the init part here, one moof at a time in moof.py.

Owns: parsing the head of a recording into an Init. Must not know: files, indexes, wall time.
The bytes may come from a damaged disk or a hostile camera: the only exception they can cause is Malformed,
and counts are checked before anything is allocated for them.
Layout: ISO/IEC 14496-12 section 8; `mtxi` is MediaMTX's (boxes.mtxi).
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from appliance.media.mp4.turn import AS_CODED, MATRIX_BYTES, UNITY, Turn, turn_of, usable
from appliance.media.mp4.walk import BoxHeader, Malformed, Truncated, children, read_box_header, u32, u64

__all__ = [
    "BoxHeader",
    "Init",
    "Malformed",
    "Mtxi",
    "Track",
    "Truncated",
    "parse_init",
    "read_box_header",
]

MAX_INIT_BYTES: Final = 1 << 20
MAX_TRACKS: Final = 32
_MAX_TIMESCALE: Final = 1_000_000_000

MOVING: Final = frozenset({"avc1", "avc3", "hvc1", "hev1", "av01", "vp09", "vp08"})
"""Codecs of video. Others may be cover pictures (jpeg, png; JPEG and PNG as mp4v)."""

Kind = Literal["video", "audio", "other"]
_KIND_OF_HANDLER: Final[dict[bytes, Kind]] = {b"vide": "video", b"soun": "audio"}


@dataclass(frozen=True, slots=True)
class Track:
    """One track of an init; `stsd` is the whole box, `codec` the fourcc of its first entry.

    `width` and `height` are of the picture as coded; `matrix` (tkhd) says how it is turned when shown.
    """

    id: int
    kind: Kind
    timescale: int
    codec: str
    stsd: bytes
    width: int
    height: int
    # trex: the values of fields that a fragment leaves out (MediaMTX leaves none out)
    default_duration: int = 0
    default_size: int = 0
    default_flags: int = 0
    matrix: bytes = UNITY

    @property
    def turn(self) -> Turn:
        """How a coded picture is turned upright."""
        return AS_CODED if self.matrix == UNITY else turn_of(struct.unpack(">9i", self.matrix))


@dataclass(frozen=True, slots=True)
class Mtxi:
    """Which run (StreamID) a segment belongs to, its number in it, and the run's media time at its start."""

    stream_id: bytes
    number: int
    dts_ns: int
    ntp_ns: int


@dataclass(frozen=True, slots=True)
class Init:
    """ftyp+moov of a segment; fragments begin at or after `size` bytes."""

    tracks: tuple[Track, ...]
    mtxi: Mtxi | None
    size: int
    duration: int = 0  # mvhd, in `timescale` ticks; MediaMTX patches it when it closes the file
    timescale: int = 1000
    chosen: int = 0  # id of the video track that has samples, once that is known; see `with_samples`
    stsd_id: str = field(init=False)  # equal ids: samples can share one set of tracks
    # Every video track, those of moving pictures before cover pictures, and the one chosen as the channel's
    # video: computed once here, because each part and each scan of a growing file uses it.
    videos: tuple[Track, ...] = field(init=False, repr=False, compare=False)
    video: Track | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        digest = hashlib.blake2s(digest_size=8)
        for track in self.tracks:
            turned = track.matrix.hex() if track.matrix != UNITY else ""
            digest.update(repr((track.id, track.kind, track.timescale, track.stsd)).encode())
            digest.update(turned.encode())
        object.__setattr__(self, "stsd_id", digest.hexdigest())
        of_video = [track for track in self.tracks if track.kind == "video"]
        videos = tuple(sorted(of_video, key=lambda track: track.codec not in MOVING))
        object.__setattr__(self, "videos", videos)
        video = next((track for track in videos if track.id == self.chosen), videos[0] if videos else None)
        object.__setattr__(self, "video", video)

    def with_samples(self, counts: Mapping[int, int]) -> Init:
        """The same with its video track chosen by the first part that has video: `counts` samples by track.

        A still picture is one sample; a track of another codec does not count where a moving picture is
        announced.
        """
        videos = self.videos
        if self.chosen or len(videos) < 2:
            return self
        moving = [track for track in videos if track.codec in MOVING] or list(videos)
        having = [track for track in moving if counts.get(track.id)]
        several = [track for track in having if counts[track.id] > 1]
        return replace(self, chosen=(several or having)[0].id) if having else self

    @property
    def sounds(self) -> tuple[Track, ...]:
        """Every sound track in the file's order."""
        return tuple(track for track in self.tracks if track.kind == "audio")

    @property
    def audio(self) -> Track | None:
        return next((track for track in self.tracks if track.kind == "audio"), None)


def parse_init(data: bytes) -> Init:
    """Init of a file whose first bytes are `data`.

    Raises Truncated when moov is not complete in `data`, Malformed when it never can be.
    """
    at = 0
    while True:
        header = read_box_header(data, at)
        if header is None:
            raise Truncated("the file ends before its moov does")
        if header.fourcc == b"moof":
            raise Malformed("a moof comes before any moov")
        if at + header.size > MAX_INIT_BYTES:
            raise Malformed(f"{header.fourcc!r} of {header.size} bytes where a small moov belongs")
        if at + header.size > len(data):
            raise Truncated(f"the file ends inside {header.fourcc!r}")
        if header.fourcc == b"moov":
            return _parse_moov(data, at + header.header_size, at + header.size)
        at += header.size


def _parse_moov(data: bytes, at: int, end: int) -> Init:
    tracks: list[Track] = []
    defaults: dict[int, tuple[int, int, int]] = {}
    mtxi: Mtxi | None = None
    duration, timescale = 0, 1000
    for fourcc, start, stop in children(data, at, end):
        if fourcc == b"trak":
            tracks.append(_parse_trak(data, start, stop))
        elif fourcc == b"mvhd":
            timescale, duration = _timescale_and_duration(data, start, stop)
        elif fourcc == b"mvex":
            defaults = _parse_mvex(data, start, stop)
        elif fourcc == b"udta":
            mtxi = _parse_udta(data, start, stop)
        if len(tracks) > MAX_TRACKS:
            raise Malformed(f"more than {MAX_TRACKS} tracks")
    if not tracks:
        raise Malformed("moov without a track")
    if len({track.id for track in tracks}) != len(tracks):
        raise Malformed("two tracks share an id")
    whole = tuple(_with_defaults(track, defaults.get(track.id)) for track in tracks)
    return Init(tracks=whole, mtxi=mtxi, size=end, duration=duration, timescale=timescale)


def _with_defaults(track: Track, defaults: tuple[int, int, int] | None) -> Track:
    if defaults is None or defaults == (0, 0, 0):
        return track
    duration, size, flags = defaults
    return replace(track, default_duration=duration, default_size=size, default_flags=flags)


def _parse_trak(data: bytes, at: int, end: int) -> Track:
    track_id = 0
    size, matrix = (0, 0), UNITY
    media: tuple[Kind, int, bytes] | None = None
    for fourcc, start, stop in children(data, at, end):
        if fourcc == b"tkhd":
            version = u32(data, start, stop) >> 24
            track_id = u32(data, start + (20 if version else 12), stop)
            size = (u32(data, stop - 8, stop) >> 16, u32(data, stop - 4, stop) >> 16)
            matrix = _matrix(data, start, stop)
        elif fourcc == b"mdia":
            media = _parse_mdia(data, start, stop)
    if not track_id or media is None:
        raise Malformed("a trak lacks tkhd or mdia")
    kind, timescale, stsd = media
    codec, entry_size = _first_entry(stsd, kind)
    width, height = entry_size if all(entry_size) else size
    return Track(track_id, kind, timescale, codec, stsd, width, height, matrix=matrix)


def _matrix(data: bytes, start: int, stop: int) -> bytes:
    """tkhd's display matrix, which lies before its width and height."""
    matrix = data[max(start, stop - 8 - MATRIX_BYTES) : stop - 8]
    return usable(matrix) if len(matrix) == MATRIX_BYTES else UNITY


def _parse_mdia(data: bytes, at: int, end: int) -> tuple[Kind, int, bytes]:
    kind: Kind = "other"
    timescale = 0
    stsd = b""
    for fourcc, start, stop in children(data, at, end):
        if fourcc == b"mdhd":
            timescale, _ = _timescale_and_duration(data, start, stop)
        elif fourcc == b"hdlr":
            u32(data, start + 8, stop)
            kind = _KIND_OF_HANDLER.get(data[start + 8 : start + 12], "other")
        elif fourcc == b"minf":
            stsd = _find_stsd(data, start, stop)
    if not 0 < timescale <= _MAX_TIMESCALE:
        raise Malformed(f"a track has {timescale} ticks per second")
    return kind, timescale, stsd


def _timescale_and_duration(data: bytes, start: int, stop: int) -> tuple[int, int]:
    if u32(data, start, stop) >> 24:
        return u32(data, start + 20, stop), u64(data, start + 24, stop)
    return u32(data, start + 12, stop), u32(data, start + 16, stop)


def _find_stsd(data: bytes, at: int, end: int) -> bytes:
    for fourcc, start, stop in children(data, at, end):
        if fourcc == b"stbl":
            for inner, inner_start, inner_stop in children(data, start, stop):
                if inner == b"stsd":
                    # with the short header form, so that a copy in a clip is canonical
                    body = data[inner_start:inner_stop]
                    return struct.pack(">I4s", len(body) + 8, b"stsd") + body
    return b""


def _first_entry(stsd: bytes, kind: Kind) -> tuple[str, tuple[int, int]]:
    """(fourcc, (width, height)) of the first sample entry; ("", (0, 0)) when there is none."""
    if kind == "other" or not stsd:
        return "", (0, 0)
    for fourcc, start, stop in children(stsd, 16, len(stsd)):
        size = (0, 0)
        if kind == "video":
            packed = u32(stsd, start + 24, stop)
            size = (packed >> 16, packed & 0xFFFF)
        return fourcc.decode("latin-1"), size
    raise Malformed("stsd without a sample entry")


def _parse_mvex(data: bytes, at: int, end: int) -> dict[int, tuple[int, int, int]]:
    defaults: dict[int, tuple[int, int, int]] = {}
    for fourcc, start, stop in children(data, at, end):
        if fourcc == b"trex":
            track_id, _, *rest = (u32(data, start + 4 + 4 * i, stop) for i in range(5))
            defaults[track_id] = (rest[0], rest[1], rest[2])
    return defaults


def _parse_udta(data: bytes, at: int, end: int) -> Mtxi | None:
    """MediaMTX's box, if it is present and has its length; other user data is ignored."""
    while at + 8 <= end:  # QuickTime ends user data with four zeros
        header = read_box_header(data, at)
        if header is None or at + header.size > end:
            break
        start, stop = at + header.header_size, at + header.size
        if header.fourcc == b"mtxi" and stop - start >= 44:
            stream_id, number, dts_ns, ntp_ns = struct.unpack_from(">16sQqq", data, start + 4)
            return Mtxi(stream_id, number, dts_ns, ntp_ns)
        at = stop
    return None
