"""The index of one segment: every complete part, found by walking the file once, and further as it grows.

Owns: which bytes of a file are parts, their video times and keys.
Must not know: directories, wall time, other segments, threads.

`scan` only reads and returns its findings as values (run it in a thread); `SegmentIndex.apply` stores them
(run it where the index lives). Whatever the bytes are, a scan ends, allocates by the size of the file rather
than by what a box claims, and never raises because of them: a damaged file keeps the parts before the damage
and is read again only when it has grown. An incomplete box at the end is not damage but a part being written.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple
from zlib import crc32

from appliance.media.index.between import MAX_SKIPPED, Damage, check_box, find_mdat
from appliance.media.index.key_search import PictureFormat, Search, find_entries, is_quiet
from appliance.media.index.pace import FramePace, Hole, PartNote, last_holes, next_part
from appliance.media.index.view import Key, MediaClock, Part, SegmentView
from appliance.media.mp4.fmp4 import (
    MAX_INIT_BYTES,
    BoxHeader,
    Init,
    Malformed,
    Truncated,
    parse_init,
    read_box_header,
)
from appliance.media.mp4.moof import MAX_MOOF_BYTES, TrackRun, parse_moof
from appliance.media.mp4.untimed import go_on, is_untimed

MAX_PARTS_PER_SCAN: Final = 500  # a scan of an old file ends in ~30 ms, so that live ones get their turn
KEEP_RUNS: Final = 300  # newest parts whose sample tables stay in memory: a minute of parts of 0.2 s, 300 kB
KEEP_SAMPLES: Final = 1000  # ... but of no part with more samples: a normal one of 2 s has 300
_LOOK_BYTES: Final = 4096  # holds the moof of any usual part and the mdat header after it
_HEAD_BYTES: Final = 65536

State = Literal["empty", "growing", "closed", "unreadable"]


class ScanCursor(NamedTuple):
    """Where a scan continues; immutable, so a scan that fails half-way has changed nothing."""

    position: int = 0
    size: int = 0  # of the file when last scanned
    init: Init | None = None
    parts: int = 0
    skipped: int = 0  # boxes skipped since the last part
    origin_ns: int | None = None  # smallest decode time of the first part, any track, ns
    untimed: tuple[tuple[int, int], ...] = ()  # (track, ticks reached) of fragments without tfdt
    frames: int = 0
    pace: FramePace = FramePace()
    search: Search = Search()
    damage: str | None = None
    head: int | None = None  # checksum of how the first part begins: its sample sizes and first bytes


@dataclass(frozen=True, slots=True)
class Growth:
    """The findings of one scan; `more`: it ended early, call again."""

    cursor: ScanCursor
    parts: Sequence[Part] = ()
    notes: Sequence[PartNote] = ()
    keys: Sequence[Key] = ()
    holes: Sequence[Hole] = ()
    pictures: Sequence[PictureFormat] = ()
    more: bool = False
    runs: Sequence[tuple[TrackRun, ...]] = ()  # of each part, all tracks; empty where it has too many samples


@dataclass(slots=True)
class _Findings:
    parts: list[Part] = field(default_factory=list)
    notes: list[PartNote] = field(default_factory=list)
    keys: list[Key] = field(default_factory=list)
    holes: list[Hole] = field(default_factory=list)
    pictures: list[PictureFormat] = field(default_factory=list)
    runs: list[tuple[TrackRun, ...]] = field(default_factory=list)


def scan(cursor: ScanCursor, fd: int, size: int, max_parts: int = MAX_PARTS_PER_SCAN) -> Growth:
    """Continue from `cursor` to the last complete part below `size` bytes. OSError is passed on."""
    if size < cursor.position:
        return Growth(
            cursor._replace(damage=f"the file shrank from {cursor.size} to {size} bytes", size=size)
        )
    if cursor.damage is not None and size == cursor.size:
        return Growth(cursor)
    cursor = cursor._replace(damage=None, size=size)
    findings = _Findings()
    more = False
    try:
        if cursor.init is None:
            cursor = _read_init(cursor, fd, size)
        while cursor.init is not None and (step := _next_box(cursor, fd, size, findings)) is not None:
            cursor = step
            if len(findings.parts) >= max_parts:
                more = cursor.position < size
                break
    except Damage as damage:
        cursor = cursor._replace(damage=str(damage))
    return Growth(
        cursor,
        findings.parts,
        findings.notes,
        findings.keys,
        findings.holes,
        findings.pictures,
        more,
        findings.runs,
    )


def _read_init(cursor: ScanCursor, fd: int, size: int) -> ScanCursor:
    for length in (_HEAD_BYTES, MAX_INIT_BYTES):
        data = os.pread(fd, min(length, size), 0)
        try:
            init = parse_init(data)
        except Truncated:
            if length < size:
                continue
            return cursor  # still being written
        except Malformed as error:
            raise Damage(str(error)) from error
        return cursor._replace(init=init, position=init.size)
    raise Damage(f"no moov in the first {MAX_INIT_BYTES} bytes")


def _next_box(cursor: ScanCursor, fd: int, size: int, findings: _Findings) -> ScanCursor | None:
    """The cursor after the next complete part or ignored box; None at the end of the complete data."""
    at = cursor.position
    look = os.pread(fd, min(_LOOK_BYTES, size - at), at)
    try:
        header = read_box_header(look, 0)
    except Malformed as error:
        zeros = not any(look[:16])
        raise Damage(f"zeros from byte {at} on" if zeros else f"at byte {at}: {error}") from error
    if header is None:
        return None
    if header.fourcc != b"moof":
        return _skip(cursor, fd, size, header)
    if header.size > MAX_MOOF_BYTES:
        raise Damage(f"the moof at byte {at} claims {header.size} bytes")
    if at + header.size + 8 > size:
        return None
    if header.size + 16 > len(look):
        look = os.pread(fd, min(header.size + 16, size - at), at)
    mdat_start, end = find_mdat(look, at, header.size, fd, size)
    if end > size:
        return None
    if cursor.head is None:
        cursor = cursor._replace(head=crc32(look[: end - at]))
    return _take_part(cursor, fd, look[: header.size], (at, mdat_start, end), findings)


def _skip(cursor: ScanCursor, fd: int, size: int, header: BoxHeader) -> ScanCursor | None:
    """The cursor after a box that is not a part; None while it is incomplete."""
    at, end = cursor.position, cursor.position + header.size
    if cursor.skipped >= MAX_SKIPPED:
        raise Damage(f"more than {MAX_SKIPPED} boxes without video before byte {at}")
    check_box(fd, size, at, header)
    return cursor._replace(position=end, skipped=cursor.skipped + 1) if end <= size else None


def _take_part(
    cursor: ScanCursor, fd: int, moof: bytes, where: tuple[int, int, int], findings: _Findings
) -> ScanCursor:
    at, mdat_start, end = where
    init = cursor.init
    assert init is not None
    try:
        runs = parse_moof(moof, at, init)
    except Malformed as error:
        raise Damage(str(error)) from error
    if cursor.origin_ns is None or is_untimed(runs) or (len(init.videos) > 1 and not init.chosen):
        cursor, init, runs = _first_seen(cursor, init, runs)
    video, pace = init.video, cursor.pace
    video_id = video.id if video is not None else None
    mine: list[TrackRun] = []
    samples = frames = 0
    for run in runs:
        count = len(run.sizes)
        samples += count
        if run.track_id == video_id and count:
            if run.data_offset < mdat_start or run.data_offset + run.size > end:
                raise Damage(f"samples of the part at byte {at} lie outside it")
            frames += count
            mine.append(run)
    findings.runs.append(runs if samples <= KEEP_SAMPLES else ())
    if video is None or not mine:
        findings.parts.append(Part(at, len(moof), end, -1, -1, -1, -1))
        findings.notes.append(PartNote(-1, None))
        return cursor._replace(position=end, parts=cursor.parts + 1, skipped=0)
    if mine[0].tfdt < pace.reached - video.timescale:
        raise Damage(f"media time goes back at byte {at}")
    times, note, pace, holes = next_part(pace, mine)
    findings.parts.append(Part(at, len(moof), end, *times))
    findings.notes.append(note)
    search = cursor.search
    if holes:
        findings.holes.extend(holes)
    if not is_quiet(search, mine, video.timescale):
        entries = find_entries(search, fd, mine, video, cursor.parts)
        findings.keys.extend(entries.keys)
        findings.pictures.extend(entries.pictures)
        search = entries.search
    # not _replace: called for each part of an old file
    return ScanCursor(
        end,
        cursor.size,
        init,
        cursor.parts + 1,
        0,
        cursor.origin_ns,
        cursor.untimed,
        cursor.frames + frames,
        pace,
        search,
        cursor.damage,
        cursor.head,
    )


def _first_seen(
    cursor: ScanCursor, init: Init, runs: tuple[TrackRun, ...]
) -> tuple[ScanCursor, Init, tuple[TrackRun, ...]]:
    """What a file's first part defines: its video track, its start, and decode times that a part leaves
    out."""
    if not init.chosen and len(init.videos) > 1:
        init = init.with_samples(Counter(run.track_id for run in runs for _ in run.sizes))
    ends = dict(cursor.untimed)
    if is_untimed(runs):
        if init.video is not None:
            ends[init.video.id] = max(0, cursor.pace.reached)
        runs, ends = go_on(runs, ends)
    origin_ns = _origin_ns(runs, init) if cursor.origin_ns is None else cursor.origin_ns
    return cursor._replace(init=init, untimed=tuple(ends.items()), origin_ns=origin_ns), init, runs


def _origin_ns(runs: Sequence[TrackRun], init: Init) -> int | None:
    """Start time of the first part, on the file's own timeline."""
    scales = {track.id: track.timescale for track in init.tracks}
    begins = [
        ticks_to_ns(run.tfdt, scales[run.track_id]) for run in runs if run.track_id in scales and run.sizes
    ]
    return min(begins, default=None)


def ticks_to_ns(ticks: int, timescale: int) -> int:
    """Track ticks as ns, floor: every frame time in the system is made by this one rounding."""
    return ticks * 1_000_000_000 // timescale


def run_of_name(name: str) -> str:
    """The beginning of the ids of runs that are made of files of this name that have no mtxi."""
    return f"name:{name}"


class SegmentIndex:
    """The indexed content of one segment. Lists only grow, so a prefix of them is a snapshot."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.cursor = ScanCursor()
        self.parts: list[Part] = []
        self.keys: list[Key] = []
        self.holes: list[Hole] = []
        self.pictures: list[PictureFormat] = []
        # sample tables of the newest parts, by number: most cuts are of footage that was just written
        self.recent: dict[int, tuple[TrackRun, ...]] = {}
        # smallest pts and greatest end of what is shown, ticks; None: no video yet
        self.first: int | None = None
        self.end: int | None = None
        self.is_closed = False

    @property
    def init(self) -> Init | None:
        return self.cursor.init

    @property
    def frames(self) -> int:
        """Video frames in complete parts."""
        return self.cursor.frames

    @property
    def damage(self) -> str | None:
        """Why the file cannot be read past the last part; None when it can."""
        return self.cursor.damage

    @property
    def state(self) -> State:
        if not self.parts:
            return "unreadable" if self.damage is not None else "empty"
        return "closed" if self.is_closed else "growing"

    @property
    def run_id(self) -> str:
        """Hex StreamID; a file without mtxi is a run of its own. Another file under its name is another run,
        which begins with other pictures."""
        mtxi = self.init.mtxi if self.init is not None else None
        if mtxi is not None:
            return mtxi.stream_id.hex()
        return run_of_name(self.name) + ("" if self.cursor.head is None else f":{self.cursor.head:08x}")

    @property
    def base_ns(self) -> int:
        mtxi = self.init.mtxi if self.init is not None else None
        return mtxi.dts_ns if mtxi is not None else 0

    @property
    def named_ns(self) -> int:
        """Media time of the run (ns) at the instant given by mtxi's NTP or by the file's name.

        The name gives the instant at which the file was started. Recorders without mtxi start decode times at
        0 in each file, or continue counting over files: in both cases that instant belongs to its first
        sample.
        """
        mtxi = self.init.mtxi if self.init is not None else None
        return self.base_ns if mtxi is not None else self.base_ns + (self.cursor.origin_ns or 0)

    @property
    def timescale(self) -> int:
        video = self.init.video if self.init is not None else None
        return video.timescale if video is not None else 1

    def run_ns(self, ticks: int) -> int:
        """Media time of the run (ns) at a video tick of this segment."""
        return self.base_ns + ticks_to_ns(ticks, self.timescale)

    def apply(self, growth: Growth) -> None:
        """Add the findings of a scan that started at this index's cursor."""
        self.recent.update((n, runs) for n, runs in enumerate(growth.runs, len(self.parts)) if runs)
        if len(self.recent) > KEEP_RUNS:
            for number in list(self.recent)[:-KEEP_RUNS]:
                del self.recent[number]
        self.parts.extend(growth.parts)
        self.keys.extend(growth.keys)
        self.holes.extend(growth.holes)
        self.pictures.extend(growth.pictures)
        self.cursor = growth.cursor
        shown = [part for part in growth.parts if part.video_tfdt >= 0]
        if shown:
            first, end = min(part.video_pts_min for part in shown), max(part.video_end for part in shown)
            self.first = first if self.first is None else min(first, self.first)
            self.end = end if self.end is None else max(end, self.end)

    def update(self, fd: int, size: int) -> Growth:
        """Scan and apply up to the end of the file. For callers without an event loop."""
        while True:
            growth = scan(self.cursor, fd, size)
            self.apply(growth)
            if not growth.more:
                return growth

    def all_holes(self) -> list[Hole]:
        """The decided holes; of a finished file also those that can no longer be decided better."""
        return [*self.holes, *last_holes(self.cursor.pace)] if self.is_closed else self.holes

    def view(self, path: str, clock: MediaClock) -> SegmentView:
        """A snapshot under `path` (relative to recordings_dir). Raises ValueError before there is an init."""
        if self.init is None:
            raise ValueError(f"{self.name} has no init yet")
        return SegmentView(
            path,
            self.init,
            self.base_ns,
            self.run_id,
            clock,
            tuple(self.parts),
            tuple(self.keys),
            self.cursor.pace.lowest_cto,
            tuple(self.all_holes()),
            (self.cursor.pace.opening, self.cursor.pace.nominal),
            self.recent,
        )


def was_closed(fd: int, init: Init) -> bool:
    """Whether the recorder has closed the file: mvhd.duration is the only field it rewrites."""
    try:
        return parse_init(os.pread(fd, init.size, 0)).duration != 0
    except Malformed:
        return False
