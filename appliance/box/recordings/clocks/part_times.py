"""Parts and holes of one file in media time of its run, as the run's clock needs them.

Owns: those conversions. Must not know: clocks, when anything was written.
"""

from __future__ import annotations

from appliance.media.clock.anchor import BETWEEN_FILES_NS
from appliance.media.clock.timeline import Arrival, Leap
from appliance.media.index.index import Growth, SegmentIndex, ticks_to_ns
from appliance.media.index.pace import HOLE_FRAMES, PartNote
from appliance.media.index.segment import SegmentFacts
from appliance.media.index.view import Part


def leaps_of(facts: SegmentFacts, known_ns: int | None) -> list[Leap]:
    """Holes in a file's media time, and before it where the run is known up to `known_ns`."""
    leaps = [Leap(before, after) for before, after in facts.holes]
    first_ns = facts.first_ns
    if known_ns is not None and first_ns is not None and first_ns - known_ns > BETWEEN_FILES_NS:
        leaps.append(Leap(known_ns, first_ns))
    return leaps


def hole_ns(index: SegmentIndex) -> int:
    """How long media time must advance without a picture to count as a leap."""
    return HOLE_FRAMES * ticks_to_ns(index.cursor.pace.nominal, index.timescale)


def video_of(growth: Growth) -> list[tuple[Part, PartNote]]:
    """The parts with video."""
    pairs = zip(growth.parts, growth.notes, strict=True)
    return [(part, note) for part, note in pairs if part.video_tfdt >= 0]


def arrival_of(index: SegmentIndex, part: Part, note: PartNote) -> Arrival:
    """What a run's clock needs of a part; its write time is not known here."""
    leap = Leap(*map(index.run_ns, note.leap)) if note.leap is not None else None
    start_ns, end_ns = index.run_ns(part.video_pts_min), index.run_ns(note.reached)
    return Arrival(start_ns, end_ns, index.run_ns(part.video_end), None, leap)
