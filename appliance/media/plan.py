"""A clip as header bytes and byte ranges of recordings: frame-exact, nothing decoded, nothing copied.

Owns: the public Plan and how spans, tables, sound and header make one. Must not know: files on disk (it reads
through `open_fd`), channels, clips, databases.

Frames of a clip are exactly those with start_us <= wall_us(pts) - latency_us < end_us. The file starts at the
key that decodes the first of them; an edit list hides what comes before it and after the last. Clip time is
wall time: where footage is missing inside, the last frame is held and silence is laid into the sound. Where
the description of the video changes, the longest span of one description is the clip.
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise

from appliance.media import boxes
from appliance.media.chain import NS, Link, Span, find_spans, longest_group
from appliance.media.coverage import Missing, Shown, missing_spans
from appliance.media.fmp4 import Track
from appliance.media.moov import Range, TrackTable, build
from appliance.media.params import KEY_HEAD_BYTES, Description, describe
from appliance.media.samples import HOLE_FRAMES, MAX_DELTA, PartReader, VideoSamples, read_video
from appliance.media.sound import Stretch, read_sound
from appliance.media.view import SegmentView

__all__ = ["Missing", "NoFootage", "Plan", "Range", "make_plan"]

# Wall and media time of a hole may differ by this much before the hole is made as long as wall time says.
_WORTH_SQUEEZING_S = 0.04
_US = 1_000_000


class NoFootage(Exception):
    """No decodable frame lies in the span asked for."""


@dataclass(frozen=True, slots=True)
class Plan:
    """All that is needed to send a clip: `header`, then `ranges` in order; `size` bytes together.

    `preroll_s` is hidden time before the first frame (players that ignore edit lists show it). `duration_s`
    is what is shown, holds included. `media_spans` are (run_id, start_ns, end_ns) of run media time. Coverage
    is capture time: from the first frame to the end of the last. `missing` lists what was asked for and is
    not shown. `settled`: no part still to be written can add a frame.
    """

    header: bytes
    ranges: tuple[Range, ...]
    size: int
    preroll_s: float
    duration_s: float
    frames: int
    media_spans: tuple[tuple[str, int, int], ...]
    coverage_start_us: int
    coverage_end_us: int
    missing: tuple[Missing, ...]
    width: int
    height: int
    codec: str
    latency_us: int
    settled: bool


@dataclass(slots=True)
class _Piece:
    """One span of the clip. `at` is the clip's dts of its first sample, `dts` counts on from there."""

    span: Span
    reader: PartReader
    video: VideoSamples
    first: int  # sample number of the first frame shown
    at: int = 0
    dts: list[int] = field(default_factory=list)
    squeezes: list[tuple[int, int]] = field(default_factory=list)
    shown: list[Shown] = field(default_factory=list)

    @property
    def track(self) -> Track:
        return self.span.links[self.span.start.link].track

    def clip_pts(self, sample: int) -> int:
        return self.at + self.dts[sample] + self.video.ctos[sample]

    def link(self, sample: int) -> Link:
        return self.span.links[self.video.link_of(sample)]

    def wall_us(self, sample: int) -> int:
        return self.wall_us_of(sample, self.video.pts[sample])

    def wall_us_of(self, sample: int, pts: int) -> int:
        """Wall time of a pts (chain ticks) in the segment that `sample` lies in."""
        link = self.link(sample)
        return link.wall_us(pts - link.offset)

    def media_ns(self, sample: int) -> int:
        link = self.link(sample)
        return link.segment.base_ns + (self.video.pts[sample] - link.offset) * NS // self.track.timescale


def make_plan(
    segments: Sequence[SegmentView],
    open_fd: Callable[[str], int],
    *,
    start_us: int,
    end_us: int,
    latency_us: int,
) -> Plan:
    """The clip of capture time start_us <= t < end_us out of one channel's `segments` (any order).

    Hand over every segment that may hold such frames, and of each run the one before (its last key may be
    needed). `open_fd(name)` gives a descriptor that stays open while this runs; closing it is the caller's
    part. Blocking reads, a few per second of clip: run it in a thread. Raises NoFootage, Malformed, OSError.
    """
    spans = find_spans(segments, start_us + latency_us, end_us + latency_us)
    if not spans:
        raise NoFootage(f"no footage between {start_us} and {end_us}")
    group = longest_group(spans)
    pieces = _read(group, open_fd)
    if not pieces:
        raise NoFootage(f"no frame between {start_us} and {end_us}")
    for piece in pieces:
        _squeeze_holes(piece)
    _lay_out(pieces)
    refused = [(span.begin_us - latency_us, span.end_us - latency_us) for span in spans if span not in group]
    shown = [Shown(one.start_us - latency_us, one.end_us - latency_us) for x in pieces for one in x.shown]
    nominal_us = _us(pieces[0].video.nominal, pieces[0].track)
    past, follows = _has_past(pieces[0]), pieces[-1].video.more_follows
    missing = missing_spans(shown, refused, start_us, end_us, nominal_us, has_past=past, follows=follows)
    return _assemble(pieces, (shown[0].start_us, shown[-1].end_us), missing, latency_us)


def _read(group: list[Span], open_fd: Callable[[str], int]) -> list[_Piece]:
    pieces: list[_Piece] = []
    for span in group:
        reader = PartReader(span.links, open_fd)
        video = read_video(reader, span, after_gap=bool(pieces))
        if video is not None:
            pieces.append(_Piece(span, reader, video, video.first_shown()))
    return pieces


def _us(ticks: int, track: Track) -> int:
    return ticks * _US // track.timescale


def _has_past(piece: _Piece) -> bool:
    """Frames before the first one shown are known: it is the footage's own pace that made it the first."""
    start = piece.span.start
    return piece.first > 0 or start.link > 0 or start.key is not piece.span.links[0].segment.keys[0]


def _squeeze_holes(piece: _Piece) -> None:
    """Find frames held far too long; part coverage there, and let them last as long as wall time says.

    A source whose clock leaps makes one sample of many seconds while hardly any wall time passes.
    """
    video, timescale = piece.video, piece.track.timescale
    longest = HOLE_FRAMES * video.nominal
    begin_us = piece.wall_us(piece.first)
    for place, before, after in _holes(video, longest):
        before_us, after_us = piece.wall_us_of(place, before), piece.wall_us_of(place + 1, after)
        by = (after_us - before_us) * timescale // _US - (after - before)
        if abs(by) > timescale * _WORTH_SQUEEZING_S:
            wanted = min(max(video.deltas[place] + by, video.nominal), MAX_DELTA)
            by, video.deltas[place] = wanted - video.deltas[place], wanted
            piece.squeezes.append(((before + after) // 2, by))
        if after_us - before_us > _us(longest, piece.track) and before >= video.pts[piece.first]:
            piece.shown.append(Shown(begin_us, before_us + _us(video.nominal, piece.track)))
            begin_us = after_us
    if video.deltas[-1] > longest:
        video.deltas[-1] = video.nominal
    last = video.last_shown()
    end_us = piece.wall_us(last) + _us(video.end - video.pts[last], piece.track)
    piece.shown.append(Shown(begin_us, end_us))
    piece.dts = list(accumulate(video.deltas, initial=0))


def _holes(video: VideoSamples, longest: int) -> list[tuple[int, int, int]]:
    """(sample, greatest pts up to it, least pts after it) for each sample lasting more than `longest`."""
    if max(video.deltas) <= longest:
        return []
    highest = list(accumulate(video.pts, max))
    lowest = list(accumulate(reversed(video.pts), min))[::-1]
    steps = enumerate(video.deltas[:-1])
    return [(place, highest[place], lowest[place + 1]) for place, delta in steps if delta > longest]


def _lay_out(pieces: list[_Piece]) -> None:
    """Place every piece as far from the first as wall time says, never before the end of the last one."""
    origin_us = pieces[0].wall_us(pieces[0].first)
    origin = pieces[0].clip_pts(pieces[0].first)
    for before, piece in pairwise(pieces):
        since_us = piece.wall_us(piece.first) - origin_us
        wanted = origin + since_us * piece.track.timescale // _US
        pts = max(wanted, _end(before))
        last = before.at + before.dts[-2]
        piece.at = max(pts - piece.dts[piece.first] - piece.video.ctos[piece.first], last + 1)
        piece.at = min(piece.at, last + MAX_DELTA)
        before.video.deltas[-1] = piece.at - last


def _end(piece: _Piece) -> int:
    """Clip pts at which the last frame shown of a piece ends."""
    last = piece.video.last_shown()
    return piece.clip_pts(last) + piece.video.end - piece.video.pts[last]


def _assemble(
    pieces: list[_Piece], coverage: tuple[int, int], missing: tuple[Missing, ...], latency_us: int
) -> Plan:
    first, track = pieces[0], pieces[0].track
    origin = first.clip_pts(first.first)
    duration = _end(pieces[-1]) - origin
    description = _description(first)
    names, sources = _sources(pieces)
    tables = [_video_table(pieces, sources, description, boxes.Edit(duration, origin))]
    sound = read_sound(
        [_stretch(piece, source, origin) for piece, source in zip(pieces, sources, strict=True)],
        track.timescale,
        duration,
    )
    if sound is not None:
        tables.append(sound[0])
    header, ranges = build(tables, names, track.timescale, duration, sound[1] if sound else b"")
    return Plan(
        header=header,
        ranges=ranges,
        size=len(header) + sum(piece.length for piece in ranges),
        preroll_s=(origin - first.clip_pts(0)) / track.timescale,
        duration_s=duration / track.timescale,
        frames=sum(len(piece.video.shown) for piece in pieces),
        media_spans=tuple(_media_span(piece) for piece in pieces),
        coverage_start_us=coverage[0],
        coverage_end_us=coverage[1],
        missing=missing,
        width=description.width,
        height=description.height,
        codec=description.entry[4:8].decode("latin-1"),
        latency_us=latency_us,
        settled=pieces[-1].video.settled,
    )


def _description(piece: _Piece) -> Description:
    """How the first key, and by choice of span every other, is decoded."""
    link, _, _, offset = piece.video.runs[0]
    size = min(piece.video.sizes[0], KEY_HEAD_BYTES)
    return describe(piece.track, os.pread(piece.reader.fd(link), size, offset))


def _sources(pieces: list[_Piece]) -> tuple[list[str], list[int]]:
    """Names of all segments, and for each piece the number of its chain's first one among them."""
    names: list[str] = []
    firsts: list[int] = []
    for piece in pieces:
        firsts.append(len(names))
        names += [link.segment.name for link in piece.span.links]
    return names, firsts


def _video_table(
    pieces: list[_Piece], sources: list[int], description: Description, edit: boxes.Edit
) -> TrackTable:
    deltas, sizes, ctos, sync = array("I"), array("I"), array("i"), bytearray()
    table = TrackTable(
        timescale=pieces[0].track.timescale,
        stsd=boxes.stsd(description.entry),
        deltas=deltas,
        sizes=sizes,
        ctos=ctos,
        sync=None,
        chunks=[],
        edits=[edit],
        width=description.width,
        height=description.height,
    )
    for piece, source in zip(pieces, sources, strict=True):
        deltas += piece.video.deltas
        sizes += piece.video.sizes
        ctos += piece.video.ctos
        sync += piece.video.sync
        table.chunks += piece.video.chunks(source)
    if not any(ctos):
        table.ctos = None
    if 0 in sync:
        table.sync = array("I", [number for number, is_key in enumerate(sync, start=1) if is_key])
    return table


def _stretch(piece: _Piece, source: int, origin: int) -> Stretch:
    start = piece.span.start
    return Stretch(
        reader=piece.reader,
        first_source=source,
        first_part=(start.link, start.key.part),
        last_part=piece.video.last_part,
        decode_from=piece.video.pts[0],
        begin=piece.video.pts[piece.first],
        end=piece.video.end,
        at=piece.clip_pts(piece.first) - origin,
        squeezes=[(at, by) for at, by in piece.squeezes if at >= piece.video.pts[piece.first]],
    )


def _media_span(piece: _Piece) -> tuple[str, int, int]:
    last = piece.video.last_shown()
    tail_ns = (piece.video.end - piece.video.pts[last]) * NS // piece.track.timescale
    return piece.link(last).segment.run_id, piece.media_ns(piece.first), piece.media_ns(last) + tail_ns
