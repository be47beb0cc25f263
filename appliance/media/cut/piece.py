"""The spans of one clip on the clip's own timeline.

Owns: where each span begins in clip time, holes inside a span, what is shown of it in wall time. Must not
know: boxes, sound, how spans were chosen. Clip time is wall time, counted from the first frame.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from operator import add, sub

from appliance.media.cut.breaks import Break
from appliance.media.cut.clip_time import ClipTime, clip_time
from appliance.media.cut.coverage import Shown, ends_us
from appliance.media.cut.samples import MAX_DELTA, PartReader, VideoSamples
from appliance.media.index.chain import NS, DecodeSpan, Link
from appliance.media.index.pace import HOLE_FRAMES, is_gap
from appliance.media.mp4.fmp4 import Track

# A hole whose wall and media time differ by more than this is given its length in wall time.
_WORTH_SQUEEZING_S = 0.04
# a source may be off by this over the whole clip without correction, or by half a frame if that is less
_NEAR_S = 0.02
_SAME_RUNS_FRAMES = 2
_US = 1_000_000


@dataclass(slots=True)
class Piece:
    """One span of the clip. `at` is the clip's dts of its first sample; `dts` counts from there.

    `length` is how long the last frame is shown, ticks of clip time. `course`, for a source whose clock is
    off: maps its own ticks after the first frame shown to clip time.
    """

    span: DecodeSpan
    reader: PartReader
    video: VideoSamples
    first: int  # sample number of the first frame shown
    at: int = 0
    dts: list[int] = field(default_factory=list)
    squeezes: list[tuple[int, int]] = field(default_factory=list)
    shown: list[Shown] = field(default_factory=list)
    length: int = 0
    course: ClipTime | None = None

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


def to_us(ticks: int, track: Track) -> int:
    """Ticks of a track as us, floor."""
    return ticks * _US // track.timescale


def end_in_time(piece: Piece, end_us: int) -> None:
    """Cut the last picture at the requested end in wall time, if it lasts far beyond that."""
    video, timescale = piece.video, piece.track.timescale
    last = video.last_shown()
    begins_us = piece.wall_us(last)
    whole_us = begins_us + to_us(video.end - video.pts[last], piece.track)
    until_us = ends_us(whole_us, end_us)
    if until_us < whole_us:
        video.end = video.pts[last] + max(1, -((begins_us - until_us) * timescale // _US))


def squeeze_holes(piece: Piece) -> None:
    """Find frames held far too long; split coverage there, and give them the length that wall time has.

    A source whose clock leaps makes one sample of many seconds while hardly any wall time passes.
    """
    video, timescale = piece.video, piece.track.timescale
    last = video.last_shown()
    breaks = [each for each in video.breaks if each.after > video.pts[0] and each.before <= max(video.pts)]
    for place, before, after in _holes(video, breaks):
        before_us, after_us = piece.wall_us_of(place, before), piece.wall_us_of(place + 1, after)
        by = (after_us - before_us) * timescale // _US - (after - before)
        if abs(by) > timescale * _WORTH_SQUEEZING_S:
            wanted = min(max(video.deltas[place] + by, video.nominal), MAX_DELTA)
            by, video.deltas[place] = wanted - video.deltas[place], wanted
            piece.squeezes.append(((before + after) // 2, by))
    if video.deltas[-1] > HOLE_FRAMES * video.nominal:
        video.deltas[-1] = max(video.nominal, video.end - video.pts[last])
    _note_shown(piece, breaks, last)
    piece.length = video.end - video.pts[last]
    piece.dts = list(accumulate(video.deltas, initial=0))


def follow_wall(piece: Piece) -> None:
    """Place pictures by wall time, for a source whose clock is off: so 4 s of wall time last 4 s in the clip.

    Wall time is sampled once a second, then for each frame: a clock that was set or slewed within a second
    must not be averaged over it.
    """
    video, timescale = piece.video, piece.track.timescale
    begin, begin_us = piece.dts[piece.first] + video.ctos[piece.first], piece.wall_us(piece.first)

    def point(place: int) -> tuple[int, int]:
        wall = (piece.wall_us(place) - begin_us) * timescale // _US
        return piece.dts[place] + video.ctos[place] - begin, wall

    end = point(video.last_shown())
    near = min(video.nominal // 2, round(timescale * _NEAR_S))
    a_second = max(1, timescale // video.nominal)
    if clip_time([(0, 0), *map(point, video.shown[::a_second]), end], near) is None:
        return
    course = piece.course = clip_time([(0, 0), *map(point, video.shown), end], near)
    if course is None:
        return
    piece.length = max(1, course.at(end[0] + piece.length) - course.at(end[0]))
    shown_at = course.of(at - begin for at in map(add, piece.dts, video.ctos))
    decoded = list(
        accumulate(course.of(at - begin for at in piece.dts), lambda before, at: max(before + 1, at))
    )
    video.deltas = array("I", map(sub, decoded[1:], decoded))
    video.ctos = array("i", map(sub, shown_at, decoded))
    piece.dts = [at - decoded[0] for at in decoded]


def _note_shown(piece: Piece, breaks: Sequence[Break], last: int) -> None:
    """Record what is shown, in wall time, from break to break."""
    video = piece.video
    begin_us = piece.wall_us(piece.first)
    for each in breaks:
        before_us, after_us = each.wall_us(piece.span.links)
        inside = video.pts[piece.first] < each.before and each.after <= video.pts[last]
        if inside and is_gap(after_us - before_us, to_us(video.nominal, piece.track)):
            piece.shown.append(Shown(begin_us, before_us))
            begin_us = after_us
    end_us = piece.wall_us(last) + to_us(video.end - video.pts[last], piece.track)
    piece.shown.append(Shown(begin_us, end_us))


def _holes(video: VideoSamples, breaks: Sequence[Break]) -> list[tuple[int, int, int]]:
    """(sample, greatest pts up to it, least pts after it) for each sample that lasts over a break."""
    if not breaks:
        return []
    longest = min(HOLE_FRAMES * video.nominal, *(each.after - each.before for each in breaks))
    afters = {each.after for each in breaks}
    highest = list(accumulate(video.pts, max))
    lowest = list(accumulate(reversed(video.pts), min))[::-1]
    steps = [place for place, delta in enumerate(video.deltas[:-1]) if delta > longest]
    return [(place, highest[place], lowest[place + 1]) for place in steps if lowest[place + 1] in afters]


def lift(pieces: list[Piece]) -> None:
    """Make every composition offset of the clip at least 0, by adding the same ticks to all.

    A first frame shown before its decode time would need an edit that begins before time 0.
    """
    by = -min(min(piece.video.ctos) for piece in pieces)
    if by > 0:
        for piece in pieces:
            piece.video.ctos = array("i", [cto + by for cto in piece.video.ctos])


def join_runs(pieces: list[Piece]) -> None:
    """Where another run takes over at its own recording of the same picture, show the run before until then:
    its clock says a frame or two less, but nothing is missing (overlap.py)."""
    for before, piece in pairwise(pieces):
        left, right = before.span.links[0].segment, piece.span.links[0].segment
        if left.run_id == right.run_id or left.windows is None or not before.video.more_follows:
            continue
        last, next_us = before.shown[-1], piece.shown[0].start_us
        if 0 < next_us - last.end_us <= _SAME_RUNS_FRAMES * to_us(before.video.nominal, before.track):
            before.shown[-1] = last._replace(end_us=next_us)


def lay_out(pieces: list[Piece]) -> None:
    """Place every piece as far from the first as wall time says, never before the end of the piece before
    it."""
    origin_us = pieces[0].wall_us(pieces[0].first)
    origin = pieces[0].clip_pts(pieces[0].first)
    for before, piece in pairwise(pieces):
        since_us = piece.wall_us(piece.first) - origin_us
        wanted = origin + since_us * piece.track.timescale // _US
        end = end_of(before)
        if before.clip_pts(before.video.last_shown()) < wanted < end:
            # another run is shown from here on: its first frame ends this one
            before.video.end -= end - wanted
            before.length -= end - wanted
            end = wanted
        pts = max(wanted, end)
        last = before.at + before.dts[-2]
        piece.at = max(pts - piece.dts[piece.first] - piece.video.ctos[piece.first], last + 1)
        piece.at = min(piece.at, last + MAX_DELTA)
        before.video.deltas[-1] = piece.at - last


def end_of(piece: Piece) -> int:
    """Clip pts at which the last frame shown of a piece ends."""
    pts, last = piece.video.pts, piece.video.last_shown()
    end = piece.clip_pts(last) + piece.length
    if not last or max(pts[:last]) <= pts[last]:
        return end
    # A later picture that is only needed for decoding must not be shown: recorded times and the clip's own
    # differ by a tick or two where a part begins.
    after = [place for place in range(last) if pts[place] > pts[last]]
    return min([end, *map(piece.clip_pts, after)])
