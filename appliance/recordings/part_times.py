"""Parts and holes of one file in media time of its run, as the run's clock takes them.

Owns: those conversions. Must not know: clocks, when anything was written.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from appliance.media.clock.anchor import BETWEEN_FILES_NS
from appliance.media.clock.timeline import Arrival, Leap
from appliance.media.index.index import Growth, SegmentIndex, ticks_to_ns
from appliance.media.index.pace import HOLE_FRAMES, PartNote
from appliance.media.index.segment import SegmentFacts
from appliance.media.index.view import Key, Part
from appliance.media.mp4.fmp4 import Mtxi
from appliance.media.mp4.fragment import is_own

_FIRST_NS: Final = 100_000_000  # with B-frames the second picture is the one furthest ahead


def leaps_of(facts: SegmentFacts, known_ns: int | None) -> list[Leap]:
    """Holes in a file's media time, and before it where the run is known up to `known_ns`."""
    leaps = [Leap(before, after) for before, after in facts.holes]
    first_ns = facts.first_ns
    if known_ns is not None and first_ns is not None and first_ns - known_ns > BETWEEN_FILES_NS:
        leaps.append(Leap(known_ns, first_ns))
    return leaps


def hole_ns(index: SegmentIndex) -> int:
    """How far media time must go without a picture to have leapt."""
    return HOLE_FRAMES * ticks_to_ns(index.cursor.pace.nominal, index.timescale)


class Early(NamedTuple):
    """By how much MediaMTX's word on a file's begin is early, and on that of a later file of its run (us)."""

    own_us: int
    later_us: int


NOT_EARLY: Final = Early(0, 0)


def early_of(index: SegmentIndex) -> Early:
    """What the pictures of a file tell of its recorder's word.

    That goes by the time at which the file's first picture is shown, on a line through the pictures that come
    earliest before they are shown: with B-frames a key picture comes some frames later than that (measured:
    67 ms with two of them at 30 fps, 95 with three). Of a connection's first picture the arrival alone is
    known (`is_estimate`), and it is decoded when it is shown, later than any other key (30 and 51 ms). Sound
    is not reordered.
    """
    mtxi = index.init.mtxi if index.init is not None else None
    if mtxi is None or is_own(mtxi.stream_id) or not index.keys or index.parts[0].video_tfdt:
        return NOT_EARLY
    first = _ahead(index, index.keys[0])
    usual = first if is_estimate(mtxi) else _ahead(index, index.keys[min(1, len(index.keys) - 1)])
    later = max(0, index.cursor.pace.reorder - usual)
    if is_estimate(mtxi):
        own = later
    else:  # keys of open groups come as far ahead as any picture, and tell nothing of the first one
        own = usual if not first and usual < index.cursor.pace.reorder else 0
    return Early(*(ticks_to_ns(ticks, index.timescale) // 1000 for ticks in (own, later)))


def _ahead(index: SegmentIndex, key: Key) -> int:
    """Ticks from the time at which a key is decoded to that at which it is shown."""
    return key.pts - index.parts[key.part].video_tfdt - key.sample * index.cursor.pace.nominal


def is_estimate(mtxi: Mtxi) -> bool:
    """Whether pictures had come on the connection before the file began. Its media time begins at 0."""
    return mtxi.number > 0 or mtxi.dts_ns > _FIRST_NS


def video_of(growth: Growth) -> list[tuple[Part, PartNote]]:
    """The parts with video."""
    pairs = zip(growth.parts, growth.notes, strict=True)
    return [(part, note) for part, note in pairs if part.video_tfdt >= 0]


def arrival_of(index: SegmentIndex, part: Part, note: PartNote) -> Arrival:
    """What a run must know of a part; when it was written is not known here."""
    leap = Leap(*map(index.run_ns, note.leap)) if note.leap is not None else None
    start_ns, end_ns = index.run_ns(part.video_pts_min), index.run_ns(note.reached)
    return Arrival(start_ns, end_ns, index.run_ns(part.video_end), None, leap)
