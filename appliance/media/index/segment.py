"""The facts about one segment that are kept when its part list is not in memory.

Owns: SegmentFacts, the small record that coverage, anchors and caches are made of. Must not know: part lists
beyond summarising them, wall time, directories.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from appliance.media.index.index import SegmentIndex, State, ticks_to_ns
from appliance.media.index.view import Key, MediaClock, Part, SegmentView
from appliance.media.mp4.fmp4 import Init


class Size(NamedTuple):
    """From media time `at_ns` of the run on, the picture as it is shown has this size in pixels."""

    at_ns: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class SegmentFacts:
    """All media times are ns of the run. `first_ns`/`end_ns` are None when there is no video.

    `bytes` is the file's size when it was indexed, `indexed_bytes` the end of its last complete part.
    `first_frame_ns` is the length of a frame at its begin (fixed by its first part), `frame_ns` at its end.
    `video_track` is Init.chosen. `lowest_cto` is the least pts - dts in video ticks, at most 0. `holes` are
    (end of the frame before, pts of the frame after).
    """

    name: str
    bytes: int
    indexed_bytes: int
    state: State
    reason: str | None
    run_id: str
    number: int | None
    base_ns: int
    ntp_us: int | None
    frames: int
    parts: int
    first_ns: int | None
    end_ns: int | None
    first_frame_ns: int
    frame_ns: int
    lowest_cto: int
    video_track: int
    codec: str
    stsd_id: str
    sizes: tuple[Size, ...]
    holes: tuple[tuple[int, int], ...]


def facts_of(index: SegmentIndex) -> SegmentFacts:
    """Summarise an index; of one that still grows, only what will not change."""
    init = index.init
    mtxi = init.mtxi if init is not None else None
    video = init.video if init is not None else None
    pace, end, scale = index.cursor.pace, index.end, index.timescale
    certain = None if index.is_closed else pace.certain_end
    if end is not None and certain is not None:
        end = min(end, certain)
    return SegmentFacts(
        name=index.name,
        bytes=index.cursor.size,
        indexed_bytes=index.cursor.position,
        state=index.state,
        reason=index.damage,
        run_id=index.run_id,
        number=mtxi.number if mtxi is not None else None,
        base_ns=index.base_ns,
        ntp_us=mtxi.ntp_ns // 1000 if mtxi is not None else None,
        frames=index.frames,
        parts=len(index.parts),
        first_ns=None if index.first is None else index.run_ns(index.first),
        end_ns=None if end is None else index.run_ns(end),
        first_frame_ns=ticks_to_ns(pace.opening, scale),
        frame_ns=ticks_to_ns(pace.nominal, scale),
        lowest_cto=pace.lowest_cto,
        video_track=init.chosen if init is not None else 0,
        codec=video.codec if video is not None else "",
        stsd_id=init.stsd_id if init is not None else "",
        sizes=tuple([Size(index.run_ns(p.pts), p.width, p.height) for p in index.pictures]),
        holes=tuple([(index.run_ns(hole.before), index.run_ns(hole.after)) for hole in index.all_holes()]),
    )


def ticks_of(facts: SegmentFacts, ns: int, timescale: int) -> int:
    """The video tick whose media time of the run (as run_ns makes it) is `ns`."""
    return -(-(ns - facts.base_ns) * timescale // 1_000_000_000)


def view_of(
    facts: SegmentFacts, path: str, init: Init, clock: MediaClock, parts: Sequence[Part], keys: Sequence[Key]
) -> SegmentView:
    """The view of a segment whose index is not in memory."""
    if init.chosen != facts.video_track:
        init = replace(init, chosen=facts.video_track)
    scale = init.video.timescale if init.video is not None else 1
    return SegmentView(
        name=path,
        init=init,
        base_ns=facts.base_ns,
        run_id=facts.run_id,
        clock=clock,
        parts=parts,
        keys=keys,
        lowest_cto=facts.lowest_cto,
        holes=tuple((ticks_of(facts, a, scale), ticks_of(facts, b, scale)) for a, b in facts.holes),
        frame_ticks=(facts.first_frame_ns * scale // 10**9, facts.frame_ns * scale // 10**9),
    )


def goes_on(before: SegmentFacts, after: SegmentFacts) -> bool:
    """Whether a file that was `before` is the same recording now, complete or with more added.

    A file without mtxi that its recorder had closed does not grow: with more bytes it is another recording.
    """
    place = (before.run_id, before.number, before.base_ns, before.ntp_us, before.stsd_id, before.first_ns)
    same = place == (after.run_id, after.number, after.base_ns, after.ntp_us, after.stsd_id, after.first_ns)
    if not before.parts:
        return before.run_id == after.run_id
    if after.parts == before.parts:
        return same and (before.indexed_bytes, before.end_ns) == (after.indexed_bytes, after.end_ns)
    return same and (before.number is not None or before.state != "closed")


def closed(facts: SegmentFacts) -> SegmentFacts:
    """The same segment once nothing will be added to it any more."""
    return replace(facts, state="closed") if facts.state == "growing" else facts
