"""Which spans of which segments a stretch of wall time needs, from index facts alone.

Owns: ticks of a segment against wall time, segments joined into chains, chains split into spans that decode
with one description. Must not know: bytes, sample tables, the latency of a channel.

A chain is consecutive segments of one run: decoding and audio continue across its joins. "Chain ticks" are
video ticks counted from the chain's first segment; `Link.offset` converts a segment's ticks to them.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby, islice, pairwise
from typing import NamedTuple

from appliance.media.index.overlap import within
from appliance.media.index.view import Key, Part, SegmentView
from appliance.media.mp4.fmp4 import Track

NS = 1_000_000_000
MAX_PREROLL_S = 60  # hidden pictures before the first one shown: more are neither fetched nor decoded
# A picture waits in the decoder for at most 16 later ones (MaxDpbFrames; H.264 A.3.1, H.265 A.4.2): so many
# parts of one frame each may lie between a picture and its place in display order.
_REORDER_PARTS = 17
_Format = tuple[int, bytes, int | bytes]


@dataclass(frozen=True, slots=True)
class Link:
    """One segment of a chain: frames wanted have first <= pts < stop, in this segment's own ticks."""

    segment: SegmentView
    track: Track
    offset: int
    first: int
    stop: int

    def wall_us(self, ticks: int) -> int:
        """Wall time of a video tick of this segment: the one conversion used for choosing and for publishing
        frames."""
        media_ns = self.segment.base_ns + ticks * NS // self.track.timescale
        return self.segment.clock.wall_us(media_ns)


@dataclass(frozen=True, slots=True)
class KeyAt:
    """Position of a key sample: link number in the chain, and the key itself."""

    link: int
    key: Key


@dataclass(frozen=True, slots=True)
class DecodeSpan:
    """Samples of one chain from `start` to before `stop` (None: to the end), one format throughout.

    `keys` are all keys from `start` on; their parameter sets may differ. `begin_us` and `end_us` are wall
    times within the requested window, precise enough to compare lengths.
    """

    links: tuple[Link, ...]
    keys: tuple[KeyAt, ...]
    stop: KeyAt | None
    format: _Format
    begin_us: int
    end_us: int

    @property
    def start(self) -> KeyAt:
        return self.keys[0]


class NoEntryBefore(NamedTuple):
    """Footage of wall time start_us..end_us without a picture before it at which decoding can begin."""

    start_us: int
    end_us: int


def find_spans(
    segments: Iterable[SegmentView],
    first_us: int,
    stop_us: int,
    undecodable: list[NoEntryBefore] | None = None,
) -> list[DecodeSpan]:
    """Every span with frames of wall time first_us <= t < stop_us, in order of wall time.

    Footage that cannot be decoded is added to `undecodable`.
    """
    spans: list[DecodeSpan] = []
    for chain in _chains(segments):
        for low_us, high_us in within(chain[0].windows, first_us, stop_us):
            links = _links(chain, low_us, high_us)
            mine = list(_spans(links, low_us, high_us))
            spans += mine
            if undecodable is not None:
                undecodable += _undecodable(links, mine, low_us, high_us)
    return sorted(spans, key=lambda span: span.begin_us)


def longest_group(spans: Sequence[DecodeSpan]) -> list[DecodeSpan]:
    """The neighbouring spans of one format that together last longest.

    A span that begins at a recovery point can only be the first: a decoder that comes from other pictures
    puts its pictures in a wrong order, and nothing hides those that are not yet correct. Measured with x264's
    open groups put behind another run (FFmpeg 8.1): with 2 B-frames one or two pictures were lost or out of
    order, with 1 and 3 none; it depends on the picture order counts of both runs. An IDR picture put between
    them would be shown.
    """
    number = accumulate(
        (span.format != before.format or not span.start.key.resets for before, span in pairwise(spans)),
        initial=0,
    )
    numbered = list(zip(number, spans, strict=True))
    groups = [[span for _, span in group] for _, group in groupby(numbered, key=lambda pair: pair[0])]
    return max(groups, key=lambda group: sum(span.end_us - span.begin_us for span in group))


def first_tick(segment: SegmentView, track: Track, wall_us: int) -> int:
    """The smallest tick of the track whose wall time is at or after `wall_us` (may be outside the
    segment)."""
    since_ns = segment.clock.media_ns(wall_us) - segment.base_ns
    return -(-since_ns * track.timescale // NS)  # smallest t with t * NS // timescale >= since_ns


def _chains(segments: Iterable[SegmentView]) -> Iterable[list[SegmentView]]:
    runs: dict[str, list[SegmentView]] = {}
    for segment in segments:
        if segment.init.video is not None and any(part.video_tfdt >= 0 for part in segment.parts):
            runs.setdefault(segment.run_id, []).append(segment)
    for run in runs.values():
        run.sort(key=lambda segment: (segment.base_ns, segment.name))
        chain: list[SegmentView] = []
        for segment in run:
            if chain and not _continues(chain[-1], segment):
                yield chain
                chain = []
            chain.append(segment)
        yield chain


def _continues(before: SegmentView, after: SegmentView) -> bool:
    """Nothing is missing between two segments of a run, and their samples use the same timescales."""
    if before.init.mtxi is None or after.init.mtxi is None:
        return False
    left, right = before.init.video, after.init.video
    assert left is not None and right is not None
    same_units = (left.timescale, left.codec) == (right.timescale, right.codec)
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


def _spans(links: tuple[Link, ...], first_us: int, stop_us: int) -> Iterable[DecodeSpan]:
    keys = list(_keys(links))
    if not keys:
        return
    # neighbours with the same format belong to one span; the last one reaches to the end of the footage
    starts = [place for place, at in enumerate(keys) if not place or _changed(links, keys[place - 1], at)]
    for place, following in zip(starts, [*starts[1:], None], strict=True):
        start = keys[place]
        stop = None if following is None else keys[following]
        begin_us = max(first_us, links[start.link].wall_us(start.key.right))
        end_us = _footage_end_us(links) if stop is None else links[stop.link].wall_us(stop.key.pts)
        end_us = min(stop_us, end_us)
        if begin_us < end_us:
            mine = tuple(keys[place:following])
            yield DecodeSpan(links, mine, stop, _format(links, start), begin_us, end_us)


def _keys(links: tuple[Link, ...]) -> Iterable[KeyAt]:
    """The key at which decoding starts, then every later key before the end, in decode order."""
    wanted = [number for number, link in enumerate(links) if _has_frames(link)]
    if not wanted or (start := _start(links, wanted[0])) is None:
        return
    for number in range(start.link, wanted[-1] + 1):
        keys, link = links[number].segment.keys, links[number]
        stop = bisect_right(keys, link.stop - 1, key=lambda key: key.pts)
        if number == start.link:
            yield start
            later = (start.key.part, start.key.sample)
            first = bisect_right(keys, later, key=lambda key: (key.part, key.sample))
        else:
            first = 0
        for key in keys[first:stop]:
            yield KeyAt(number, key)


def _start(links: tuple[Link, ...], first: int) -> KeyAt | None:
    """The last key from which the first wanted frame is decoded correctly; else the first key after it.

    `first` is the number of the first link with wanted frames.
    """
    link = links[first]
    keys = link.segment.keys
    # by PTS: leading pictures of an open GOP come before their key and need the one before it
    place = bisect_right(keys, link.first, key=lambda key: key.right) - 1
    most = MAX_PREROLL_S * link.track.timescale
    if place >= 0:
        near = link.first - keys[place].pts <= most
        return KeyAt(first, keys[place]) if near else _next_key(links, first, place + 1)
    if not keys or _shows_before_first_key(link):
        before = next((n for n in reversed(range(first)) if links[n].segment.keys), None)
        if before is not None:
            key = links[before].segment.keys[-1]
            begin = max(link.first, min(part.video_pts_min for part in first_pictures(link)))
            if begin + link.offset - (key.pts + links[before].offset) <= most:
                return KeyAt(before, key)
    return _next_key(links, first, 0)


def _next_key(links: tuple[Link, ...], number: int, place: int) -> KeyAt | None:
    while number < len(links):
        if place < len(links[number].segment.keys):
            return KeyAt(number, links[number].segment.keys[place])
        number, place = number + 1, 0
    return None


def _undecodable(
    links: tuple[Link, ...], spans: Sequence[DecodeSpan], first_us: int, stop_us: int
) -> Iterable[NoEntryBefore]:
    """Frames of the chain in the window that come before the first span.

    Except those that lead the chain's very first picture: their references were never recorded.
    """
    if spans and (spans[0].begin_us <= first_us or is_first_picture(spans[0].start, links)):
        return
    having = [link for link in links if _has_frames(link)]
    if not having:
        return
    begin_us = max(first_us, having[0].wall_us(min(p.video_pts_min for p in first_pictures(having[0]))))
    end_us = spans[0].begin_us if spans else min(stop_us, _footage_end_us(links))
    if begin_us < end_us:
        yield NoEntryBefore(begin_us, end_us)


def is_first_picture(at: KeyAt, links: tuple[Link, ...]) -> bool:
    """The chain begins with this key: it is its first picture."""
    if at.link or at.key.sample or at.key.recovery:
        return False
    return not any(part.video_tfdt >= 0 for part in islice(links[0].segment.parts, at.key.part))


def _has_frames(link: Link) -> bool:
    """Some frame lies in the window."""
    first = min(part.video_pts_min for part in first_pictures(link))
    return first < link.stop and max(part.video_pts_max for part in last_pictures(link)) >= link.first


def first_pictures(link: Link) -> Iterable[Part]:
    """The first part with video, and those after it that may hold pictures shown before it."""
    return islice((part for part in link.segment.parts if part.video_tfdt >= 0), _REORDER_PARTS)


def last_pictures(link: Link) -> Iterable[Part]:
    """The last parts with video: with B-frames the greatest pts may be in one before the last."""
    return islice((part for part in reversed(link.segment.parts) if part.video_tfdt >= 0), _REORDER_PARTS)


def _shows_before_first_key(link: Link) -> bool:
    first = link.segment.keys[0]
    return link.first < first.right and any(x.video_pts_min < first.right for x in first_pictures(link))


def _changed(links: tuple[Link, ...], before: KeyAt, after: KeyAt) -> bool:
    return _format(links, before) != _format(links, after)


def _format(links: tuple[Link, ...], at: KeyAt) -> _Format:
    track = links[at.link].track
    return track.timescale, track.matrix, at.key.format_id or track.stsd


def _footage_end_us(links: tuple[Link, ...]) -> int:
    """Wall time at which the last frame shown of the chain ends."""
    return max(links[-1].wall_us(part.video_end) for part in last_pictures(links[-1]))
