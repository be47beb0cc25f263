"""Where frames and sound of a source whose clock is off stand in a clip: clip time is wall time.

Owns: the line from a source's own time to wall time, as a few straight stretches. Must not know: samples,
clocks, boxes. A source 2 % fast counts 4.08 s in 4 s of wall time: its frames are put 2 % nearer together.
What is off by less than half a frame over the whole clip is left as it is, and no table changes.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

Point = tuple[int, int]  # ticks of the source, ticks of wall time; both from the first frame shown on


@dataclass(frozen=True, slots=True)
class ClipTime:
    """Straight between `points` (at least two, rising in both), and on beyond them as it goes there."""

    points: tuple[Point, ...]

    def at(self, own: int) -> int:
        """Clip time of a tick of the source."""
        return self.of((own,))[0]

    def of(self, owns: Iterable[int]) -> list[int]:
        """The same of many, in any order: a greater one is never placed before a smaller one."""
        lines = [(*left, right[1] - left[1], right[0] - left[0]) for left, right in pairwise(self.points)]
        if len(lines) == 1:
            own0, wall0, rise, run = lines[0]
            return [wall0 + (own - own0) * rise // run for own in owns]
        edges, found = [own for own, _ in self.points[1:-1]], []
        for own in owns:
            own0, wall0, rise, run = lines[bisect_right(edges, own)]
            found.append(wall0 + (own - own0) * rise // run)
        return found

    def rescaled(self, to: int, of: int) -> ClipTime:
        """The same in units of which `to` are as long as `of` of these."""
        return ClipTime(tuple((own * to // of, wall * to // of) for own, wall in self.points))


def clip_time(points: Sequence[Point], near: int) -> ClipTime | None:
    """The line through `points`, which begin at (0, 0), to within `near` ticks; those that do not rise are
    left out. None where source and wall time are that near anyway."""
    if all(-near <= wall - own <= near for own, wall in points):
        return None
    rising = list(points[:1])
    for own, wall in points[1:]:
        if own > rising[-1][0] and wall > rising[-1][1]:
            rising.append((own, wall))
    return ClipTime(tuple(_few(rising, near))) if len(rising) > 1 else None


def _few(points: Sequence[Point], near: int) -> list[Point]:
    """Few of the points: all others lie within `near` of the lines between them."""
    (own0, wall0), (own1, wall1) = points[0], points[-1]
    rise, run = wall1 - wall0, own1 - own0
    off = [abs(wall - wall0 - (own - own0) * rise // run) for own, wall in points]
    worst = max(range(len(points)), key=off.__getitem__)
    if off[worst] <= near:
        return [points[0], points[-1]]
    return [*_few(points[: worst + 1], near)[:-1], *_few(points[worst:], near)]
