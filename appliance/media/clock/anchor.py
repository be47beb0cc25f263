"""The clock of a segment that was complete before the daemon saw it: taken from times in the file.

Owns: knots from mtxi (NTP at DTS) or the file name, made consistent with known knots on both sides. Must not
know: files, where its numbers come from.

Where media time jumped ahead inside the segment (measured with MediaMTX: pts leap without real time), the
next anchor, or the time of the last write to the file, shows how much real time did not pass; that much is
removed from the largest leap.
"""

from __future__ import annotations

from collections.abc import Sequence

from appliance.media.clock.timeline import PPB, Knot, Leap, squeeze

_SLACK_US = 2_000_000
_WORTH_A_LEAP_US = 100_000  # MediaMTX's NTP itself steps by +-20 ms from segment to segment
# MediaMTX's NTP of a run's first sample is 75 to 190 ms late (measured): no arrival before it was faster.
_FIRST_LATE_US = 250_000
_REAL_SKEW = 1_000  # one over this: cameras' clocks are off by less
BETWEEN_FILES_NS = (
    400_000_000  # files of one run are closer: sound may begin a file up to 0.2 s before its picture
)
END_NS = 1_000_000  # a knot this long before a picture's end lies inside it
_MIN_RATE, _MAX_RATE = PPB * 9 // 10, PPB * 11 // 10
_PER_US = 1_000 * PPB


def anchored(
    start_ns: int,
    wall_us: int,
    *,
    left: Knot | None = None,
    right: tuple[int, int] | None = None,
    leaps: Sequence[Leap] = (),
    last: tuple[int, int] | None = None,
    is_bound: bool = False,
    is_known: bool = False,
    begins_run: bool = False,
) -> list[Knot]:
    """Knots for a segment that begins at media `start_ns` and wall `wall_us`.

    `is_known`: the run was observed up to `left`, whose offset and skew are better than what the file says:
    it needs no knot but for a leap.

    `begins_run`: its own word is of the run's first sample, which is late more often than a source is fast.

    `left` the run's knot before it; `right` (media ns, wall us) where the run's next stretch begins; `last`
    (media ns, latest wall us) a time by which the end of the segment had certainly been written; `is_bound`:
    perhaps long before. Then a leap that such a time asks for is taken to be one whole: a loss of pictures in
    the same moment would be chance.
    """
    if left is not None and is_known:
        return _continued(left, right or last, leaps)
    if left is not None:
        wall_us = max(wall_us, left.wall_at(start_ns), left.wall_us + 1)
    first = Knot(start_ns, wall_us, PPB)
    if right is not None and right[0] > start_ns and right[1] > wall_us:
        if begins_run and left is None and not leaps:
            first = _not_late(first, right)
        return _towards(first, right, leaps, last[0] if last is not None else right[0])
    if last is not None and leaps:
        too_late_us = first.wall_at(last[0]) - last[1]
        if is_leapt(leaps, too_late_us):
            most_us = max((leap.floor_ns - leap.before_ns) // 1000 for leap in leaps)
            return [first, *_squeezed(first, leaps, max(too_late_us, most_us) if is_bound else too_late_us)]
    return [first]


def is_leapt(leaps: Sequence[Leap], too_late_us: int) -> bool:
    """Whether a leap of media time explains that a file ends this much later than it was written.

    A larger difference is another error: of a disk's clock, or of a recorder's.
    """
    if not leaps:
        return False
    most_us = max((leap.floor_ns - leap.before_ns) // 1000 for leap in leaps)
    return _WORTH_A_LEAP_US < too_late_us <= most_us + _SLACK_US


def _continued(left: Knot, end: tuple[int, int] | None, leaps: Sequence[Leap]) -> list[Knot]:
    """Remove only what media time leapt without real time; everything else continues unchanged."""
    if not leaps or end is None:
        return []
    too_late_us = left.wall_at(end[0]) - end[1]
    return _squeezed(left, leaps, too_late_us) if is_leapt(leaps, too_late_us) else []


def _towards(first: Knot, right: tuple[int, int], leaps: Sequence[Leap], end_ns: int) -> list[Knot]:
    media_ns, wall_us = right
    too_late_us = first.wall_at(media_ns) - wall_us
    between = Leap(end_ns, media_ns)
    if media_ns - end_ns > BETWEEN_FILES_NS and is_leapt([between], too_late_us):
        return _leapt_after(first, right, between, too_late_us)
    knots = [first]
    if leaps and too_late_us > _WORTH_A_LEAP_US:
        knots += _squeezed(first, leaps, too_late_us)
    knots[-1] = aimed(knots[-1], right)
    return knots


def aimed(tail: Knot, right: tuple[int, int]) -> Knot:
    """The last knot before `right` (media ns, wall us), with a rate that reaches it as far as rates are
    limited."""
    rate = (right[1] - tail.wall_us) * _PER_US // max(1, right[0] - tail.media_ns)
    # A rate far from 1 is no clock: MediaMTX's NTP was reset in between. Only going back must be ruled out.
    return tail._replace(rate_ppb=max(1, rate) if rate < _MIN_RATE else min(rate, _MAX_RATE))


def _leapt_after(first: Knot, right: tuple[int, int], between: Leap, too_late_us: int) -> list[Knot]:
    """Media time leapt between this file and the next: the real loss stays, the rest of the leap is
    removed."""
    lost_us = max(0, (between.floor_ns - between.before_ns) // 1000 - too_late_us)
    led = aimed(first, (between.before_ns, right[1] - lost_us))
    over_ns = between.before_ns - END_NS  # inside the last picture
    return [led, aimed(Knot(over_ns, led.wall_at(over_ns), PPB), right)]


def _not_late(first: Knot, right: tuple[int, int]) -> Knot:
    """The run's first knot, moved earlier by the amount that only a source far too fast would explain
    otherwise."""
    late_us = first.wall_at(right[0]) - right[1]
    skew_us = (right[0] - first.media_ns) // 1_000 // _REAL_SKEW
    return first._replace(wall_us=first.wall_us - late_us) if skew_us < late_us <= _FIRST_LATE_US else first


def _squeezed(first: Knot, leaps: Sequence[Leap], too_late_us: int) -> list[Knot]:
    largest = max(leaps, key=lambda leap: leap.floor_ns - leap.before_ns)
    target_us = first.wall_at(largest.floor_ns) - too_late_us
    return squeeze(first, largest.before_ns, largest.floor_ns, target_us, first.rate_ppb)
