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
from dataclasses import dataclass

from appliance.media import boxes
from appliance.media.chain import NS, Span, find_spans, longest_group
from appliance.media.coverage import Missing, Shown, missing_spans
from appliance.media.moov import Range, TrackTable, build
from appliance.media.params import KEY_HEAD_BYTES, Description, describe
from appliance.media.piece import Piece, end_of, lay_out, lift, squeeze_holes, to_us
from appliance.media.samples import PartReader, read_video
from appliance.media.sound import Stretch, read_sound
from appliance.media.splice import MAX_BYTES, as_broken_link, needs_splice
from appliance.media.view import SegmentView

__all__ = ["Missing", "NoFootage", "Plan", "Range", "make_plan"]


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
        squeeze_holes(piece)
    lift(pieces)
    lay_out(pieces)
    refused = [(span.begin_us - latency_us, span.end_us - latency_us) for span in spans if span not in group]
    shown = [Shown(one.start_us - latency_us, one.end_us - latency_us) for x in pieces for one in x.shown]
    nominal_us = to_us(pieces[0].video.nominal, pieces[0].track)
    past, follows = _has_past(pieces[0]), pieces[-1].video.more_follows
    missing = missing_spans(shown, refused, start_us, end_us, nominal_us, has_past=past, follows=follows)
    return _assemble(pieces, (shown[0].start_us, shown[-1].end_us), missing, latency_us)


def _read(group: list[Span], open_fd: Callable[[str], int]) -> list[Piece]:
    pieces: list[Piece] = []
    for span in group:
        reader = PartReader(span.links, open_fd)
        video = read_video(reader, span, after_gap=bool(pieces))
        if video is not None:
            pieces.append(Piece(span, reader, video, video.first_shown()))
    return pieces


def _has_past(piece: Piece) -> bool:
    """Frames before the first one shown are known: it is the footage's own pace that made it the first."""
    start = piece.span.start
    return piece.first > 0 or start.link > 0 or start.key is not piece.span.links[0].segment.keys[0]


def _assemble(
    pieces: list[Piece], coverage: tuple[int, int], missing: tuple[Missing, ...], latency_us: int
) -> Plan:
    first, timescale = pieces[0], pieces[0].track.timescale
    origin = first.clip_pts(first.first)
    duration = end_of(pieces[-1]) - origin
    description = _description(first)
    names, sources = _sources(pieces)
    filler = bytearray()
    tables = [_video_table(pieces, sources, description, boxes.Edit(duration, origin), filler)]
    stretches = [_stretch(piece, source, origin) for piece, source in zip(pieces, sources, strict=True)]
    sound = read_sound(stretches, timescale, duration, filler)
    if sound is not None:
        tables.append(sound)
    header, ranges = build(tables, names, timescale, duration, bytes(filler))
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
        width=description.width,
        height=description.height,
        codec=description.entry[4:8].decode("latin-1"),
        latency_us=latency_us,
        settled=pieces[-1].video.settled,
    )


def _description(piece: Piece) -> Description:
    """How the first key, and by choice of span every other, is decoded."""
    link, _, _, offset = piece.video.runs[0]
    size = min(piece.video.sizes[0], KEY_HEAD_BYTES)
    return describe(piece.track, os.pread(piece.reader.fd(link), size, offset))


def _sources(pieces: list[Piece]) -> tuple[list[str], list[int]]:
    """Names of all segments, and for each piece the number of its chain's first one among them."""
    names: list[str] = []
    firsts: list[int] = []
    for piece in pieces:
        firsts.append(len(names))
        names += [link.segment.name for link in piece.span.links]
    return names, firsts


def _video_table(
    pieces: list[Piece], sources: list[int], description: Description, edit: boxes.Edit, filler: bytearray
) -> TrackTable:
    deltas, sizes, ctos, sync = array("I"), array("I"), array("i"), bytearray()
    table = TrackTable(
        timescale=pieces[0].track.timescale,
        stsd=boxes.stsd(description.entry),
        deltas=deltas,
        sizes=sizes,
        ctos=None,
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
        spliced_at = None if piece is pieces[0] else _splice(piece, filler)
        table.chunks += piece.video.chunks(source, spliced_at)
    if any(ctos):
        table.ctos = ctos
    if 0 in sync:
        table.sync = array("I", [number for number, is_key in enumerate(sync, start=1) if is_key])
    return table


def _splice(piece: Piece, filler: bytearray) -> int | None:
    """Where in `filler` the piece's first sample lies, if it must be changed to follow another piece."""
    link, _, _, offset = piece.video.runs[0]
    size = piece.video.sizes[0]
    if not needs_splice(piece.track) or size > MAX_BYTES:
        return None
    sample = as_broken_link(piece.track, os.pread(piece.reader.fd(link), size, offset))
    if sample is None:
        return None
    filler += sample
    return len(filler) - size


def _stretch(piece: Piece, source: int, origin: int) -> Stretch:
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


def _media_span(piece: Piece) -> tuple[str, int, int]:
    last = piece.video.last_shown()
    tail_ns = (piece.video.end - piece.video.pts[last]) * NS // piece.track.timescale
    return piece.link(last).segment.run_id, piece.media_ns(piece.first), piece.media_ns(last) + tail_ns
