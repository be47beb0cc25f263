"""A clip as header bytes and byte ranges of recordings: frame-exact, nothing decoded, nothing copied.

Owns: the public Plan and how it is made from spans, tables, sound and header. Must not know: files on disk
(it reads through `open_fd`), channels, clips, databases.

Frames of a clip are exactly those with start_us <= wall_us(pts) - latency_us < end_us; the last one is shown
whole, or to end_us where it would last over 40 ms longer (coverage.ends_us). The file starts at the key that
decodes the first of them; an edit list hides what comes before it and after the last. Clip time is wall time:
where footage is missing inside, the last frame is held and the sound is silent; where a source's clock is off
by more than half a frame over the clip, frames get their real durations. Where the format of the video
changes, the longest span of one format is the clip; where only parameter sets change, each picture has its
description.
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from appliance.media.bitstream.splice import MAX_BYTES, as_broken_link, needs_splice
from appliance.media.cut.coverage import MissingSpan, Shown, missing_spans
from appliance.media.cut.descriptions import Descriptions
from appliance.media.cut.piece import (
    Piece,
    end_in_time,
    end_of,
    follow_wall,
    join_runs,
    lay_out,
    lift,
    squeeze_holes,
    to_us,
)
from appliance.media.cut.samples import PartReader, read_video
from appliance.media.cut.sound import VideoStretch, read_sound
from appliance.media.index.chain import (
    MAX_PREROLL_S,
    NS,
    DecodeSpan,
    NoEntryBefore,
    find_spans,
    is_first_picture,
    longest_group,
)
from appliance.media.index.view import SegmentView
from appliance.media.mp4 import boxes
from appliance.media.mp4.fmp4 import Track
from appliance.media.mp4.moov import Range, TrackTable, build

__all__ = ["MissingSpan", "NoEntry", "NoFootage", "Plan", "Range", "make_plan"]


class NoFootage(Exception):
    """No decodable frame lies in the requested span."""


class NoEntry(NoFootage):
    """There is footage, but no picture at which decoding may begin; the text explains it to a person."""


@dataclass(frozen=True, slots=True)
class Plan:
    """All that is needed to send a clip: `header`, then `ranges` in order; `size` bytes together.

    `preroll_s` is hidden time before the first frame (players that ignore edit lists show it). `duration_s`
    is what is shown, held frames included. `media_spans` are (run_id, start_ns, end_ns) of run media time.
    Coverage is capture time: from the first frame to the end of the last. `missing` lists what was requested
    and is not shown. `settled`: no part still to be written can add a frame. `width` and `height` are of the
    picture as it is shown, turned by the recording's display matrix, which the clip keeps. `course`: where
    one run's clock is off, points (seconds after the first frame, its media time in ns) between which time is
    linear; empty where one second of media time is one second of the clip.
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
    missing: tuple[MissingSpan, ...]
    width: int
    height: int
    codec: str
    latency_us: int
    settled: bool
    course: tuple[tuple[float, int], ...] = ()


def make_plan(
    segments: Sequence[SegmentView],
    open_fd: Callable[[str], int],
    *,
    start_us: int,
    end_us: int,
    latency_us: int,
) -> Plan:
    """The clip of capture time start_us <= t < end_us from one channel's `segments` (any order).

    Pass every segment that may hold such frames, and the one before it of each run (its last key may be
    needed). `open_fd(name)` returns a descriptor that stays open while this runs; the caller closes it.
    Blocking reads, a few per second of clip: run it in a thread. Raises NoFootage, Malformed, OSError.
    """
    undecodable: list[NoEntryBefore] = []
    spans = find_spans(segments, start_us + latency_us, end_us + latency_us, undecodable)
    if not spans:
        raise _nothing(undecodable, start_us, end_us)
    group = longest_group(spans)
    pieces = _read(group, open_fd)
    if not pieces:
        raise NoFootage(f"no frame between {start_us} and {end_us}")
    for piece in pieces:
        end_in_time(piece, end_us + latency_us)
        squeeze_holes(piece)
        follow_wall(piece)
    join_runs(pieces)
    lift(pieces)
    lay_out(pieces)
    refused = _refused(spans, group, undecodable, latency_us)
    shown = [Shown(span.start_us - latency_us, span.end_us - latency_us) for x in pieces for span in x.shown]
    nominal_us = to_us(pieces[0].video.nominal, pieces[0].track)
    missing = missing_spans(
        shown,
        refused,
        start_us,
        end_us,
        nominal_us,
        continues=_continues(pieces[0]),
        follows=pieces[-1].video.more_follows,
    )
    return _assemble(pieces, (shown[0].start_us, shown[-1].end_us), missing, latency_us)


def _read(group: list[DecodeSpan], open_fd: Callable[[str], int]) -> list[Piece]:
    pieces: list[Piece] = []
    for span in group:
        reader = PartReader(span.links, open_fd)
        video = read_video(reader, span, after_gap=bool(pieces))
        if video is not None:
            pieces.append(Piece(span, reader, video, video.first_shown()))
    return pieces


def _continues(piece: Piece) -> bool:
    """A frame before the first one shown is known, with no hole between them."""
    begin = piece.video.pts[piece.first]
    if any(each.before <= begin <= each.after for each in piece.video.breaks):
        return False
    return piece.first > 0 or not is_first_picture(piece.span.start, piece.span.links)


def _nothing(undecodable: Sequence[NoEntryBefore], start_us: int, end_us: int) -> NoFootage:
    if not undecodable:
        return NoFootage(f"no footage between {start_us} and {end_us}")
    return NoEntry(
        "footage is there, but no picture at which decoding may begin (IDR, CRA, BLA, recovery point) in it "
        f"or in the {MAX_PREROLL_S} s before: set the encoder to a key frame every second"
    )


def _refused(
    spans: Sequence[DecodeSpan],
    group: Sequence[DecodeSpan],
    undecodable: Sequence[NoEntryBefore],
    latency_us: int,
) -> list[MissingSpan]:
    """Footage that exists but is not shown, in capture time."""
    missing = [MissingSpan(span.start_us, span.end_us, "no_entry") for span in undecodable]
    missing += [
        MissingSpan(
            span.begin_us, span.end_us, "no_entry" if span.format == group[0].format else "format_change"
        )
        for span in spans
        if span not in group
    ]
    return [MissingSpan(start - latency_us, end - latency_us, reason) for start, end, reason in missing]


def _assemble(
    pieces: list[Piece], coverage: tuple[int, int], missing: tuple[MissingSpan, ...], latency_us: int
) -> Plan:
    first, timescale = pieces[0], pieces[0].track.timescale
    origin = first.clip_pts(first.first)
    duration = end_of(pieces[-1]) - origin
    descriptions = Descriptions()
    described = [descriptions.add(piece) for piece in pieces]
    description = descriptions.first
    names, sources = _sources(pieces)
    filler = bytearray()
    video = _blank_table(first.track, descriptions, boxes.Edit(duration, origin))
    for piece, source, changes in zip(pieces, sources, described, strict=True):
        _add_video(video, piece, source, changes, None if piece is first else _splice(piece, filler))
    tables = [_finished(video)]
    stretches = [_stretch(piece, source, origin) for piece, source in zip(pieces, sources, strict=True)]
    sound = read_sound(stretches, timescale, duration, filler)
    if sound is not None:
        tables.append(sound)
    header, ranges = build(tables, names, timescale, duration, bytes(filler))
    width, height = first.track.turn.size(description.width, description.height)
    return Plan(
        header=header,
        ranges=ranges,
        size=len(header) + sum(piece.length for piece in ranges),
        preroll_s=(origin - first.clip_pts(0)) / timescale,
        duration_s=duration / timescale,
        frames=sum(len(piece.video.shown) for piece in pieces),
        media_spans=tuple(_media_span(piece) for piece in pieces),
        coverage_start_us=coverage[0],
        coverage_end_us=coverage[1],
        missing=missing,
        width=width,
        height=height,
        codec=description.entry[4:8].decode("latin-1"),
        latency_us=latency_us,
        settled=pieces[-1].video.settled,
        course=_course(pieces),
    )


def _sources(pieces: list[Piece]) -> tuple[list[str], list[int]]:
    """Names of all segments, and for each piece the index of its chain's first segment among them."""
    names: list[str] = []
    firsts: list[int] = []
    for piece in pieces:
        firsts.append(len(names))
        names += [link.segment.name for link in piece.span.links]
    return names, firsts


def _blank_table(track: Track, descriptions: Descriptions, edit: boxes.Edit) -> TrackTable:
    return TrackTable(
        timescale=track.timescale,
        stsd=boxes.stsd(*descriptions.entries),
        deltas=array("I"),
        sizes=array("I"),
        ctos=array("i"),
        sync=array("I"),
        chunks=[],
        edits=[edit],
        width=descriptions.first.width,
        height=descriptions.first.height,
        matrix=track.matrix,
    )


def _add_video(
    table: TrackTable, piece: Piece, source: int, described: list[tuple[int, int]], spliced_at: int | None
) -> None:
    """Append a piece's samples; a player may always begin at the first of them."""
    assert table.ctos is not None and table.sync is not None
    video, before = piece.video, len(table.sizes)
    table.sync.append(before + 1)
    key = 0
    while (key := video.sync.find(1, key + 1)) > 0:
        table.sync.append(before + key + 1)
    table.deltas += video.deltas
    table.sizes += video.sizes
    table.ctos += video.ctos
    table.chunks += video.chunks(source, described, spliced_at)


def _finished(table: TrackTable) -> TrackTable:
    """The same without tables whose content is the default."""
    if not any(table.ctos or ()):
        table.ctos = None
    if table.sync is not None and len(table.sync) == len(table.sizes):
        table.sync = None
    return table


def _splice(piece: Piece, filler: bytearray) -> int | None:
    """Offset in `filler` of the piece's first sample, if it must be changed to follow another piece."""
    link, _, _, offset = piece.video.runs[0]
    size = piece.video.sizes[0]
    if not needs_splice(piece.track) or size > MAX_BYTES:
        return None
    sample = as_broken_link(piece.track, os.pread(piece.reader.fd(link), size, offset))
    if sample is None:
        return None
    filler += sample
    return len(filler) - size


def _stretch(piece: Piece, source: int, origin: int) -> VideoStretch:
    start = piece.span.start
    return VideoStretch(
        reader=piece.reader,
        first_source=source,
        first_part=(start.link, start.key.part),
        last_part=piece.video.last_part,
        decode_from=piece.video.pts[0],
        begin=piece.video.pts[piece.first],
        end=piece.video.end,
        at=piece.clip_pts(piece.first) - origin,
        squeezes=[(at, by) for at, by in piece.squeezes if at >= piece.video.pts[piece.first]],
        course=piece.course,
    )


def _course(pieces: Sequence[Piece]) -> tuple[tuple[float, int], ...]:
    first = pieces[0]
    if len(pieces) > 1 or first.course is None or first.squeezes:
        return ()
    begin_ns, timescale = first.media_ns(first.first), first.track.timescale
    own, clip = first.course.own, first.course.wall
    return (0.0, begin_ns), (clip / timescale, begin_ns + own * NS // timescale)


def _media_span(piece: Piece) -> tuple[str, int, int]:
    last = piece.video.last_shown()
    tail_ns = (piece.video.end - piece.video.pts[last]) * NS // piece.track.timescale
    return piece.link(last).segment.run_id, piece.media_ns(piece.first), piece.media_ns(last) + tail_ns
