"""Which run is shown at each instant where several have footage of the same time.

Owns: that one decision, for the timeline and for every cut. Must not know: files, how runs got their times.

Runs overlap when a camera sends its pre-event buffer at once, when a recorder's clock is reset, when two
recorders write one channel. The run that began first is shown to its end. A run that continues from there is
shown from its last key at or before that end, because it cannot be decoded before a key. The decision for an
instant depends only on the footage around that instant, never on the query.

The clocks of two runs differ by some ms, and one moment must not be shown twice where one run takes over from
another. A key of the earlier run that is close to the one entered is the same picture, recorded twice: the
earlier run is shown up to it. Without such a key, its last picture is left out when it is only half a frame
before.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, NamedTuple

from appliance.media.index.view import MediaClock

EVER: Final = 1 << 62
# stretches of one run this close are joined: segments overlap or miss by some frames
_JOIN_US: Final = 150_000
_SLACK_US: Final = 17_000  # a key within half a frame after the end of the earlier run counts as at its end
_SAME_PICTURE: Final = 0.6  # of a frame: two pictures no further apart show one moment
_SAME_KEY: Final = 2.0  # frames: keys of two runs no further apart, with none closer, are one picture

Windows = tuple[tuple[int, int], ...]  # wall us, [start, end), rising


@dataclass(frozen=True, slots=True)
class Stretch:
    """Video of one segment: wall time, and the run's media times of its keys (empty: unknown). `frame_us` is
    the length of its frames (0: unknown)."""

    run_id: str
    began_us: int  # of the run: the one that began first is shown
    start_us: int
    end_us: int
    clock: MediaClock
    keys_ns: Sequence[int]
    frame_us: int = 0

    def key_at(self, wall_us: int) -> int | None:
        """Wall time of the last key at or before `wall_us`."""
        place = bisect_right(self.keys_ns, self.clock.media_ns(wall_us + 1) - 1)
        return self.clock.wall_us(self.keys_ns[place - 1]) if place else None

    def key_after(self, wall_us: int) -> int | None:
        """Wall time of the first key after `wall_us`."""
        place = bisect_right(self.keys_ns, self.clock.media_ns(wall_us + 1) - 1)
        return self.clock.wall_us(self.keys_ns[place]) if place < len(self.keys_ns) else None


class _Share(NamedTuple):
    start_us: int
    end_us: int
    run_id: str


def overlapping(stretches: Iterable[Stretch]) -> bool:
    """Whether two runs have footage of the same time."""
    reached: dict[str, int] = {}
    for stretch in sorted(stretches, key=lambda each: each.start_us):
        if any(end_us > stretch.start_us for run_id, end_us in reached.items() if run_id != stretch.run_id):
            return True
        reached[stretch.run_id] = max(stretch.end_us, reached.get(stretch.run_id, stretch.end_us))
    return False


def windows_of(stretches: Sequence[Stretch]) -> Mapping[str, Windows]:
    """The windows in which each run is shown; empty when none overlaps another (each is shown whole)."""
    if not overlapping(stretches):
        return {}
    runs: dict[str, list[Stretch]] = {}
    for stretch in sorted(stretches, key=lambda each: each.start_us):
        runs.setdefault(stretch.run_id, []).append(stretch)
    shares = _at_keys(_shares(runs), runs)
    shown: dict[str, list[tuple[int, int]]] = {run_id: [] for run_id in runs}
    starts = [-EVER, *(share.start_us for share in shares[1:]), EVER]
    for number, (share, (start_us, end_us)) in enumerate(zip(shares, pairwise(starts), strict=True)):
        # up to the next share, so that a run may grow meanwhile
        if number + 1 < len(shares):
            end_us = max(
                start_us, _moment_before(runs[share.run_id], runs[shares[number + 1].run_id], end_us)
            )
        shown[share.run_id].append((start_us, end_us))
    return {run_id: tuple(windows) for run_id, windows in shown.items()}


def within(windows: Windows | None, start_us: int, end_us: int) -> list[tuple[int, int]]:
    """The parts of [start_us, end_us) in which a run is shown; None: all of it."""
    if windows is None:
        return [(start_us, end_us)] if start_us < end_us else []
    cut = [(max(start_us, low_us), min(end_us, high_us)) for low_us, high_us in windows]
    return [(low_us, high_us) for low_us, high_us in cut if low_us < high_us]


def _shares(runs: Mapping[str, Sequence[Stretch]]) -> list[_Share]:
    """Which run is shown when, without regard to keys."""
    extents = [
        (stretches[0].began_us, run_id, start_us, end_us)
        for run_id, stretches in runs.items()
        for start_us, end_us in _extents(stretches)
    ]
    edges = sorted({edge for _, _, start_us, end_us in extents for edge in (start_us, end_us)})
    shares: list[_Share] = []
    for low_us, high_us in pairwise(edges):
        over = [
            (began, run_id) for began, run_id, start, end in extents if start <= low_us and high_us <= end
        ]
        if not over:
            continue
        run_id = min(over)[1]
        if shares and shares[-1].run_id == run_id and shares[-1].end_us == low_us:
            shares[-1] = shares[-1]._replace(end_us=high_us)
        else:
            shares.append(_Share(low_us, high_us, run_id))
    return shares


def _moment_before(before: Sequence[Stretch], after: Sequence[Stretch], wall_us: int) -> int:
    """Where a run ends so that none of its pictures shows the moment at which the next one begins."""
    last = next((each for each in reversed(before) if each.start_us < wall_us), before[0])
    entered = next((each for each in reversed(after) if each.start_us <= wall_us), after[0])
    frame_us = min(last.frame_us, entered.frame_us)
    same_us = round(_SAME_PICTURE * frame_us)
    if not frame_us or last.end_us - last.frame_us <= wall_us - same_us:
        return wall_us  # its last picture lies before
    keys = [key for key in (_key_at(before, wall_us), _key_after(before, wall_us)) if key is not None]
    nearest_us = min(keys, key=lambda key: abs(key - wall_us), default=EVER)
    if abs(nearest_us - wall_us) <= _SAME_KEY * frame_us:
        return min(nearest_us, wall_us)
    return wall_us - same_us


def _extents(stretches: Sequence[Stretch]) -> list[tuple[int, int]]:
    extents: list[tuple[int, int]] = []
    for stretch in stretches:
        if extents and stretch.start_us - extents[-1][1] <= _JOIN_US:
            extents[-1] = (extents[-1][0], max(extents[-1][1], stretch.end_us))
        else:
            extents.append((stretch.start_us, stretch.end_us))
    return extents


def _at_keys(shares: Sequence[_Share], runs: Mapping[str, Sequence[Stretch]]) -> list[_Share]:
    """Move each start that lies inside a run's footage to one of its keys."""
    moved: list[_Share] = []
    for share in shares:
        last = moved[-1] if moved else None
        if last is None or last.end_us != share.start_us:
            moved.append(share)
            continue
        stretches = runs[share.run_id]
        before_us = _key_at(stretches, share.start_us + _SLACK_US)
        if before_us is not None and before_us > last.start_us:
            moved.append(share._replace(start_us=before_us))
        elif len(moved) > 1 and moved[-2].run_id == share.run_id:
            # too short to switch: the run left would have to be entered again at an earlier key
            moved.pop()
            moved[-1] = moved[-1]._replace(end_us=share.end_us)
        else:
            after_us = _key_after(stretches, share.start_us + _SLACK_US)
            if after_us is None:
                after_us = share.start_us
            if after_us < share.end_us:
                moved.append(share._replace(start_us=after_us))
    return moved


def _key_at(stretches: Sequence[Stretch], wall_us: int) -> int | None:
    for stretch in reversed(stretches):
        if stretch.start_us <= wall_us and (key_us := stretch.key_at(wall_us)) is not None:
            return key_us
    return None


def _key_after(stretches: Sequence[Stretch], wall_us: int) -> int | None:
    for stretch in stretches:
        if stretch.end_us > wall_us and (key_us := stretch.key_after(wall_us)) is not None:
            return key_us
    return None
