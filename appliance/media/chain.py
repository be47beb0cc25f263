"""Which spans of which segments a stretch of wall time needs, from index facts alone.

Owns: ticks of a segment against wall time, segments joined into chains, chains split into spans that decode
with one description. Must not know: bytes, sample tables, the latency of a channel.

A chain is consecutive segments of one run: decoding and audio go on across its joins. All times called "chain
ticks" are video ticks from the chain's first segment on; `Link.offset` turns a segment's ticks into them.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby, islice

from appliance.media.fmp4 import Track
from appliance.media.view import Key, Part, SegmentView

NS = 1_000_000_000
# A picture waits in the decoder for at most 16 later ones (MaxDpbFrames; H.264 A.3.1, H.265 A.4.2): so many
# parts of one frame each may lie between it and its place in the order shown.
_REORDER_PARTS = 17
_Description = tuple[int, int | bytes]


@dataclass(frozen=True, slots=True)
class Link:
    """One segment of a chain: frames wanted have first <= pts < stop, in this segment's own ticks."""

    segment: SegmentView
    track: Track
    offset: int
    first: int
    stop: int

    def wall_us(self, ticks: int) -> int:
        """Wall time of a video tick of this segment: the one conversion used for choosing and publishing."""
        media_ns = self.segment.base_ns + ticks * NS // self.track.timescale
        return self.segment.clock.wall_us(media_ns)


@dataclass(frozen=True, slots=True)
class KeyAt:
    """A key sample by its place: link number in the chain, and the key itself."""

    link: int
    key: Key


@dataclass(frozen=True, slots=True)
class Span:
    """Samples of one chain from `start` to before `stop` (None: to the end), one description throughout.

    `begin_us` and `end_us` are wall time, within what was asked for, good enough to compare lengths.
    """

    links: tuple[Link, ...]
    start: KeyAt
    stop: KeyAt | None
    description: _Description
    begin_us: int
    end_us: int


def find_spans(segments: Iterable[SegmentView], first_us: int, stop_us: int) -> list[Span]:
    """Every span with frames of wall time first_us <= t < stop_us, in order of wall time."""
    spans = [
        span for links in _chains(segments, first_us, stop_us) for span in _spans(links, first_us, stop_us)
    ]
    return sorted(spans, key=lambda span: span.begin_us)


def longest_group(spans: Sequence[Span]) -> list[Span]:
    """The neighbouring spans of one description that together last longest."""
    groups = [list(group) for _, group in groupby(spans, key=lambda span: span.description)]
    return max(groups, key=lambda group: sum(span.end_us - span.begin_us for span in group))


def first_tick(segment: SegmentView, track: Track, wall_us: int) -> int:
    """The least tick of the track whose wall time is at or after `wall_us` (may lie outside the segment)."""
    since_ns = segment.clock.media_ns(wall_us) - segment.base_ns
    return -(-since_ns * track.timescale // NS)  # least t with t * NS // timescale >= since_ns


def _chains(segments: Iterable[SegmentView], first_us: int, stop_us: int) -> Iterable[tuple[Link, ...]]:
    runs: dict[str, list[SegmentView]] = {}
    for segment in segments:
        if segment.init.video is not None and segment.keys and segment.parts:
            runs.setdefault(segment.run_id, []).append(segment)
    for run in runs.values():
        run.sort(key=lambda segment: (segment.base_ns, segment.name))
        chain: list[SegmentView] = []
        for segment in run:
            if chain and not _continues(chain[-1], segment):
                yield _links(chain, first_us, stop_us)
                chain = []
            chain.append(segment)
        yield _links(chain, first_us, stop_us)


def _continues(before: SegmentView, after: SegmentView) -> bool:
    """Nothing is missing between two segments of a run, and their samples count in the same units."""
    if before.init.mtxi is None or after.init.mtxi is None:
        return False
    one, other = before.init.video, after.init.video
    assert one is not None and other is not None
    same_units = (one.timescale, one.codec) == (other.timescale, other.codec)
    return same_units and after.init.mtxi.number == before.init.mtxi.number + 1


def _links(chain: list[SegmentView], first_us: int, stop_us: int) -> tuple[Link, ...]:
    links: list[Link] = []
    base_ns = chain[0].base_ns
    for segment in chain:
        track = segment.init.video
        assert track is not None
        offset = ((segment.base_ns - base_ns) * track.timescale + NS // 2) // NS
        first, stop = first_tick(segment, track, first_us), first_tick(segment, track, stop_us)
        links.append(Link(segment, track, offset, first, stop))
    return tuple(links)


def _spans(links: tuple[Link, ...], first_us: int, stop_us: int) -> Iterable[Span]:
    keys = list(_keys(links))
    if not keys:
        return
    # neighbours with the same description belong to one span; the last lasts to the end of the footage
    starts = [place for place, at in enumerate(keys) if not place or _changed(links, keys[place - 1], at)]
    for place, following in zip(starts, [*starts[1:], None], strict=True):
        start = keys[place]
        stop = None if following is None else keys[following]
        begin_us = max(first_us, links[start.link].wall_us(start.key.pts))
        end_us = _footage_end_us(links) if stop is None else links[stop.link].wall_us(stop.key.pts)
        end_us = min(stop_us, end_us)
        if begin_us < end_us:
            yield Span(links, start, stop, _description(links, start), begin_us, end_us)


def _keys(links: tuple[Link, ...]) -> Iterable[KeyAt]:
    """The key to start decoding at, then every later key before the end, in decode order."""
    started = False
    for number, link in enumerate(links):
        keys = link.segment.keys
        if not _has_frames(link):
            continue
        place = 0
        if not started:
            # by PTS: leading pictures of an open GOP come before their key and need the one before it
            place = bisect_right(keys, link.first, key=lambda key: key.pts) - 1
            if place < 0 and number and _shows_before_first_key(link):
                yield KeyAt(number - 1, links[number - 1].segment.keys[-1])
            started, place = True, max(place, 0)
        for key in keys[place : bisect_right(keys, link.stop - 1, key=lambda key: key.pts)]:
            yield KeyAt(number, key)


def _has_frames(link: Link) -> bool:
    """Some frame lies in the window; the segment's first video sample is taken to be its first key."""
    first = min(part.video_pts_min for part in _first_video_parts(link))
    return first < link.stop and max(part.video_pts_max for part in _last_video_parts(link)) >= link.first


def _first_video_parts(link: Link) -> Iterable[Part]:
    """The part of the first key, and those after it that may hold pictures shown before it."""
    first = link.segment.keys[0].part
    return (part for part in link.segment.parts[first : first + _REORDER_PARTS] if part.video_tfdt >= 0)


def _last_video_parts(link: Link) -> Iterable[Part]:
    """The last parts with video: with B-frames the greatest pts may be in one before the last."""
    return islice((part for part in reversed(link.segment.parts) if part.video_tfdt >= 0), _REORDER_PARTS)


def _shows_before_first_key(link: Link) -> bool:
    first = link.segment.keys[0]
    return link.first < first.pts and any(x.video_pts_min < first.pts for x in _first_video_parts(link))


def _changed(links: tuple[Link, ...], before: KeyAt, after: KeyAt) -> bool:
    return _description(links, before) != _description(links, after)


def _description(links: tuple[Link, ...], at: KeyAt) -> _Description:
    track = links[at.link].track
    return track.timescale, at.key.params_id or track.stsd


def _footage_end_us(links: tuple[Link, ...]) -> int:
    """Wall time at which the last frame shown by the chain ends."""
    return max(links[-1].wall_us(part.video_end) for part in _last_video_parts(links[-1]))
