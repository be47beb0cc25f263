"""Where the frames of a chain stop and resume later: the index's holes, and joins of segments with a gap.

Owns: holes of several segments on the chain's own timeline, the usual frame duration near a place. Must not
know: sample tables, clips. The index decides what is a hole (media/index/pace.py), so that a clip lists as
missing exactly what the timeline calls a gap.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import sub
from typing import NamedTuple

from appliance.media.index.chain import Link, first_pictures, last_pictures
from appliance.media.index.pace import is_join, is_pace, median_wait


class Break(NamedTuple):
    """No frame is shown from `before` (end of the last one, in link `left`) to `after` (pts of the next, in
    link `right`); chain ticks."""

    before: int
    after: int
    left: int
    right: int

    def wall_us(self, links: Sequence[Link]) -> tuple[int, int]:
        """Its wall times."""
        left, right = links[self.left], links[self.right]
        return left.wall_us(self.before - left.offset), right.wall_us(self.after - right.offset)


def breaks_of(links: Sequence[Link]) -> list[Break]:
    """All of a chain, rising."""
    breaks: list[Break] = []
    for number, link in enumerate(links):
        if number and (join := _join(links, number)) is not None:
            breaks.append(join)
        offset = link.offset
        breaks += [Break(left + offset, right + offset, number, number) for left, right in link.segment.holes]
    return breaks


def _join(links: Sequence[Link], number: int) -> Break | None:
    left, right = links[number - 1], links[number]
    end = max(part.video_end for part in last_pictures(left)) + left.offset
    begin = min(part.video_pts_min for part in first_pictures(right)) + right.offset
    frame = max(left.segment.frame_ticks[1], right.segment.frame_ticks[0])
    return None if not frame or is_join(begin - end, frame) else Break(end, begin, number - 1, number)


def break_after(breaks: Sequence[Break], pts: int, following: int) -> Break | None:
    """The break between a frame and the next one."""
    return next((each for each in breaks if pts < each.before and each.after <= following), None)


def length_of_last(pts: Sequence[int], duration: int) -> int:
    """How long the last of these frames (rising) is shown: `duration` of the file, unless that is implausibly
    long: then a usual frame."""
    usual = median_wait(list(map(sub, pts[1:], pts)), duration)
    return duration if duration > 0 and is_pace(pts, duration, usual) else max(usual, 1)
