"""Which cut of a clip is being read, and when it was last read: a replaced cut is deleted once it is no
longer played.

Owns: these times, since the daemon's start. Must not know: files, when a cut is deleted
(housekeeping/actor.py).
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import trio

KEPT = 4096  # newest cuts read; above that the one read longest ago counts as never read

Cut = tuple[str, int]  # clip id, media_rev


@dataclass(slots=True)
class Readers:
    """Used on the trio thread only. `now_s`: monotonic seconds."""

    now_s: Callable[[], float] = trio.current_time
    _open: Counter[Cut] = field(default_factory=Counter)
    _last_s: OrderedDict[Cut, float] = field(default_factory=OrderedDict)

    @contextmanager
    def reading(self, clip_id: str, media_rev: int) -> Iterator[None]:
        """One response that sends bytes of this cut."""
        cut = clip_id, media_rev
        self._open[cut] += 1
        try:
            yield
        finally:
            self._open[cut] -= 1
            if not self._open[cut]:
                del self._open[cut]
            self._last_s[cut] = self.now_s()
            self._last_s.move_to_end(cut)
            if len(self._last_s) > KEPT:
                self._last_s.popitem(last=False)

    def quiet_s(self, clip_id: str, media_rev: int) -> float | None:
        """Seconds since the cut was last read, 0.0 while it is being read; None: not since the daemon's
        start."""
        if (clip_id, media_rev) in self._open:
            return 0.0
        at_s = self._last_s.get((clip_id, media_rev))
        return None if at_s is None else self.now_s() - at_s
