"""Clip times of frames and sound of a source whose clock runs fast or slow: clip time is wall time.

Owns: whether a source's rate is constantly off, and by how much. Must not know: samples, clocks, boxes. A
source 2 % fast counts 4.08 s in 4 s of wall time: its frames are put 2 % closer together. No table changes
for a crystal's few hundred ppm, for less than half a frame over the whole clip, or when the clock was set or
slewed within the clip.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

Point = tuple[int, int]  # ticks of the source, ticks of wall time; both from the first frame shown on
_LEAST_OFF: Final = 0.001  # the clocks of correct crystals are off by less


@dataclass(frozen=True, slots=True)
class ClipTime:
    """`own` ticks of the source are `wall` ticks of clip time, in any unit."""

    own: int
    wall: int

    def at(self, own: int) -> int:
        """Clip time of a tick of the source."""
        return own * self.wall // self.own

    def of(self, owns: Iterable[int]) -> list[int]:
        """`at` for many ticks."""
        return [own * self.wall // self.own for own in owns]


def clip_time(points: Sequence[Point], near: int) -> ClipTime | None:
    """The straight line through `points`, the first of which is (0, 0).

    None where source and wall time are within `near` ticks anyway, or a point is not that near to the line.
    """
    own, wall = points[-1]
    if own <= 0 or wall <= 0 or abs(wall - own) <= max(near, _LEAST_OFF * own):
        return None
    line = ClipTime(own, wall)
    return line if all(abs(wall - line.at(own)) <= near for own, wall in points) else None
