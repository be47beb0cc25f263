"""From a camera's timestamps to one run's media time.

Owns: the 33-bit wrap, jumps of the source's clock, the guess of when a media instant was on the wall.
Must not know: streams' contents, files. Ticks are 90 kHz; arrivals are box time in microseconds.

A source's clock may jump (an encoder restarts its counter, a playlist loops) while pictures go on arriving.
MediaMTX then writes one sample of absurd length or restarts its recorder and loses seconds. Here media time
follows arrival: a step the wall clock did not make is taken out, no picture is lost and the run goes on.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Final

HZ: Final = 90_000
_WRAP: Final = 1 << 33
_AHEAD: Final = HZ // 2  # media cannot outrun its fastest arrival by more than this: the clock jumped
_BEHIND: Final = -HZ // 2  # less is a late sample, which the writer leaves out
_FIRST_SKEW: Final = 3 * HZ  # a track that begins further than this from the others has a clock of its own
_CLOCKS: Final = 4  # tracks change over to a jumped clock one after the other: older ones stay known
_WINDOW_S: Final = 60


def signed(delta: int) -> int:
    """The shortest way round the 33-bit circle."""
    return ((delta + _WRAP // 2) % _WRAP) - _WRAP // 2


class ArrivalEnvelope:
    """The smallest (arrival - media time) of the last minute: the fastest way a picture came.

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
        """Box time of a media instant, by what is known now. Only after the first `see`."""
        assert self.lag_us is not None
        return media * 100 // 9 + self.lag_us


@dataclass(slots=True)
class _Track:
    """Where one stream is. Its envelope is its own: sound may run a second ahead of the picture."""

    media: int
    arrival_us: int
    step: int = HZ // 25
    envelope: ArrivalEnvelope = field(default_factory=ArrivalEnvelope)


@dataclass(slots=True)
class StreamTime:
    """Media time of one run. It begins at 0 with the first unit placed; `jumps` counts clock steps."""

    jumps: int = 0
    _shifts: list[int] = field(default_factory=list)  # newest first: media = raw + shift, on the circle
    _tracks: dict[int, _Track] = field(default_factory=dict)

    def place(self, pid: int, raw: int, arrival_us: int) -> int:
        """Media time (ticks) of a unit of stream `pid` with raw timestamp `raw`, arriving now."""
        if not self._shifts:
            self._shifts.append(-raw)
        track = self._tracks.get(pid)
        if track is None:
            track = self._tracks[pid] = _Track(self._join(raw, arrival_us), arrival_us)
        else:
            media = self._continue(track, raw, arrival_us)
            if 0 < media - track.media < HZ:
                track.step = media - track.media
            track.media, track.arrival_us = media, arrival_us
        track.envelope.see(track.media, arrival_us)
        return track.media

    def wall_us(self, pid: int, media: int) -> int:
        """Box time of a media instant by the arrivals of stream `pid`, which has been placed."""
        return self._tracks[pid].envelope.wall_us(media)

    def _continue(self, track: _Track, raw: int, arrival_us: int) -> int:
        for shift in self._shifts:
            delta = signed(raw + shift - track.media)
            # A burst out of a buffer outruns the envelope too, but in small steps.
            if _BEHIND < delta <= _AHEAD or (delta > 0 and not _is_ahead(track, delta, arrival_us)):
                return track.media + delta
        elapsed = (arrival_us - track.arrival_us) * 9 // 100
        media = track.media + max(track.step, elapsed)
        self._learn(media - raw)
        return media

    def _join(self, raw: int, arrival_us: int) -> int:
        """First unit of a stream: near the others, or on a clock of its own."""
        if not self._tracks:
            return signed(raw + self._shifts[0])
        newest = max(self._tracks.values(), key=lambda one: one.arrival_us)
        for shift in self._shifts:
            delta = signed(raw + shift - newest.media)
            if abs(delta) <= _FIRST_SKEW:
                return newest.media + delta
        media = newest.media + (arrival_us - newest.arrival_us) * 9 // 100
        self._learn(media - raw)
        return media

    def _learn(self, shift: int) -> None:
        self.jumps += 1
        self._shifts.insert(0, shift)
        del self._shifts[_CLOCKS:]


def _is_ahead(track: _Track, delta: int, arrival_us: int) -> bool:
    assert track.envelope.lag_us is not None
    lag_us = arrival_us - (track.media + delta) * 100 // 9
    return lag_us < track.envelope.lag_us - _AHEAD * 100 // 9
