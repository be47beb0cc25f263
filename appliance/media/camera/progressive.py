"""A camera's progressive MP4, seen as a segment of a recording: so the product's own plan cuts it.

Owns: finding moov (in front or at the end), edit lists, and the view of a stretch of the file. Must not know:
clips, decoders, what the file is for. One pass over moov's boxes and two of its tables at the start; a view
then reads the table rows of its stretch. Times are us since the first frame or sound of the presentation, as
`ffmpeg -ss` counts.
"""

from __future__ import annotations

import os
import struct
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import accumulate
from operator import add
from typing import Final, NamedTuple

from appliance.media.camera.tables import ChunkTable, Place, RunTable, SizeTable, SyncTable, positions
from appliance.media.index.chain import MAX_PREROLL_S, NS
from appliance.media.index.key_search import Search, find_entries
from appliance.media.index.view import Key, Part, SegmentView
from appliance.media.mp4 import boxes
from appliance.media.mp4.fmp4 import Init, Track, parse_init
from appliance.media.mp4.moof import TrackRun, track_run
from appliance.media.mp4.walk import Malformed, Truncated, read_box_header

_MOST_BOXES: Final = 4096
_REORDER: Final = 32  # samples: no picture waits longer for its place in display order
_FOLLOWING: Final = 32  # samples after the stretch: they show that nothing of it is still to come
_SOUND_AROUND_S: Final = 0.5
_NEEDED: Final = (b"stsd", b"stts", b"stsc", b"stsz")


class CutOff(Malformed):
    """The file ends before samples that its tables name."""


class LinearClock(NamedTuple):
    """Media time is time."""

    def wall_us(self, media_ns: int) -> int:
        return media_ns // 1000

    def media_ns(self, wall_us: int) -> int:
        return wall_us * 1000


class Shift(NamedTuple):
    """An edit list: presentation = media time + `by_ns`; shown up to `until` (track ticks), None: to the end.
    `since`: what is before this tick is hidden."""

    by_ns: int
    since: int
    until: int | None


@dataclass(frozen=True, slots=True)
class TrackTables:
    """One track's description, its tables, its edit list."""

    track: Track
    times: RunTable
    offsets: RunTable | None
    sizes: SizeTable
    chunks: ChunkTable
    sync: SyncTable
    shift: Shift

    @property
    def samples(self) -> int:
        return min(self.times.samples, self.sizes.samples)

    def ctos(self, first: int, stop: int) -> array[int] | None:
        return None if self.offsets is None else self.offsets.values(first, stop)

    def runs(self, first: int, stop: int, size: int, moved: int = 0) -> Iterator[TrackRun]:
        """Samples first..stop where they lie together. Raises CutOff beyond `size` bytes of file."""
        chunks = list(self.chunks.chunks(first, stop))
        if not chunks or first >= stop:
            return
        if any(chunk.description != 1 for chunk in chunks):
            raise Malformed("the format of a track changes inside the file")
        begin = chunks[0].first
        sizes, durations = self.sizes.values(begin, stop), self.times.values(begin, stop)
        ctos, sync = self.ctos(begin, stop), self.sync.flags(begin, stop)
        ticks = list(accumulate(durations, initial=self.times.tick_of(begin) + moved))
        for lo, hi, offset in positions(iter(chunks), sizes, begin):
            low, high = max(lo, first) - begin, hi - begin
            if low >= high:
                continue
            at = offset + sum(sizes[lo - begin : low])
            run = track_run(
                self.track.id,
                ticks[low],
                durations[low:high],
                sizes[low:high],
                sync[low:high] if sync is not None else None,
                ctos[low:high] if ctos is not None else None,
                at,
            )
            if at + run.size > size:
                raise CutOff(f"the file ends at byte {size}, {at + run.size - size} before samples it names")
            yield run


@dataclass(slots=True)
class ProgressiveFile:
    """An open file; the caller closes `fd`. `end_us` is where the last picture ends."""

    fd: int
    size: int
    init: Init
    video: TrackTables
    sounds: tuple[TrackTables, ...]
    origin_ns: int = 0
    end_us: int = 0
    _scale: int = field(default=1, repr=False)

    @classmethod
    def open(cls, fd: int, size: int) -> ProgressiveFile:
        """Raises Malformed, OSError."""
        moov = find_moov(fd, size)
        init, tables = read_moov(fd, moov)
        video = next(
            (each for each in tables if init.video is not None and each.track.id == init.video.id), None
        )
        if video is None or not video.samples:
            raise Malformed("no video")
        sounds = tuple(each for each in tables if each.track.kind == "audio" and each.samples)
        file = cls(fd, size, init, video, sounds, _scale=video.track.timescale)
        file.origin_ns = min(map(_first_ns, (video, *sounds)))
        file.end_us = file._end_us()
        return file

    @property
    def base_ns(self) -> int:
        """Presentation time of the video's tick 0."""
        return self.video.shift.by_ns - self.origin_ns

    def key_us(self, at_us: int) -> int:
        """Where decoding begins for the picture shown at `at_us`: time of the sync sample before it."""
        return self._us(self._pts(self._sync_before(self._tick(at_us))))

    def view(self, start_us: int, end_us: int) -> SegmentView:
        """What `make_plan` needs for [start_us, end_us). Raises Malformed, CutOff, OSError."""
        first_tick, end_tick = self._tick(start_us), self._tick(end_us)
        stop = self._stop(end_tick)
        start = self._sync_before(first_tick)
        while True:
            runs = list(self.video.runs(start, stop, self.size))
            if not runs:
                raise Malformed(f"no pictures at {start_us / 1e6:.3f} s")
            keys = find_entries(Search(), self.fd, runs, self.video.track, 0).keys
            if start == 0 or any(key.right <= first_tick for key in keys):
                break
            earlier = self._further_back(start, first_tick)
            if earlier is None:
                break
            start = earlier
        return self._view_of(runs, keys, stop)

    def _stop(self, end_tick: int) -> int:
        """The sample after the last one, in decode order, that is shown before a tick."""
        reached = self.video.times.sample_at(end_tick)
        low, high = max(reached - _REORDER, 0), min(reached + _REORDER, self.video.samples)
        pts = self._all_pts(low, high)
        return max((low + place + 1 for place, at in enumerate(pts) if at < end_tick), default=low + 1)

    def _all_pts(self, first: int, stop: int) -> list[int]:
        dts = list(accumulate(self.video.times.values(first, stop), initial=self.video.times.tick_of(first)))
        ctos = self.video.ctos(first, stop)
        return list(map(add, dts, ctos)) if ctos is not None else dts[:-1]

    def _further_back(self, start: int, first_tick: int) -> int | None:
        """An earlier sync sample than `start`; None beyond what a plan would use."""
        before = self.video.sync.at_or_before(start - 1)
        far = first_tick - MAX_PREROLL_S * self._scale
        return None if before is None or self.video.times.tick_of(before) < far else before

    def _view_of(self, runs: list[TrackRun], keys: list[Key], stop: int) -> SegmentView:
        following = min(stop + _FOLLOWING, self.video.samples)
        after = self._readable(stop, following)
        parts, recent = [], {}
        for number, mine in enumerate([runs, after] if after else [runs]):
            sound = self._sound(mine) if number == 0 else []
            recent[number] = (*mine, *sound)
            parts.append(_part(recent[number], mine))
        ctos = [min(run.ctos) for run in runs + after if run.ctos]
        return SegmentView(
            name="camera",
            init=self.init,
            base_ns=self.base_ns,
            run_id="camera",
            clock=LinearClock(),
            parts=tuple(parts),
            keys=tuple(keys),
            lowest_cto=min(ctos, default=0) if min(ctos, default=0) < 0 else 0,
            recent=recent,
        )

    def _readable(self, first: int, stop: int) -> list[TrackRun]:
        try:
            return list(self.video.runs(first, stop, self.size))
        except CutOff:
            return []

    def _sound(self, video: list[TrackRun]) -> list[TrackRun]:
        """All sound around these pictures, its times moved to the video's tick 0."""
        low = video[0].tfdt * NS // self._scale - int(_SOUND_AROUND_S * NS)
        high = (video[-1].tfdt + video[-1].ticks) * NS // self._scale + int(_SOUND_AROUND_S * NS)
        runs: list[TrackRun] = []
        for sound in self.sounds:
            scale = sound.track.timescale
            by_ns = sound.shift.by_ns - self.video.shift.by_ns
            moved = (by_ns * scale + NS // 2) // NS
            first = sound.times.sample_at(max(low - by_ns, 0) * scale // NS)
            stop = min(sound.times.sample_at(max(high - by_ns, 0) * scale // NS) + 1, sound.samples)
            try:
                runs += sound.runs(first, stop, self.size, moved)
            except CutOff:
                continue
        return runs

    def _sync_before(self, tick: int) -> int:
        """The sync sample with the greatest pts up to `tick` (0 where there is none)."""
        sample: int | None = min(self.video.times.sample_at(tick), self.video.samples - 1)
        while sample and (sample := self.video.sync.at_or_before(sample)) and self._pts(sample) > tick:
            sample -= 1
        return sample or 0

    def _pts(self, sample: int) -> int:
        ctos = self.video.ctos(sample, sample + 1)
        return self.video.times.tick_of(sample) + (ctos[0] if ctos else 0)

    def _tick(self, at_us: int) -> int:
        return -(-(at_us * 1000 - self.base_ns) * self._scale // NS)

    def _us(self, tick: int) -> int:
        return (self.base_ns + tick * NS // self._scale) // 1000

    def _end_us(self) -> int:
        samples = self.video.samples
        first = max(samples - _REORDER, 0)
        pts, durations = self._all_pts(first, samples), self.video.times.values(first, samples)
        end = max(map(add, pts, durations))
        until = self.video.shift.until
        return self._us(end if until is None else min(end, until))


def _part(runs: tuple[TrackRun, ...], video: list[TrackRun]) -> Part:
    pts = [at for run in video for at in _pts_of(run)]
    ends = [at + length for run in video for at, length in zip(_pts_of(run), run.durations, strict=True)]
    low = min(run.data_offset for run in runs)
    high = max(run.data_offset + run.size for run in runs)
    return Part(low, 0, high, video[0].tfdt, min(pts), max(pts), max(ends))


def _pts_of(run: TrackRun) -> list[int]:
    dts = list(accumulate(run.durations, initial=run.tfdt))[:-1]
    return list(map(add, dts, run.ctos)) if run.ctos is not None else dts


def _first_ns(tables: TrackTables) -> int:
    """Presentation time at which a track begins."""
    stop = min(tables.samples, _REORDER)
    ctos = tables.ctos(0, stop)
    dts = list(accumulate(tables.times.values(0, stop), initial=0))[:stop]
    pts = list(map(add, dts, ctos)) if ctos is not None else dts
    first = max(min(pts), tables.shift.since)
    return tables.shift.by_ns + first * NS // tables.track.timescale


# -- moov ---------------------------------------------------------------------------------------------------


def find_moov(fd: int, size: int) -> Place:
    """The payload of the file's moov. Raises Truncated where the file ends first, Malformed."""
    at = 0
    for _ in range(_MOST_BOXES):
        if at >= size:
            raise Truncated("there is no moov: the recorder did not finish the file, or its end is missing")
        kind, start, end = _box_at(fd, at, size)
        if kind == b"moov":
            if end > size:
                raise Truncated("the file ends inside moov")
            return Place(start, end)
        at = end
    raise Malformed(f"more than {_MOST_BOXES} boxes before any moov")


def _box_at(fd: int, at: int, limit: int) -> tuple[bytes, int, int]:
    """(kind, payload start, end) of the box at byte `at`; one of size 0 reaches to `limit`."""
    head = os.pread(fd, 16, at)
    if head[:4] == bytes(4) and len(head) >= 8 and head[4:8].isalnum():
        return head[4:8], at + 8, limit
    header = read_box_header(head, 0)
    if header is None:
        raise Truncated(f"the file ends inside a box at {at}")
    return header.fourcc, at + header.header_size, at + header.size


def _inside(fd: int, box: Place) -> Iterator[tuple[bytes, Place, int]]:
    """(kind, payload, start of the whole box) of each box in another's payload."""
    at = box.start
    for _ in range(_MOST_BOXES):
        if at + 8 > box.end:
            return
        kind, start, end = _box_at(fd, at, box.end)
        if end > box.end:
            raise Malformed(f"a box at {at} reaches past {box.end}")
        yield kind, Place(start, end), at
        at = end
    raise Malformed(f"more than {_MOST_BOXES} boxes inside one")


_SLIM: Final = {b"moov": 0, b"trak": 1, b"mdia": 2, b"minf": 3, b"stbl": 4}
_KEPT: Final = frozenset({b"mvhd", b"tkhd", b"mdhd", b"hdlr", b"stsd"})
_MOST_KEPT: Final = 1 << 20


def read_moov(fd: int, moov: Place) -> tuple[Init, list[TrackTables]]:
    """The tracks, and the tables of those that have samples. Raises Malformed."""
    init = parse_init(boxes.ftyp(b"isom", 0, b"") + boxes.box(b"moov", _slim(fd, moov)))
    by_id = {track.id: track for track in init.tracks}
    tables: list[TrackTables] = []
    for kind, trak, _ in _inside(fd, moov):
        found = _leaves(fd, trak) if kind == b"trak" else {}
        if not all(name in found for name in _NEEDED):
            continue
        head = os.pread(fd, 24, found[b"tkhd"].start) if b"tkhd" in found else b""
        track = by_id.get(int.from_bytes(head[20:24] if head[:1] == b"\1" else head[12:16], "big"))
        if track is None or track.kind == "other":
            continue
        try:
            tables.append(_tables(fd, track, found, init.timescale))
        except Malformed:
            if track.kind == "video":
                raise  # pictures are cut without a sound that cannot be read
    return init, tables


def _slim(fd: int, box: Place) -> bytes:
    """The boxes that describe a movie and its tracks, without the tables."""
    kept: list[bytes] = []
    for kind, inner, start in _inside(fd, box):
        if kind in _SLIM:
            kept.append(boxes.box(kind, _slim(fd, inner)))
        elif kind in _KEPT:
            if inner.end - start > _MOST_KEPT:
                raise Malformed(f"{kind!r} of {inner.end - start} bytes")
            kept.append(boxes.box(kind, os.pread(fd, inner.end - inner.start, inner.start)))
    return b"".join(kept)


def _leaves(fd: int, trak: Place) -> dict[bytes, Place]:
    """The boxes of a trak by kind, those of the boxes inside it too."""
    found: dict[bytes, Place] = {}
    for kind, inner, _ in _inside(fd, trak):
        if kind in _SLIM or kind == b"edts":
            found.update(_leaves(fd, inner))
        else:
            found.setdefault(kind, inner)
    return found


def _tables(fd: int, track: Track, found: dict[bytes, Place], movie_scale: int) -> TrackTables:
    offsets, wide = (found[b"co64"], True) if b"co64" in found else (found.get(b"stco"), False)
    if offsets is None:
        raise Malformed("a track without chunk offsets")
    return TrackTables(
        track=track,
        times=RunTable.of(fd, found[b"stts"]),
        offsets=RunTable.of(fd, found[b"ctts"], signed=True) if b"ctts" in found else None,
        sizes=SizeTable.of(fd, found[b"stsz"]),
        chunks=ChunkTable.of(fd, found[b"stsc"], offsets, wide=wide),
        sync=SyncTable.of(fd, found.get(b"stss") if track.kind == "video" else None),
        shift=_shift(fd, found.get(b"elst"), track.timescale, movie_scale),
    )


def _shift(fd: int, elst: Place | None, scale: int, movie_scale: int) -> Shift:
    """The edit list, where it is one stretch of media, perhaps after nothing. Raises Malformed for others."""
    if elst is None:
        return Shift(0, 0, None)
    data = os.pread(fd, min(elst.end - elst.start, 4096), elst.start)
    row = struct.Struct(">QqI" if data[:1] == b"\1" else ">IiI")
    count = min(int.from_bytes(data[4:8], "big"), (len(data) - 8) // row.size)
    edits = [row.unpack_from(data, 8 + number * row.size) for number in range(count)]
    empty_ns = 0
    while edits and edits[0][1] == boxes.EMPTY_EDIT:
        empty_ns += edits.pop(0)[0] * NS // max(movie_scale, 1)
    if not edits:
        return Shift(empty_ns, 0, None)
    if len(edits) > 1 or edits[0][1] < 0:
        raise Malformed("an edit list of several stretches: export the video again without edits")
    duration, begin, _ = edits[0]
    until = begin + -(-duration * scale // max(movie_scale, 1)) if duration else None
    return Shift(empty_ns - begin * NS // scale, begin, until)
