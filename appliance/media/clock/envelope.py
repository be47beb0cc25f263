"""The offset of box time to media time: the lower envelope of the observed arrivals.

Owns: the estimate (offset and skew) from noisy arrivals. Must not know: knots, segments, files.

A part can only arrive late (scheduling, a slow disk, a burst after a network stall), never early. So the
smallest recent difference is the best one, over a window long enough to contain a few undisturbed parts. Each
difference is extrapolated along the skew, the slope of the line below all of them; the weight of a new slope
depends on how well the differences fit it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from statistics import median

WINDOW_US = 60_000_000
_BUCKET_US = 2_000_000
_MINUTE_US = 60_000_000
_MINUTES = 12  # the skew of a crystal clock is estimated over this many minutes
_MINUTES_NEEDED = 3
_BUCKETS_NEEDED = 4  # for the skew of any other clock: a file played as a camera is off by per cents
_NOISE_US = 3_000
# a skew estimated over minutes is replaced when the last minute gives another one with this certainty, and
# the difference over that minute is at least _OTHER_US, about a frame
_SURE = 0.9
_OTHER_US = 30_000
MAX_SKEW = 0.06  # a film shown as television is 4 % fast; more is not a skew
_BETTER_US = 3_000
_SETTLED_US = 3_000_000  # no arrival was better for this long
_SETTLED_AT_LAST_US = 15_000_000
_EARLY_US = 2_900_000  # the pace is unknown before this much of a run: 3 % are 87 ms by then
_EARLY_THIRDS = 3
_EARLY_MOST = 200
_LEAST_RISE = 0.001  # the clocks of correct crystals are off by less


class Envelope:
    """Differences `offset_us` = box time written - part's end in media time, newest last."""

    def __init__(self) -> None:
        self._buckets: deque[tuple[int, int]] = deque()  # (media_us, offset_us): the smallest of two seconds
        self._minutes: deque[tuple[int, int]] = deque(maxlen=_MINUTES)
        self._began_us: int | None = None
        self._best: tuple[int, int] = (0, 0)
        self._supposed: tuple[int, int, int] | None = None
        self._known_skew = 0.0
        # all differences, until the skew is estimated; a change in these seconds is an offset, not a skew
        self._early: deque[tuple[int, int]] | None = deque(maxlen=_EARLY_MOST)
        self._early_skew = 0.0
        self.skew = 0.0  # seconds the offset grows per second of media; positive: the source runs slow
        # the first arrivals may all have been late: False until later ones show whether they were
        self.is_settled = False

    def suppose(self, media_us: int, offset_us: int, until_us: int | None = None) -> None:
        """Use this offset at `media_us` until the arrivals have settled.

        `until_us`: it is the smallest offset up to there, measured at an unknown time.
        """
        if not self.is_settled:
            self._supposed = (media_us, media_us if until_us is None else until_us, offset_us)

    def add(self, media_us: int, offset_us: int) -> None:
        """A part that ended at `media_us` arrived `offset_us` later; `media_us` must increase."""
        bucket_is_over = bool(self._buckets) and self._buckets[-1][0] // _BUCKET_US != media_us // _BUCKET_US
        minute_is_over = bool(self._minutes) and self._minutes[-1][0] // _MINUTE_US != media_us // _MINUTE_US
        if bucket_is_over:
            self._judge_skew(minute_is_over=minute_is_over)
        if self._early is not None:
            self._early.append((media_us, offset_us))
            begin = [(self._supposed[0], self._supposed[2])] if self._supposed is not None else []
            self._early_skew = 0.0 if self._known_skew else rise_of([*begin, *self._early])
        _lower(self._buckets, media_us, offset_us, _BUCKET_US)
        while self._buckets[0][0] < media_us - WINDOW_US:
            self._buckets.popleft()
        _lower(self._minutes, media_us, offset_us, _MINUTE_US)
        if not self.is_settled:
            self._settle(media_us, offset_us)

    def _settle(self, media_us: int, offset_us: int) -> None:
        if self._began_us is None:
            self._began_us, self._best = media_us, (media_us, offset_us)
        elif offset_us < self._carried(*self._best, media_us) - _BETTER_US:
            self._best = (media_us, offset_us)
        since_us = media_us - self._best[0]
        if since_us >= _SETTLED_US or media_us - self._began_us >= _SETTLED_AT_LAST_US:
            self.is_settled, self._supposed = True, None

    def offset_us(self, media_us: int) -> int | None:
        """The envelope at `media_us`: the smallest difference, each extrapolated there along the skew."""
        skew, points = self.skew, self._buckets
        if self._early is not None and self._early_skew:
            skew, points = self._early_skew, self._early
        offsets = [round(offset + skew * (media_us - at)) for at, offset in points]
        if self._supposed is not None:
            since_us, until_us, offset_us = self._supposed
            offsets.append(round(offset_us + skew * (media_us - (since_us if skew > 0 else until_us))))
        return min(offsets, default=None)

    def _carried(self, at_us: int, offset_us: int, media_us: int) -> int:
        return round(offset_us + self.skew * (media_us - at_us))

    def recent_offset_us(self, span_us: int) -> int | None:
        """The smallest difference of the newest `span_us`; None while that holds less than two buckets."""
        newest = [offset for at, offset in self._buckets if at >= self._buckets[-1][0] - span_us]
        return min(newest) if len(newest) >= 2 else None

    def restart(self) -> None:
        """Forget the differences (media time has jumped), keep the skew: the source's crystal is the same."""
        self._buckets.clear()
        self._minutes.clear()
        if self._early is not None:
            self._early.clear()
            self._early_skew = 0.0
        self._began_us, self._supposed, self.is_settled = None, None, False

    def know_skew(self, skew: float) -> None:
        """Set the source's skew from an earlier estimate, until arrivals give another."""
        self.skew = self._known_skew = _bounded(skew)

    def _judge_skew(self, *, minute_is_over: bool) -> None:
        """Estimate over the last minutes if there are enough, else over the buckets of the last minute."""
        points = list(self._minutes)
        is_long = len(points) >= _MINUTES_NEEDED
        if is_long and minute_is_over:
            slopes = [
                (right[1] - left[1]) / (right[0] - left[0])
                for index, left in enumerate(points)
                for right in points[index + 1 :]
                if right[0] - left[0] >= _MINUTE_US // 2
            ]
            if slopes:
                self.know_skew(median(slopes))
        if len(self._buckets) >= _BUCKETS_NEEDED:
            self._early, self._early_skew = None, 0.0
            slope, trust = slope_under(list(self._buckets), self._known_skew)
            is_other = trust > _SURE and abs(slope - self._known_skew) * WINDOW_US > _OTHER_US
            if is_other or not is_long:
                self.skew = _bounded(self._known_skew + (slope - self._known_skew) * trust)


def _bounded(skew: float) -> float:
    return max(-MAX_SKEW, min(MAX_SKEW, skew))


def slope_under(points: Sequence[tuple[int, int]], expected: float = 0.0) -> tuple[float, float]:
    """Slope of the closest line below all `points` (x rising), and 0..1 how far to trust it rather than the
    slope `expected`.

    The line is the edge of their lower convex hull in the middle. It is trusted when it departs from the
    expected slope by more than two thirds of the points lie above it, over the time they span: jitter then
    makes no skew, and the other points, arrivals after a stall or the first of a run, do not lower the trust.
    """
    hull: list[tuple[int, int]] = []
    for point in points:
        while len(hull) >= 2 and _is_above(hull[-2], hull[-1], point):
            hull.pop()
        hull.append(point)
    middle = sum(at for at, _ in points) / len(points)
    right = next(n for n, (at, _) in enumerate(hull) if n and (at >= middle or n == len(hull) - 1))
    (x0, y0), (x1, y1) = hull[right - 1], hull[right]
    slope = (y1 - y0) / (x1 - x0)
    above = [y - y0 - slope * (x - x0) for x, y in points]
    usual_us = sorted(above)[2 * len(above) // 3]
    near = [x for (x, _), above_us in zip(points, above, strict=True) if above_us <= usual_us]
    departs_us = abs(slope - expected) * (near[-1] - near[0])
    noise_us = _NOISE_US + 1.5 * usual_us
    return slope, departs_us**2 / (departs_us**2 + noise_us**2)


def rise_of(points: Sequence[tuple[int, int]]) -> float:
    """How fast differences (at, offset; `at` rising) increase throughout, 0 where they do not: the early sign
    of a source that is slow by per cents.

    The smallest of each third of the time counts, and of the two slopes between them the smaller one, less
    the effect of jitter. After a single increase of delay, however steep, one third shows no rise.
    """
    first_us, span_us = points[0][0], points[-1][0] - points[0][0]
    if span_us < _EARLY_US:
        return 0.0
    least: list[tuple[int, int]] = []
    for third in range(_EARLY_THIRDS):
        low, high = (first_us + span_us * (third + side) // _EARLY_THIRDS for side in (0, 1))
        mine = [point for point in points if low <= point[0] < high + (third == _EARLY_THIRDS - 1)]
        least.append(min(mine, key=lambda point: point[1], default=points[0]))
    (x0, y0), (x1, y1), (x2, y2) = least
    if not x0 < x1 < x2:
        return 0.0
    slope = min((y1 - y0) / (x1 - x0), (y2 - y1) / (x2 - x1))
    above = sorted(y - y0 - slope * (x - x0) for x, y in points)
    noise_us = max(0.0, above[len(above) // 2]) * _EARLY_THIRDS / len(points)  # of the least of a third
    rate = slope - 4 * noise_us / (x2 - x0)
    return min(MAX_SKEW, rate) if rate > _LEAST_RISE else 0.0


def _is_above(left: tuple[int, int], middle: tuple[int, int], right: tuple[int, int]) -> bool:
    """Whether `middle` lies on or above the line from `left` to `right`."""
    return (middle[1] - left[1]) * (right[0] - left[0]) >= (right[1] - left[1]) * (middle[0] - left[0])


def _lower(points: deque[tuple[int, int]], media_us: int, offset_us: int, width_us: int) -> None:
    """Keep the smallest difference of each `width_us` of media time."""
    if points and points[-1][0] // width_us == media_us // width_us:
        if offset_us < points[-1][1]:
            points[-1] = (media_us, offset_us)
    else:
        points.append((media_us, offset_us))
