"""From a camera's timestamps to one run's media time.

Owns: the 33-bit wrap, jumps of the source's clock, the estimate of a media instant's wall time.
Must not know: streams' contents, files. Ticks are 90 kHz; arrivals are box time in microseconds.

A source's clock may step (an encoder restarts its counter, a playlist loops, a camera sets its clock) while
pictures keep arriving. MediaMTX then writes one sample of absurd length, drops pictures that seem late, or
restarts its recorder and loses seconds. Here media time follows arrival: a step without real time is removed,
whatever its size and sign; nothing is lost and the run continues.

How a step differs from a gap: SRT delivers in order, so a decode time that does not rise has stepped back;
one that leaps ahead of what the fastest arrival allows has stepped forward. Several streams of one source
step one after the other: the second one adopts the first one's new clock and stays in sync with it.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Final

HZ: Final = 90_000
_WRAP: Final = 1 << 33
# jitter limit: media ahead of its fastest arrival by more than this has stepped
_AHEAD: Final = HZ * 6 // 100
_EXACT: Final = HZ * 3 // 100  # sound is counted in samples: within this difference it continues as expected
_SAME_CLOCK: Final = HZ // 200  # a picture this close to another stream's clock follows that clock
_PAUSE: Final = HZ * 6 // 100  # arrival this much later than usual: the source paused when its clock stepped
_CHANGEOVER_US: Final = 5_000_000  # the streams of one source step within this time of each other
_FIRST_SKEW: Final = 3 * HZ  # a track that begins further than this from the others has its own clock
# tracks change to a stepped clock one after the other: this many older ones are remembered
_CLOCKS: Final = 4
_WINDOW_S: Final = 60


def signed(delta: int) -> int:
    """The shortest way round the 33-bit circle."""
    return ((delta + _WRAP // 2) % _WRAP) - _WRAP // 2


class ArrivalEnvelope:
    """The smallest (arrival - media time) of the last minute: the fastest arrival of a picture.

    One minute, because clocks drift: 200 ppm is 12 ms in it.
    """

    def __init__(self) -> None:
        self._seconds: deque[tuple[int, int]] = deque()  # (arrival second, smallest lag in it, us)
        self.lag_us: int | None = None

    def see(self, media: int, arrival_us: int) -> None:
        """A unit at `media` ticks began to arrive."""
        lag_us, second = arrival_us - media * 100 // 9, arrival_us // 1_000_000
        if self._seconds and self._seconds[-1][0] == second:
            lag_us = min(lag_us, self._seconds.pop()[1])
        self._seconds.append((second, lag_us))
        while self._seconds[0][0] <= second - _WINDOW_S:
            self._seconds.popleft()
        self.lag_us = min(lag for _, lag in self._seconds)

    def wall_us(self, media: int) -> int:
        """Box time of a media instant, as estimated now. Only after the first `see`."""
        assert self.lag_us is not None
        return media * 100 // 9 + self.lag_us


@dataclass(slots=True)
class _Track:
    """The state of one stream. Each has its own envelope: sound may be a second ahead of the picture.

    `outruns`: its last unit came earlier than any before, as in a burst or at the start; arrival then cannot
    prove a leap.
    """

    media: int
    arrival_us: int
    shift: int
    step: int = HZ // 25
    outruns: bool = True
    envelope: ArrivalEnvelope = field(default_factory=ArrivalEnvelope)

    def see(self, media: int, arrival_us: int) -> None:
        if 0 < media - self.media < HZ:
            self.step = media - self.media
        self.media, self.arrival_us = media, arrival_us
        before_us = self.envelope.lag_us
        self.envelope.see(media, arrival_us)
        assert self.envelope.lag_us is not None
        self.outruns = (
            before_us is not None and (before_us - self.envelope.lag_us) * 9 // 100 > self.step // 2
        )

    def is_ahead(self, delta: int, arrival_us: int) -> bool:
        """Whether a unit `delta` ticks later would have been captured after it arrived."""
        assert self.envelope.lag_us is not None
        lag_us = arrival_us - (self.media + delta) * 100 // 9
        known = not self.outruns or delta > _FIRST_SKEW
        return known and lag_us < self.envelope.lag_us - _AHEAD * 100 // 9


@dataclass(slots=True)
class StreamTime:
    """Media time of one run. It begins at 0 with the first unit placed.

    `jumps` counts clock steps; `stepped` is the newest step (ticks, positive: the source leapt ahead).
    """

    jumps: int = 0
    stepped: int = 0
    _shifts: list[tuple[int, int]] = field(default_factory=list)  # newest first: (shift, when learnt, us)
    _tracks: dict[int, _Track] = field(default_factory=dict)

    def place(self, pid: int, raw: int, arrival_us: int, expected: int | None = None, slack: int = 0) -> int:
        """Media time (ticks) of a unit of stream `pid` with raw timestamp `raw`, arriving now.

        media = raw + shift, on the 33-bit circle. `expected`: where the unit begins by the samples counted
        before it, up to `slack` early; None for pictures, whose distance is not known.
        """
        if not self._shifts:
            self._shifts.append((-raw, arrival_us))
        track = self._tracks.get(pid)
        if track is None:
            track = self._tracks[pid] = self._join(raw, arrival_us)
            track.envelope.see(track.media, arrival_us)
        else:
            track.see(self._continue(track, raw, arrival_us, expected, slack), arrival_us)
        return track.media

    def wall_us(self, pid: int, media: int) -> int:
        """Box time of a media instant by the arrivals of stream `pid`, which has been placed."""
        return self._tracks[pid].envelope.wall_us(media)

    def _continue(self, track: _Track, raw: int, arrival_us: int, expected: int | None, slack: int) -> int:
        delta = signed(raw + track.shift - track.media)
        if _goes_on(track, delta, arrival_us, expected, slack):
            return track.media + delta
        usual = track.step if expected is None else max(1, expected - track.media)
        for shift, at_us in self._shifts:
            delta = signed(raw + shift - track.media)
            off = delta - usual
            exact = abs(off) <= _SAME_CLOCK if expected is None else -_EXACT <= off <= _EXACT + slack
            if exact and arrival_us - at_us < _CHANGEOVER_US:
                track.shift = shift
                return track.media + delta
        elapsed = (arrival_us - track.arrival_us) * 9 // 100
        media = track.media + (elapsed if elapsed > usual + _PAUSE else usual)
        self.stepped = signed(raw + track.shift - media)
        track.shift = signed(media - raw)
        self._learn(track.shift, arrival_us)
        return media

    def _join(self, raw: int, arrival_us: int) -> _Track:
        """First unit of a stream: close to the others, or on a clock of its own."""
        if not self._tracks:
            shift = self._shifts[0][0]
            return _Track(signed(raw + shift), arrival_us, shift)
        newest = max(self._tracks.values(), key=lambda track: track.arrival_us)
        for shift in [newest.shift, *[track for track, _ in self._shifts]]:
            delta = signed(raw + shift - newest.media)
            if abs(delta) <= _FIRST_SKEW:
                return _Track(newest.media + delta, arrival_us, shift)
        media = newest.media + (arrival_us - newest.arrival_us) * 9 // 100
        self.stepped = signed(raw + newest.shift - media)
        self._learn(signed(media - raw), arrival_us)
        return _Track(media, arrival_us, signed(media - raw))

    def _learn(self, shift: int, arrival_us: int) -> None:
        self.jumps += 1
        self._shifts.insert(0, (shift, arrival_us))
        del self._shifts[_CLOCKS:]


def _goes_on(track: _Track, delta: int, arrival_us: int, expected: int | None, slack: int) -> bool:
    """Whether a unit `delta` ticks after the last is the stream's next one, or one after a real gap."""
    if expected is None:
        return delta > 0 and (delta <= track.step * 3 // 2 or not track.is_ahead(delta, arrival_us))
    off = track.media + delta - expected
    if off <= _EXACT + slack:
        return off >= -_EXACT
    return not track.is_ahead(delta, arrival_us)
