"""Media time of one run against wall time: knots that are made once and never revised.

Owns: the clock of a run (one mtxi StreamID) and when a knot is due. Must not know: files, boxes, channels.

A knot says: from this media time on, wall time is `wall_us` and runs at `rate_ppb` (wall ns per 1e9 media
ns). It is made from what is known when the first part it covers arrives, at or after everything already
published, so the wall time of a published frame never moves. Between knots errors are slewed away. Wall time
is strictly rising. It may step forward where the source's own clock stood still, never back: where media time
leaps ahead of real time (facts/mediamtx.md 0.2), the leap itself, which holds no frame, is squeezed.

Media times are int ns of the run, wall times int us UTC (box time).
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from typing import NamedTuple

from appliance.media.envelope import Envelope

PPB = 1_000_000_000
_PER_US = 1_000 * PPB  # media ns * rate_ppb in one wall us
QUIET_INTERVAL_NS = 10_000_000_000  # a knot at least this often: 200 ppm are 2 ms by then
_BUSY_INTERVAL_NS = 1_000_000_000
_SLEW_US = 4_000_000  # an error is spread over this much media time ...
_FAST_SLEW_US = 2_000_000  # ... a large one, and any while a run settles in (it may begin with a burst)
_SETTLING_NS = 15_000_000_000
_LARGE_US = 200_000
_WORTH_A_KNOT_US = 8_000  # a quarter of a frame: nearer than this the running knot is left alone
_MAX_SLEW = 0.5
_STOOD_STILL_US = 1_000_000  # all of five seconds later than this: the source's clock stood still
_STOOD_STILL_SPAN_US = 5_000_000
_LEAP_BACK_US = -60_000  # at a leap an arrival this much early proves that media time ran ahead
_LEAST_US = 1_000  # what is left of a squeezed hole, so that time rises
_LEAP_FORWARD_US = 1_000_000  # lateness is proof only when it is more than a disk or network hiccup


class Knot(NamedTuple):
    media_ns: int
    wall_us: int
    rate_ppb: int

    def wall_at(self, media_ns: int) -> int:
        """Wall time (us) of a media time as this knot alone says it."""
        return self.wall_us + (media_ns - self.media_ns) * self.rate_ppb // _PER_US


class Leap(NamedTuple):
    """A hole in media time: no frame lies between `before_ns` (end of the last one) and `floor_ns`.

    `after_ns`: the first frame known beyond it; of B-frames some before that may still come.
    """

    before_ns: int
    floor_ns: int
    after_ns: int = -(1 << 62)


class Arrival(NamedTuple):
    """What a run must know of one new part.

    `start_ns` its smallest pts, `end_ns` the media time reached when it was written (end in decode order),
    `shown_ns` the end of its last frame shown, `written_us` box time it was written (None: nobody saw it).
    """

    start_ns: int
    end_ns: int
    shown_ns: int
    written_us: int | None
    leap: Leap | None = None


class RunClock:
    """An immutable view of the first `count` knots of a run; cheap to make, safe to hand to a thread.

    `media_ns` is the exact inverse: wall_us(m) >= w exactly when m >= media_ns(w).
    """

    __slots__ = ("_count", "_media", "_rates", "_walls")

    def __init__(self, media: array[int], walls: array[int], rates: array[int], count: int) -> None:
        self._media, self._walls, self._rates, self._count = media, walls, rates, count

    @classmethod
    def of(cls, knots: Iterable[Knot]) -> RunClock:
        """A clock through `knots` (rising in both times, at least one)."""
        rows = list(knots)
        columns = [array("q", column) for column in zip(*rows, strict=True)]
        return cls(columns[0], columns[1], columns[2], len(rows))

    def wall_us(self, media_ns: int) -> int:
        """Wall time (us UTC) of a media time (ns); before the first knot the first rate is carried back."""
        at = max(0, bisect_right(self._media, media_ns, 0, self._count) - 1)
        return self._walls[at] + (media_ns - self._media[at]) * self._rates[at] // _PER_US

    def media_ns(self, wall_us: int) -> int:
        """The smallest media time (ns) whose wall time is not before `wall_us`."""
        after = bisect_left(self._walls, wall_us, 0, self._count)
        at = max(0, after - 1)
        media = self._media[at] - (self._walls[at] - wall_us) * _PER_US // self._rates[at]
        return min(media, self._media[after]) if 0 < after < self._count else media

    def knots(self) -> list[Knot]:
        rows = zip(self._media[: self._count], self._walls, self._rates, strict=False)
        return [Knot(*row) for row in rows]


class Run:
    """The clock of one run while it grows. Not thread-safe; hand out `clock()`."""

    def __init__(self, run_id: str, knots: Iterable[Knot] = ()) -> None:
        self.run_id = run_id
        rows = sorted(knots)
        self._media = array("q", (knot.media_ns for knot in rows))
        self._walls = array("q", (knot.wall_us for knot in rows))
        self._rates = array("q", (knot.rate_ppb for knot in rows))
        self._envelope_or_none: Envelope | None = None  # most runs in memory are over: they need none
        self._published_ns: int | None = None  # frames before this have been told their wall time

    @property
    def _envelope(self) -> Envelope:
        if self._envelope_or_none is None:
            self._envelope_or_none = Envelope()
        return self._envelope_or_none

    @property
    def skew_ppm(self) -> float:
        """How fast the source's clock runs against box time: +200 means 200 us too much per second."""
        return 0.0 if self._envelope_or_none is None else -self._envelope_or_none.skew * 1e6

    @property
    def published_ns(self) -> int | None:
        """End of what was given out since this object lives; None: nothing yet."""
        return self._published_ns

    @property
    def has_clock(self) -> bool:
        return bool(self._media)

    def clock(self) -> RunClock:
        """The clock as it is now. Raises ValueError when the run has no knot yet."""
        if not self._media:
            raise ValueError(f"run {self.run_id} has no knot yet")
        return RunClock(self._media, self._walls, self._rates, len(self._media))

    def anchor(self, knots: Iterable[Knot]) -> list[Knot]:
        """Put in knots of a stretch that was never published (old segments). Returns those taken.

        A knot that would make wall time go back, here or at its neighbours, is refused rather than moved.
        """
        taken: list[Knot] = []
        for knot in knots:
            at = bisect_left(self._media, knot.media_ns)
            left, right = self._knot(at - 1), self._knot(at)
            if not _rises(left, knot) or not _rises(knot, right):
                continue
            # new arrays, because clocks handed out share the old ones
            self._media = self._media[:at] + array("q", [knot.media_ns]) + self._media[at:]
            self._walls = self._walls[:at] + array("q", [knot.wall_us]) + self._walls[at:]
            self._rates = self._rates[:at] + array("q", [knot.rate_ppb]) + self._rates[at:]
            taken.append(knot)
        return taken

    def neighbours(self, media_ns: int) -> tuple[Knot | None, Knot | None]:
        """The knots before and at-or-after a media time."""
        at = bisect_left(self._media, media_ns)
        return self._knot(at - 1), self._knot(at)

    def _knot(self, at: int) -> Knot | None:
        if 0 <= at < len(self._media):
            return Knot(self._media[at], self._walls[at], self._rates[at])
        return None

    def publish(self, shown_ns: int) -> None:
        """Frames before `shown_ns` have been given out: no knot may be made before it any more."""
        self._published_ns = shown_ns if self._published_ns is None else max(self._published_ns, shown_ns)

    def observe(self, part: Arrival) -> list[Knot]:
        """Take in the next part; returns the knots made for it (already in the clock)."""
        made: list[Knot] = []
        if not self._media:
            made = self._begin(part)
        elif part.leap is not None and (leapt := self._leap(part, part.leap)):
            made = leapt
        else:
            self._learn(part)
            made = self._steer(part)
        self.publish(part.shown_ns)
        return made

    def _begin(self, part: Arrival) -> list[Knot]:
        if part.written_us is None:
            raise ValueError("a run nobody saw arriving is anchored, not observed")
        self._learn(part)
        offset_us = part.written_us - part.end_ns // 1000
        return self._append([Knot(part.start_ns, part.start_ns // 1000 + offset_us, PPB)])

    def _learn(self, part: Arrival) -> None:
        if part.written_us is not None:
            self._envelope.add(part.end_ns // 1000, part.written_us - part.end_ns // 1000)

    def _wall_us(self, media_ns: int) -> int:
        return self._tail().wall_at(media_ns)

    def _leap(self, part: Arrival, leap: Leap) -> list[Knot]:
        """Knots around a hole in media time when the arrival shows that real time did not leap with it."""
        if part.written_us is None:
            return []
        off_us = part.written_us - self._wall_us(part.end_ns)
        if _LEAP_BACK_US <= off_us <= _LEAP_FORWARD_US:
            return []  # frames were lost, time was not: the clock holds
        self._envelope.restart()
        self._learn(part)
        before_ns = max(leap.before_ns, self._published_ns or leap.before_ns)
        # Frames still to come may be shown from the floor on. Where there is no room for them in wall time,
        # they share the squeezed stretch rather than push all that follows late.
        full_us = self._wall_us(before_ns) + _LEAST_US - (part.written_us - part.end_ns // 1000)
        floor_ns = max(leap.floor_ns, min(leap.after_ns, full_us * 1000))
        target_us = part.written_us + (floor_ns - part.end_ns) // 1000
        return self._append(squeeze(self._tail(), before_ns, floor_ns, target_us, self._even_rate()))

    def _steer(self, part: Arrival) -> list[Knot]:
        """The next knot, when one is due: the running one corrected by what the envelope says now."""
        at_ns = max(part.start_ns, self._published_ns or part.start_ns)
        since_ns = at_ns - self._media[-1]
        at_us = at_ns // 1000
        offset_us = self._envelope.offset_us(at_us)
        if offset_us is None or since_ns < _BUSY_INTERVAL_NS:
            return []
        wall_us = self._wall_us(at_ns)
        error_us = at_us + offset_us - wall_us
        if since_ns < QUIET_INTERVAL_NS and abs(error_us) < _WORTH_A_KNOT_US:
            return []
        recent_us = self._envelope.recent_offset_us(_STOOD_STILL_SPAN_US)
        if recent_us is not None and recent_us + at_us - wall_us > _STOOD_STILL_US:
            self._envelope.restart()
            self._learn(part)
            return self._append([Knot(at_ns, at_us + recent_us, self._even_rate())])
        settling = at_ns - self._media[0] < _SETTLING_NS
        span_us = _FAST_SLEW_US if settling or abs(error_us) > _LARGE_US else _SLEW_US
        span_us = max(span_us, (part.shown_ns - part.start_ns) * 3 // 2000)  # long parts: no overshoot
        slew = max(-_MAX_SLEW, min(_MAX_SLEW, error_us / span_us))
        return self._append([Knot(at_ns, wall_us, self._even_rate() + round(slew * PPB))])

    def _even_rate(self) -> int:
        return PPB + round(self._envelope.skew * PPB)

    def _tail(self) -> Knot:
        return Knot(self._media[-1], self._walls[-1], self._rates[-1])

    def _append(self, knots: list[Knot]) -> list[Knot]:
        made: list[Knot] = []
        for knot in knots:
            if not _rises(self._knot(len(self._media) - 1), knot):
                continue  # nothing can have passed since the knot before
            self._media.append(knot.media_ns)
            self._walls.append(knot.wall_us)
            self._rates.append(knot.rate_ppb)
            made.append(knot)
        return made


def _rises(left: Knot | None, right: Knot | None) -> bool:
    if left is None or right is None:
        return True
    later = left.media_ns < right.media_ns and left.wall_us < right.wall_us
    return later and left.wall_at(right.media_ns) <= right.wall_us


def squeeze(tail: Knot, before_ns: int, floor_ns: int, target_us: int, rate_ppb: int) -> list[Knot]:
    """Knots that lead from the clock's last knot `tail` over an empty stretch to `target_us` at `floor_ns`.

    Wall time never goes back, so when `target_us` lies before the end of what was shown, one ms is left.
    """
    if floor_ns <= before_ns:
        return []
    before_us = tail.wall_at(before_ns)
    target_us = max(target_us, before_us + _LEAST_US)
    slow = Knot(before_ns, before_us, max(1, (target_us - before_us) * _PER_US // (floor_ns - before_ns)))
    return [slow, Knot(floor_ns, max(slow.wall_at(floor_ns), target_us), rate_ppb)]
