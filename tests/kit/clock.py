"""Box time for tests: moved by hand, or by trio's clock, both from the kick-off on; or the machine's own."""

from __future__ import annotations

import trio

from appliance.kernel.clock import from_rfc3339, wall_us

KICKOFF_US = from_rfc3339("2026-11-20T19:00:00Z")


class SimClock:
    """Box time that moves with trio's clock; a test that jumps uses `autojump_clock` itself."""

    def __init__(self, start_us: int = KICKOFF_US) -> None:
        self._zero_s = trio.current_time()
        self._start_us = start_us

    def now_us(self) -> int:
        return self._start_us + round((trio.current_time() - self._zero_s) * 1e6)


class HandClock:
    """Box time that moves only by `advance`."""

    def __init__(self, start_us: int = KICKOFF_US) -> None:
        self._now_us = start_us

    def now_us(self) -> int:
        return self._now_us

    def advance(self, seconds: float) -> None:
        self._now_us += round(seconds * 1e6)


class WallClock:
    """The machine's own time, where files on the disk are compared with it."""

    def now_us(self) -> int:
        return wall_us()
