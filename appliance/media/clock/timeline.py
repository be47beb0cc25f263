"""Media time of one run against wall time: knots that are made once and never changed.

Owns: the clock of a run (one mtxi StreamID) and when a knot is due. Must not know: files, boxes, channels.

A knot defines: from this media time on, wall time is `wall_us` and advances at `rate_ppb` (wall ns per 1e9
media ns), the source's own skew. It is made from what is known when the first part it covers arrives, at or
after everything already published, so the wall time of a published frame never changes. An error is corrected
by a slew: another rate during the first `slew_ns` of the knot. The slew ends by itself: when no more arrivals
are observed (the daemon is down), all later footage keeps the offset and skew that were observed last. Wall
time is strictly rising. It may step forward where the source's own clock stood still, never back: where media
time leaps ahead of real time, the leap itself, which contains no frame, is shortened.

Media times are int ns of the run, wall times int us UTC (box time).
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from itertools import pairwise
from typing import NamedTuple

from appliance.media.clock.envelope import MAX_SKEW, Envelope

PPB = 1_000_000_000
_PER_US = 1_000 * PPB  # media ns * rate_ppb in one wall us
QUIET_INTERVAL_NS = 10_000_000_000  # interval for small corrections: 200 ppm are 2 ms by then
_BUSY_INTERVAL_NS = 1_000_000_000
_MOST_SLEW = 0.5
_GENTLE_SLEW = 0.05  # the usual rate: 50 ms of error are corrected within a second
_SLEW_US = 2_000_000  # a slew is as steep as needed to end within this ...
_SETTLING_SLEW_US = 200_000  # ... or this, while a run settles: it may begin with a burst
_WORTH_SETTLING_US = 2_000
_WORTH_BUSY_US = 8_000  # a quarter of a frame: a smaller error needs no new knot
_WORTH_QUIET_US = 1_000
_WORTH_RATE_PPB = 20_000
_NO_SLEW_US = 200
_STOOD_STILL_US = 1_000_000  # all arrivals of five seconds later than this: the source's clock stood still
_STOOD_STILL_SPAN_US = 5_000_000
_LEAP_BACK_US = -60_000  # an arrival this early after a leap proves that media time ran ahead of real time
_LEAST_US = 1_000  # length of a shortened hole, so that wall time still rises
_LEAP_FORWARD_US = 1_000_000  # lateness proves a leap only when it exceeds a disk or network delay


class Knot(NamedTuple):
    """See the module. `slew_ppb` is the total rate during the first `slew_ns`; 0, 0: no slew."""

    media_ns: int
    wall_us: int
    rate_ppb: int
    slew_ns: int = 0
    slew_ppb: int = 0

    def wall_at(self, media_ns: int) -> int:
        """Wall time (us) of a media time by this knot alone."""
        since_ns = media_ns - self.media_ns
        if since_ns <= self.slew_ns and self.slew_ns:
            return self.wall_us + since_ns * self.slew_ppb // _PER_US
        return self.aim_at(media_ns)

    def aim_at(self, media_ns: int) -> int:
        """Wall time of a media time, as if the slew had already ended: by the rate that holds after it."""
        slewed_us = self.slew_ns * self.slew_ppb // _PER_US
        return self.wall_us + slewed_us + (media_ns - self.media_ns - self.slew_ns) * self.rate_ppb // _PER_US


def with_an_end(knot: Knot) -> Knot:
    """The last knot of a run in the first release's format, whose slew has no end.

    That release made a knot at least every 10 s, so this one applies to nothing published later than that.
    """
    if knot.slew_ns or abs(knot.rate_ppb - PPB) <= MAX_SKEW * PPB:
        return knot
    return Knot(knot.media_ns, knot.wall_us, PPB, QUIET_INTERVAL_NS, knot.rate_ppb)


class Leap(NamedTuple):
    """A hole in media time: no frame lies between `before_ns` (end of the last one) and `floor_ns`.

    `after_ns`: the first frame known beyond it; of B-frames some before that may still arrive.
    """

    before_ns: int
    floor_ns: int
    after_ns: int = -(1 << 62)


class Arrival(NamedTuple):
    """What the clock of a run needs of one new part.

    `start_ns` its smallest pts, `end_ns` the media time reached when it was written (end in decode order),
    `shown_ns` the end of its last frame shown, `written_us` box time it was written (None: not observed).
    """

    start_ns: int
    end_ns: int
    shown_ns: int
    written_us: int | None
    leap: Leap | None = None


_Columns = tuple["array[int]", ...]  # one for each field of Knot


def _columns(knots: Iterable[Knot]) -> _Columns:
    columns = tuple(array("q", column) for column in zip(*knots, strict=True))
    return columns or tuple(array("q") for _ in Knot._fields)


class RunClock:
    """An immutable view of the first `count` knots of a run; cheap to make, safe to hand to a thread.

    `media_ns` is the exact inverse: wall_us(m) >= w exactly when m >= media_ns(w).
    """

    __slots__ = ("_columns", "_count")

    def __init__(self, columns: _Columns, count: int) -> None:
        self._columns, self._count = columns, count

    @classmethod
    def of(cls, knots: Iterable[Knot]) -> RunClock:
        """A clock through `knots` (rising in both times, at least one)."""
        columns = _columns(knots)
        return cls(columns, len(columns[0]))

    def wall_us(self, media_ns: int) -> int:
        """Wall time (us UTC) of a media time (ns); before the first knot its rate is extrapolated back."""
        media, walls, rates, slews, slew_rates = self._columns
        at = bisect_right(media, media_ns, 0, self._count) - 1
        if at < 0:
            return walls[0] + (media_ns - media[0]) * rates[0] // _PER_US
        since_ns, slew_ns = media_ns - media[at], slews[at]
        if since_ns <= slew_ns:
            return walls[at] + since_ns * slew_rates[at] // _PER_US
        return walls[at] + slew_ns * slew_rates[at] // _PER_US + (since_ns - slew_ns) * rates[at] // _PER_US

    def media_ns(self, wall_us: int) -> int:
        """The smallest media time (ns) whose wall time is not before `wall_us`."""
        media, walls, rates, slews, slew_rates = self._columns
        after = bisect_left(walls, wall_us, 0, self._count)
        at = max(0, after - 1)
        ahead_us, slewed_us = wall_us - walls[at], slews[at] * slew_rates[at] // _PER_US
        if after == 0:
            estimate = media[0] - (-ahead_us * _PER_US // rates[0])
        elif ahead_us <= slewed_us:
            estimate = media[at] - (-ahead_us * _PER_US // slew_rates[at])
        else:
            estimate = media[at] + slews[at] - ((slewed_us - ahead_us) * _PER_US // rates[at])
        return min(estimate, media[after]) if 0 < after < self._count else estimate

    def knots(self) -> list[Knot]:
        return [Knot(*row) for row in zip(*(column[: self._count] for column in self._columns), strict=True)]


class Run:
    """The clock of one run while it grows. Not thread-safe; hand out `clock()`.

    `is_observed`: its parts were observed when they were written, by this process or an earlier one, so later
    parts are placed by its clock.
    """

    def __init__(self, run_id: str, knots: Iterable[Knot] = (), *, is_observed: bool = False) -> None:
        self.run_id = run_id
        self.is_observed = is_observed
        self._columns = _columns(sorted(knots))
        self._envelope_or_none: Envelope | None = None  # most runs in memory have ended and need none
        self._published_ns: int | None = None  # frames before this have a published wall time

    @property
    def _envelope(self) -> Envelope:
        """Created at the first arrival in this process, with the skew observed by an earlier one."""
        if self._envelope_or_none is None:
            envelope = self._envelope_or_none = Envelope()
            tail = self._knot(len(self._columns[0]) - 1)
            if tail is not None and self.is_observed:
                at_ns = tail.media_ns + tail.slew_ns
                envelope.know_skew(tail.rate_ppb / PPB - 1)
                envelope.suppose(at_ns // 1000, tail.aim_at(at_ns) - at_ns // 1000)
        return self._envelope_or_none

    @property
    def skew_ppm(self) -> float:
        """How fast the source's clock runs against box time: +200 means 200 us too much per second."""
        return 0.0 if self._envelope_or_none is None else -self._envelope_or_none.skew * 1e6

    @property
    def is_settling(self) -> bool:
        """Whether later arrivals may still show that the run's first ones were late."""
        return self._envelope_or_none is not None and not self._envelope_or_none.is_settled

    @property
    def published_ns(self) -> int | None:
        """End of what this object has published; None: nothing yet."""
        return self._published_ns

    @property
    def has_clock(self) -> bool:
        return bool(self._columns[0])

    def clock(self) -> RunClock:
        """The clock at this moment. Raises ValueError when the run has no knot yet."""
        if not self.has_clock:
            raise ValueError(f"run {self.run_id} has no knot yet")
        return RunClock(self._columns, len(self._columns[0]))

    def anchor(self, knots: Iterable[Knot]) -> list[Knot]:
        """Insert knots of a stretch that was never published (old segments). Returns those inserted.

        A knot that would make wall time go back, at itself or at its neighbours, is refused, not moved. Knots
        of a stretch are inserted together if they fit together: the first one alone may lead past the next.
        """
        together = list(knots)
        if together and self._fit(together):
            self._put(bisect_left(self._columns[0], together[0].media_ns), together)
            return together
        taken: list[Knot] = []
        for knot in together:
            if self._fit([knot]):
                self._put(bisect_left(self._columns[0], knot.media_ns), [knot])
                taken.append(knot)
        return taken

    def replace(self, first_ns: int, end_ns: int, knots: Iterable[Knot]) -> None:
        """Replace the knots from `first_ns` to before `end_ns` by these."""
        others = [knot for knot in self.clock().knots() if not first_ns <= knot.media_ns < end_ns]
        self._columns = _columns(sorted([*others, *knots]))

    def _fit(self, knots: list[Knot]) -> bool:
        """Whether time rises over these knots and their neighbours, with no other knot between."""
        at = bisect_left(self._columns[0], knots[0].media_ns)
        following = self._knot(at)
        if following is not None and following.media_ns <= knots[-1].media_ns:
            return False
        line = [self._knot(at - 1), *knots, following]
        return all(_rises(left, right) for left, right in pairwise(line))

    def _put(self, at: int, knots: list[Knot]) -> None:
        # new arrays, because clocks that were returned share the old ones
        columns = zip(self._columns, zip(*knots, strict=True), strict=True)
        self._columns = tuple(old[:at] + array("q", values) + old[at:] for old, values in columns)

    def neighbours(self, media_ns: int) -> tuple[Knot | None, Knot | None]:
        """The knots before and at-or-after a media time."""
        at = bisect_left(self._columns[0], media_ns)
        return self._knot(at - 1), self._knot(at)

    def _knot(self, at: int) -> Knot | None:
        if 0 <= at < len(self._columns[0]):
            return Knot(*(column[at] for column in self._columns))
        return None

    def publish(self, shown_ns: int) -> None:
        """Frames before `shown_ns` have been published: no knot may be made before it any more."""
        self._published_ns = shown_ns if self._published_ns is None else max(self._published_ns, shown_ns)

    def suppose(self, media_ns: int, until_ns: int) -> None:
        """Treat the clock's value at `media_ns` as the best arrival up to `until_ns`, until the arrivals have
        settled."""
        offset_us = self.clock().wall_us(media_ns) - media_ns // 1000
        self._envelope.suppose(media_ns // 1000, offset_us, until_ns // 1000)

    def observe(self, part: Arrival) -> list[Knot]:
        """Process the next part; returns the knots made for it (already in the clock)."""
        made: list[Knot] = []
        if not self.has_clock:
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
            raise ValueError("the arrivals of this run were not observed: anchor it")
        self._learn(part)
        offset_us = part.written_us - part.end_ns // 1000
        return self._append([Knot(part.start_ns, part.start_ns // 1000 + offset_us, PPB)])

    def _learn(self, part: Arrival) -> None:
        if part.written_us is not None:
            self._envelope.add(part.end_ns // 1000, part.written_us - part.end_ns // 1000)
            self.is_observed = True

    def _leap(self, part: Arrival, leap: Leap) -> list[Knot]:
        """Knots around a hole in media time, when the arrival shows that real time did not leap with it."""
        if part.written_us is None:
            return []
        off_us = part.written_us - self._tail().aim_at(part.end_ns)
        if _LEAP_BACK_US <= off_us <= _LEAP_FORWARD_US:
            return []  # frames were lost, but time passed: the clock stays
        self._envelope.restart()
        self._learn(part)
        before_ns = max(leap.before_ns, self._published_ns or leap.before_ns)
        # Frames still to come may be shown from the floor on. If there is no room for them in wall time, they
        # share the shortened stretch, so that later frames are not all placed late.
        full_us = self._tail().wall_at(before_ns) + _LEAST_US - (part.written_us - part.end_ns // 1000)
        floor_ns = max(leap.floor_ns, min(leap.after_ns, full_us * 1000))
        target_us = part.written_us + (floor_ns - part.end_ns) // 1000
        return self._append(squeeze(self._tail(), before_ns, floor_ns, target_us, self._even_rate()))

    def _steer(self, part: Arrival) -> list[Knot]:
        """The next knot, when one is due: the error of the current one is corrected by a slew."""
        at_ns = max(part.start_ns, self._published_ns or part.start_ns)
        tail, at_us = self._tail(), at_ns // 1000
        offset_us = self._envelope.offset_us(at_us)
        if offset_us is None or at_ns <= tail.media_ns:
            return []
        if not self._is_due(at_ns - tail.media_ns, at_us + offset_us - tail.aim_at(at_ns), tail.rate_ppb):
            return []
        wall_us = tail.wall_at(at_ns)
        recent_us = self._envelope.recent_offset_us(_STOOD_STILL_SPAN_US)
        if recent_us is not None and recent_us + at_us - wall_us > _STOOD_STILL_US:
            self._envelope.restart()
            self._learn(part)
            return self._append([Knot(at_ns, at_us + recent_us, self._even_rate())])
        return self._append([self._slewed(at_ns, wall_us, at_us + offset_us - wall_us)])

    def _is_due(self, since_ns: int, left_us: int, rate_ppb: int) -> bool:
        """`left_us` is the error that remains when the current slew has ended."""
        left_us, rate_off_ppb = abs(left_us), abs(self._even_rate() - rate_ppb)
        if self.is_settling:
            return left_us >= _WORTH_SETTLING_US
        soon_us = left_us + rate_off_ppb * QUIET_INTERVAL_NS // _PER_US
        if since_ns < QUIET_INTERVAL_NS:
            return since_ns >= _BUSY_INTERVAL_NS and soon_us >= _WORTH_BUSY_US
        return left_us >= _WORTH_QUIET_US or rate_off_ppb >= _WORTH_RATE_PPB

    def _slewed(self, at_ns: int, wall_us: int, error_us: int) -> Knot:
        """A knot at `at_ns` that corrects `error_us` and then advances at the source's own rate."""
        if abs(error_us) < _NO_SLEW_US:
            return Knot(at_ns, wall_us, self._even_rate())
        longest_us = _SETTLING_SLEW_US if self.is_settling else _SLEW_US
        span_us = max(min(abs(error_us) / _GENTLE_SLEW, longest_us), abs(error_us) / _MOST_SLEW)
        slew_ppb = self._even_rate() + round(error_us / span_us * PPB)
        return Knot(at_ns, wall_us, self._even_rate(), round(span_us * 1000), slew_ppb)

    def _even_rate(self) -> int:
        return PPB + round(self._envelope.skew * PPB)

    def _tail(self) -> Knot:
        return Knot(*(column[-1] for column in self._columns))

    def _append(self, knots: list[Knot]) -> list[Knot]:
        made: list[Knot] = []
        for knot in knots:
            if not _rises(self._knot(len(self._columns[0]) - 1), knot):
                continue  # no time can have passed since the knot before
            for column, value in zip(self._columns, knot, strict=True):
                column.append(value)
            made.append(knot)
        return made


def _rises(left: Knot | None, right: Knot | None) -> bool:
    if left is None or right is None:
        return True
    later = left.media_ns < right.media_ns and left.wall_us < right.wall_us
    return later and left.wall_at(right.media_ns) <= right.wall_us


def squeeze(tail: Knot, before_ns: int, floor_ns: int, target_us: int, rate_ppb: int) -> list[Knot]:
    """Knots from the clock's last knot `tail` over an empty stretch to `target_us` at `floor_ns`.

    Wall time never goes back: when `target_us` is before the end of what was shown, 1 ms remains.
    """
    if floor_ns <= before_ns:
        return []
    before_us = tail.wall_at(before_ns)
    target_us = max(target_us, before_us + _LEAST_US)
    slow = Knot(before_ns, before_us, max(1, (target_us - before_us) * _PER_US // (floor_ns - before_ns)))
    return [slow, Knot(floor_ns, max(slow.wall_at(floor_ns), target_us), rate_ppb)]
