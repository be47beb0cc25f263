"""How far media time lies behind box time: the lower envelope of what was seen arriving.

Owns: the estimate (offset and skew) from noisy arrivals. Must not know: knots, segments, files.

A part can only be seen late (scheduling, a slow disk, a burst after a network stall), never early. So the
smallest recent difference is the best one, and it must be compared over a window long enough to hold a few
undisturbed parts, yet short enough that a source clock running fast or slow does not move much inside it.
"""

from __future__ import annotations

from collections import deque
from statistics import median

WINDOW_US = 60_000_000
_BUCKET_US = 2_000_000
_MINUTE_US = 60_000_000
_MINUTES = 12  # skew is judged over this many minutes
_MINUTES_NEEDED = 3  # below this a few ms of jitter would read as more skew than a real clock has
MAX_SKEW = 1e-3  # 1000 ppm: ten times the worst crystal; more is not skew but something else


class Envelope:
    """Differences `offset_us` = box time written - part's end in media time, newest last."""

    def __init__(self) -> None:
        self._buckets: deque[tuple[int, int]] = deque()  # (media_us, offset_us): the smallest of two seconds
        self._minutes: deque[tuple[int, int]] = deque(maxlen=_MINUTES)
        self.skew = 0.0  # seconds the offset grows per second of media; positive: the source runs slow

    def add(self, media_us: int, offset_us: int) -> None:
        """One part that ended at `media_us` was seen `offset_us` later; `media_us` rises by calls."""
        _lower(self._buckets, media_us, offset_us, _BUCKET_US)
        while self._buckets[0][0] < media_us - WINDOW_US:
            self._buckets.popleft()
        minute_is_over = bool(self._minutes) and self._minutes[-1][0] // _MINUTE_US != media_us // _MINUTE_US
        if minute_is_over:
            self._judge_skew()
        _lower(self._minutes, media_us, offset_us, _MINUTE_US)

    def offset_us(self, media_us: int) -> int | None:
        """The envelope at `media_us`, every difference first carried there along the skew."""
        if not self._buckets:
            return None
        return min(round(offset + self.skew * (media_us - at)) for at, offset in self._buckets)

    def recent_offset_us(self, span_us: int) -> int | None:
        """The smallest difference of the newest `span_us`; None while that holds less than two buckets."""
        newest = [offset for at, offset in self._buckets if at >= self._buckets[-1][0] - span_us]
        return min(newest) if len(newest) >= 2 else None

    def restart(self) -> None:
        """Forget the differences (media time has jumped), keep the skew: the crystal is the same."""
        self._buckets.clear()
        self._minutes.clear()

    def _judge_skew(self) -> None:
        points = list(self._minutes)
        if len(points) < _MINUTES_NEEDED:
            return
        slopes = [
            (right[1] - left[1]) / (right[0] - left[0])
            for index, left in enumerate(points)
            for right in points[index + 1 :]
            if right[0] - left[0] >= _MINUTE_US // 2
        ]
        if slopes:
            self.skew = max(-MAX_SKEW, min(MAX_SKEW, median(slopes)))


def _lower(points: deque[tuple[int, int]], media_us: int, offset_us: int, width_us: int) -> None:
    """Keep the smallest difference of each `width_us` of media time."""
    if points and points[-1][0] // width_us == media_us // width_us:
        if offset_us < points[-1][1]:
            points[-1] = (media_us, offset_us)
    else:
        points.append((media_us, offset_us))
