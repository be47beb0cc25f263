"""Whether a file that grows is being recorded now, and when its bytes were written in box time.

Owns: the pace of arrivals of one run, the clock of the disk. Must not know: files, runs, callers.

A recording grows by one second of media a second. A copy appears whole, or grows as fast as disk and network
allow. That difference is observed and does not depend on the times in the file, its name or its mtime.
"""

from __future__ import annotations

from collections import deque
from typing import Final

# The window over which growth must match real time. Parts of 0.2 s are judged after 1.5 s, of 1 s after 3 s,
# of 2 s after 4 s.
_WINDOW_US: Final = 1_500_000
_STEPS: Final = 3
_LONG_WINDOW_US: Final = 3_000_000  # so long that fewer steps are enough
_LONG_STEPS: Final = 2
_KEEP_US: Final = 60_000_000  # three steps of the longest usual parts
_KEEP: Final = 64
_SLACK_US: Final = 150_000  # a check is up to 50 ms late, and more on a loaded machine
_SLACK_SHARE: Final = 10  # and a tenth of the window: no source clock is that far off, no copy that slow
_TICK_US: Final = 20_000  # the kernel rounds mtimes to its tick: 10 ms at worst


class GrowthPace:
    """Growth of one run: (box time written, media time reached) of each check that found new bytes."""

    def __init__(self) -> None:
        self._steps: deque[tuple[int, int]] = deque(maxlen=_KEEP)

    def add(self, written_us: int, reached_us: int) -> None:
        """Media time `reached_us` of the run was on disk at box time `written_us`."""
        self._steps.append((written_us, reached_us))
        while self._steps[0][0] < written_us - _KEEP_US:
            self._steps.popleft()

    def keeps_step(self) -> bool:
        """Whether the newest step arrived no faster than it was captured."""
        if len(self._steps) < 2:
            return False
        (before_us, media_us), (written_us, reached_us) = self._steps[-2], self._steps[-1]
        took_us = written_us - before_us
        return reached_us - media_us <= took_us + took_us // _SLACK_SHARE + _TICK_US

    def is_real_time(self) -> bool:
        """Whether the newest steps together match a recording in real time."""
        if len(self._steps) <= _LONG_STEPS:
            return False
        steps = list(self._steps)
        now_us, reached_us = steps[-1]
        for count, (written_us, media_us) in enumerate(reversed(steps)):
            took_us = now_us - written_us
            is_long = took_us >= _WINDOW_US and count >= _STEPS
            is_long |= took_us >= _LONG_WINDOW_US and count >= _LONG_STEPS
            if is_long and abs(reached_us - media_us - took_us) <= took_us // _SLACK_SHARE + _SLACK_US:
                return True
        return False


class DiskClock:
    """How far the clock that stamps files is ahead of box time; a NAS has its own clock.

    Each growth between two checks bounds it: bytes stamped `mtime` were written in between.
    """

    def __init__(self) -> None:
        self._least_us: int | None = None
        self._most_us = 0

    def learn(self, mtime_us: int, after_us: int, before_us: int) -> None:
        """Bytes stamped `mtime_us` were written at or after `after_us` and before `before_us` of box time."""
        least_us, most_us = mtime_us - before_us, mtime_us - after_us + _TICK_US
        if self._least_us is not None and max(least_us, self._least_us) <= min(most_us, self._most_us):
            least_us, most_us = max(least_us, self._least_us), min(most_us, self._most_us)
        self._least_us, self._most_us = least_us, most_us

    @property
    def ahead_us(self) -> int:
        """0 while it may be the box's own clock. Never too large: a part is seen late, never early."""
        if self._least_us is None or self._least_us <= 0 <= self._most_us:
            return 0
        return self._least_us

    def box_us(self, mtime_us: int) -> int:
        """Box time of a file's time."""
        return mtime_us - self.ahead_us
