"""Which clips of a camera are decoded together.

Owns: the grouping. Pure. Must not know: files, workers. A clip is decoded from the key picture before it, so
two clips share a pass where one would decode pictures that the other decodes too: where they overlap, or
where the second one's key picture lies before the end of the first. What lies between passes is not decoded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

MOST_CLIPS: Final = 24
"""In one pass: their files are open together (workers/protocol.MAX_DESCRIPTORS)."""


_FULL_HD: Final = 1920 * 1088
_FULL_HD_AT_ONCE: Final = 4
"""A worker may use 1 GiB: a decoder and so many encoders of this size, or one of 4K."""


def encoders_for(pixels: int, limit: int) -> int:
    """How many clips of a picture's size may be encoded side by side."""
    return max(1, min(limit, _FULL_HD_AT_ONCE * _FULL_HD // max(pixels, 1)))


@dataclass(frozen=True, slots=True)
class Stretch:
    """A clip on its camera's time: decoded from `key_us`, shown in [start_us, end_us). `number`: which
    clip."""

    number: int
    key_us: int
    start_us: int
    end_us: int


def group(stretches: Sequence[Stretch], encoders: int) -> list[tuple[Stretch, ...]]:
    """The passes in order of time. No more than `encoders` clips of a pass are shown at one instant."""
    passes: list[tuple[Stretch, ...]] = []
    waiting = sorted(stretches, key=lambda each: (each.start_us, each.end_us, each.number))
    while waiting:
        chosen, left = [waiting[0]], list[Stretch]()
        end_us = waiting[0].end_us
        for stretch in waiting[1:]:
            if (
                stretch.key_us >= end_us
                or len(chosen) == MOST_CLIPS
                or _shown_at(chosen, stretch.start_us) >= encoders
            ):
                left.append(stretch)
            else:
                chosen.append(stretch)
                end_us = max(end_us, stretch.end_us)
        passes.append(tuple(chosen))
        waiting = left
    return passes


def _shown_at(chosen: Sequence[Stretch], at_us: int) -> int:
    return sum(stretch.start_us <= at_us < stretch.end_us for stretch in chosen)
