"""The video samples of one span, read from only the moofs it needs.

Owns: parts to flat tables, which samples are wanted, where decoding starts, how long the last frame lasts.
Must not know: audio, boxes, other spans. One pread per moof; tables are columns, never an object per sample.
"""

from __future__ import annotations

import os
from array import array
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, groupby
from operator import add, itemgetter

from appliance.media.cut.breaks import Break, break_after, breaks_of, length_of_last
from appliance.media.index.chain import DecodeSpan, KeyAt, Link
from appliance.media.mp4.fmp4 import Malformed
from appliance.media.mp4.moof import TrackRun, parse_moof
from appliance.media.mp4.moov import FILLER, Chunk
from appliance.media.mp4.untimed import go_on, is_untimed

MAX_DELTA = 0xFFFF_FFFF
# tfdt is truncated to ticks, mtxi.DTS to ns: a part may start this far from the end of the one before
_JITTER_TICKS = 2


class PartReader:
    """Parsed moofs of a chain's parts, each read once. `open_fd` caches what it opens."""

    def __init__(self, links: tuple[Link, ...], open_fd: Callable[[str], int]) -> None:
        self.links = links
        self._open_fd = open_fd
        self._runs: dict[tuple[int, int], tuple[TrackRun, ...]] = {}
        self._fds: dict[int, int] = {}
        self._ends: dict[int, tuple[int, dict[int, int]]] = {}  # by link: parts added up, ticks reached

    def runs(self, link: int, part: int) -> tuple[TrackRun, ...]:
        """All track runs of one part. Raises Malformed, also when they point outside the part."""
        parsed = self._runs.get((link, part))
        if parsed is None:
            parsed = self._runs[link, part] = self._read(link, part)
        return parsed

    def fd(self, link: int) -> int:
        """An open descriptor of the segment."""
        if link not in self._fds:
            self._fds[link] = self._open_fd(self.links[link].segment.name)
        return self._fds[link]

    def _read(self, link: int, number: int) -> tuple[TrackRun, ...]:
        segment = self.links[link].segment
        part = segment.parts[number]
        runs = segment.recent.get(number)
        if runs is None:
            runs = self._parse(link, number)
            if is_untimed(runs):
                runs = go_on(runs, self._reached_before(link, number))[0]
        for run in runs:
            if run.data_offset < part.offset or run.data_offset + run.size > part.end:
                raise Malformed(f"{segment.name}: samples of the part at {part.offset} lie outside it")
        return runs

    def _parse(self, link: int, number: int) -> tuple[TrackRun, ...]:
        segment = self.links[link].segment
        part = segment.parts[number]
        data = os.pread(self.fd(link), part.moof_size, part.offset)
        return parse_moof(data, part.offset, segment.init)

    def _reached_before(self, link: int, number: int) -> dict[int, int]:
        """Decode time that each track has reached before a part: without tfdt it is the sum of all parts
        before."""
        done, ends = self._ends.get(link, (0, {}))
        if done > number:
            done, ends = 0, {}
        for before in range(done, number):
            ends = go_on(self._parse(link, before), ends)[1]
        self._ends[link] = number, ends
        return ends


@dataclass(slots=True)
class VideoSamples:
    """Video of one span in decode order, cut to what is needed.

    `pts` are chain ticks as recorded (frames are chosen by them); `deltas` are the clip's own dts steps,
    without jitter. `sync` marks the keys at which a player may begin. `shown` lists wanted samples, `keys`
    the keys with the sample of each. `runs` are (link, first sample, count, file offset). `end` is the pts at
    which the last frame shown ends, `nominal` a usual frame, `breaks` those of the whole chain, `last_part`
    the last part read.
    """

    pts: list[int] = field(default_factory=list)
    deltas: array[int] = field(default_factory=lambda: array("I"))
    sizes: array[int] = field(default_factory=lambda: array("I"))
    ctos: array[int] = field(default_factory=lambda: array("i"))
    sync: bytearray = field(default_factory=bytearray)
    keys: list[tuple[int, KeyAt]] = field(default_factory=list)
    runs: list[tuple[int, int, int, int]] = field(default_factory=list)
    shown: list[int] = field(default_factory=list)
    nominal: int = 1
    end: int = 0
    breaks: list[Break] = field(default_factory=list)
    last_part: tuple[int, int] = (0, 0)
    settled: bool = False  # frames past the window are on disk: no later part can add a frame to this span
    more_follows: bool = False  # ... and they follow the last frame shown without a hole

    def link_of(self, sample: int) -> int:
        """The segment (link number) of a sample."""
        return self.runs[bisect_right(self.runs, sample, key=lambda run: run[1]) - 1][0]

    def first_shown(self) -> int:
        """The wanted sample with the smallest pts."""
        return min(self.shown, key=self.pts.__getitem__)

    def last_shown(self) -> int:
        """The wanted sample with the greatest pts."""
        return max(self.shown, key=self.pts.__getitem__)

    def place_of(self, sample: int) -> tuple[int, int]:
        """(link, file offset) of a sample."""
        link, first, _, offset = self.runs[bisect_right(self.runs, sample, key=lambda run: run[1]) - 1]
        return link, offset + sum(self.sizes[first:sample])

    def chunks(
        self, first_source: int, described: Sequence[tuple[int, int]], spliced_at: int | None = None
    ) -> list[Chunk]:
        """One chunk per run and description; source numbers are `first_source` + link.

        `described` are (first sample, description) in order. `spliced_at`: the first sample is not in the
        recording but at this offset in the header's filler.
        """
        sizes, chunks = self.sizes, list[Chunk]()
        if spliced_at is None and len(described) == 1:  # as nearly always
            description = described[0][1]
            return [
                Chunk(first_source + link, offset, sum(sizes[first : first + count]), count, description)
                for link, first, count, offset in self.runs
            ]
        if spliced_at is not None:
            chunks.append(Chunk(FILLER, spliced_at, sizes[0], 1, described[0][1]))
        stretches = zip(described, [*(first for first, _ in described[1:]), len(self.pts)], strict=True)
        for (begin, description), end in stretches:
            for link, first, count, offset in self.runs:
                lo, hi = max(first, begin, int(spliced_at is not None)), min(first + count, end)
                if lo < hi:
                    at = offset + sum(sizes[first:lo])
                    size = sum(sizes[lo:hi])
                    chunks.append(Chunk(first_source + link, at, size, hi - lo, description))
        return chunks


def read_video(reader: PartReader, span: DecodeSpan, *, after_gap: bool) -> VideoSamples | None:
    """Samples of `span` from its key to the last wanted one in decode order; None when none is wanted.

    `after_gap`: pictures leading the first key (open GOP) have lost their references, and nothing before this
    span can hide them: they are left out. So are those after a recovery point, although hidden: Chromium's
    decoder fails at them (for HEVC it skips them by their NAL type).
    """
    table, raw = VideoSamples(), _Cursor()
    firsts: dict[tuple[int, int], int] = {}  # of each part read, the number of its first sample
    link, number = span.start.link, span.start.key.part
    while link < len(reader.links) and not _is_past(reader.links[link], number):
        firsts[link, number] = len(table.pts)
        for run in _video_runs(reader, link, number):
            _append(table, raw, reader.links[link], link, run)
        table.last_part = (link, number)
        link, number = next_part(reader.links, link, number)
    table.settled = link < len(reader.links)
    _mark_keys(table, span, firsts)
    stop = len(table.pts) if span.stop is None else _place_of(table, span.stop, firsts)
    begin_pts = span.start.key.right + reader.links[span.start.link].offset
    table.shown = _wanted(reader.links, table, span.start.key.sample, stop, begin_pts)
    if not table.shown:
        return None
    beyond = _certain_pts(reader.links[link], number) if table.settled and span.stop is None else None
    _measure(table, breaks_of(reader.links), stop, raw.end or 0, beyond)
    _trim(table, span.start.key.sample)
    if after_gap or not _resets(table):
        _drop_leading(table)
    return table


def next_part(links: tuple[Link, ...], link: int, part: int) -> tuple[int, int]:
    """The place after part number `part` of a chain; link == len(links) at the end."""
    if part + 1 < len(links[link].segment.parts):
        return link, part + 1
    return link + 1, 0


@dataclass(slots=True)
class _Cursor:
    end: int | None = None  # chain ticks that the clip's own timeline has reached


def _is_past(link: Link, number: int) -> bool:
    """No frame of this part or a later one is wanted: dts rises, and pts is below it by at most
    `lowest_cto`."""
    part = link.segment.parts[number]
    if part.video_tfdt < 0:
        return False
    return part.video_pts_min >= link.stop and part.video_tfdt + link.segment.lowest_cto >= link.stop


def _video_runs(reader: PartReader, link: int, number: int) -> list[TrackRun]:
    wanted = reader.links[link].track.id
    return [run for run in reader.runs(link, number) if run.track_id == wanted and run.sizes]


def _append(table: VideoSamples, raw: _Cursor, link: Link, number: int, run: TrackRun) -> None:
    start = run.tfdt + link.offset
    if raw.end is not None:
        raw.end = _join(table.deltas, raw.end, start)
    raw.end = (start if raw.end is None else raw.end) + run.ticks
    count = len(run.sizes)
    table.runs.append((number, len(table.pts), count, run.data_offset))
    dts = accumulate(run.durations, initial=start)
    if run.ctos is None:
        table.pts += list(dts)[:count]
        table.ctos.frombytes(bytes(4 * count))
    else:
        table.pts += map(add, dts, run.ctos)
        table.ctos += run.ctos
    table.deltas += run.durations
    table.sizes += run.sizes


def _join(deltas: array[int], end: int, start: int) -> int:
    """Extend the last delta from its dts to `start`; returns the end of the clip's timeline then."""
    if abs(start - end) <= _JITTER_TICKS:
        return end
    before = deltas[-1]
    deltas[-1] = min(max(before + start - end, 1), MAX_DELTA)
    return end + deltas[-1] - before


def _mark_keys(table: VideoSamples, span: DecodeSpan, firsts: dict[tuple[int, int], int]) -> None:
    """Mark the samples that are keys by the index: a file's own flags may be wrong."""
    table.sync += bytes(len(table.pts))
    for at in span.keys:
        place = _place_of(table, at, firsts)
        if place < len(table.pts):
            table.keys.append((place, at))
            table.sync[place] = not at.key.recovery


def _place_of(table: VideoSamples, at: KeyAt, firsts: dict[tuple[int, int], int]) -> int:
    """Sample number of a key, or the end when its part was not read."""
    first = firsts.get((at.link, at.key.part))
    return len(table.pts) if first is None else min(first + at.key.sample, len(table.pts))


def _wanted(links: tuple[Link, ...], table: VideoSamples, start: int, stop: int, begin_pts: int) -> list[int]:
    """Samples in start..stop whose own segment's window contains their pts, except those that lead the first
    key."""
    samples: list[int] = []
    for number, mine in groupby(table.runs, key=itemgetter(0)):
        (_, first, count, _), *others = mine
        _, last, last_count, _ = others[-1] if others else (number, first, count, 0)
        link = links[number]
        low, high = max(link.first + link.offset, begin_pts), link.stop + link.offset
        lo, hi = max(first, start), min(last + last_count, stop)
        samples += [place for place, pts in enumerate(table.pts[lo:hi], lo) if low <= pts < high]
    return samples


def _certain_pts(link: Link, number: int) -> int | None:
    """Chain pts of the first frame of a part, if no frame shown before it can come after it."""
    part = link.segment.parts[number]
    is_first = part.video_pts_min <= part.video_tfdt + link.segment.lowest_cto
    return part.video_pts_min + link.offset if is_first else None


def _measure(
    table: VideoSamples, breaks: list[Break], stop: int, reached: int, beyond: int | None = None
) -> None:
    """Usual frame length, and where the last frame shown ends: at the next one, unless there is a break.

    `reached` is the dts read so far: all frames with a smaller pts are known. `beyond`: pts of the first
    frame that was not read.
    """
    table.nominal = max(Counter(table.deltas).most_common(1)[0][0], 1)
    table.breaks = breaks
    last = table.last_shown()
    last_pts = table.pts[last]
    later = [pts for pts in table.pts[:stop] if pts > last_pts]
    if not later and beyond is not None:
        later, reached = [beyond], beyond
    following = min(later) if later else last_pts + table.deltas[last]
    stopped = break_after(breaks, last_pts, following + _JITTER_TICKS)
    length = following - last_pts if stopped is None else stopped.before - last_pts
    if not later or following > reached:  # a frame before it may still arrive, later in decode order
        length = length_of_last(sorted(pts for pts in table.pts[:stop] if pts <= last_pts), length)
    table.more_follows = (bool(later) or table.settled) and stopped is None
    table.end = last_pts + max(length, 1)


def _trim(table: VideoSamples, start: int) -> None:
    """Keep the samples from the key that decodes the first frame shown to the last one wanted."""
    first = table.first_shown()
    if table.sync[first]:
        start = first  # the first frame is a key itself: nothing before it need be decoded
    stop = max(table.shown) + 1
    del table.pts[stop:], table.deltas[stop:], table.sizes[stop:], table.ctos[stop:], table.sync[stop:]
    table.keys = [(place, at) for place, at in table.keys if place < stop]
    _cut_runs(table, start, stop)
    _delete(table, 0, start)


def _cut_runs(table: VideoSamples, start: int, stop: int) -> None:
    runs: list[tuple[int, int, int, int]] = []
    for run in table.runs:
        link, first, count, offset = run
        if start <= first and first + count <= stop:
            runs.append(run)
        elif (lo := max(first, start)) < (hi := min(first + count, stop)):
            runs.append((link, lo, hi - lo, offset + sum(table.sizes[first:lo])))
    table.runs = runs


def _delete(table: VideoSamples, lo: int, hi: int) -> None:
    """Remove samples lo..hi, to which no run may refer any more."""
    gone = hi - lo
    if not gone:
        return
    del table.pts[lo:hi], table.deltas[lo:hi], table.sizes[lo:hi], table.ctos[lo:hi], table.sync[lo:hi]
    table.runs = [(link, at - gone if at >= hi else at, n, offset) for link, at, n, offset in table.runs]
    table.shown = [place - gone if place >= hi else place for place in table.shown]
    keys = [(place, at) for place, at in table.keys if not lo <= place < hi]
    table.keys = [(place - gone if place >= hi else place, at) for place, at in keys]


def _resets(table: VideoSamples) -> bool:
    return not table.keys or table.keys[0][0] > 0 or bool(table.keys[0][1].key.resets)


def _drop_leading(table: VideoSamples) -> None:
    """Leave out pictures that follow the first key but are shown before it."""
    stop = 1
    while stop < len(table.pts) and table.pts[stop] < table.pts[0]:
        stop += 1
    if stop == 1:
        return
    table.deltas[0] = min(sum(table.deltas[:stop]), MAX_DELTA)
    whole = table.runs
    _cut_runs(table, 0, 1)
    head = table.runs
    table.runs = whole
    _cut_runs(table, stop, len(table.pts))
    table.runs = head + table.runs
    _delete(table, 1, stop)
