"""How often each clip was cut within a minute without anybody asking: for health.

Owns: the counting. A box that makes a clip again and again wears its disk out while all tablets fetch it
anew; every way into such a loop shows here, also one that is not known yet.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Hashable
from dataclasses import dataclass, field

import trio

SPAN_S = 60.0
ALLOWED = 3  # within SPAN_S


@dataclass(slots=True)
class _Cuts:
    of: Hashable
    at_s: deque[float] = field(default_factory=lambda: deque(maxlen=1000))


@dataclass(slots=True)
class CutRate:
    """Only clips cut within the last minute are kept."""

    _clips: OrderedDict[str, _Cuts] = field(default_factory=OrderedDict)

    def note(self, clip_id: str, of: Hashable) -> None:
        """A clip was cut, or its cut failed. `of`: what a person asked for; another wish begins anew."""
        now_s = trio.current_time()
        known = self._clips.pop(clip_id, None)
        self._clips[clip_id] = known if known is not None and known.of == of else _Cuts(of)
        self._clips[clip_id].at_s.append(now_s)
        self._forget(now_s)

    def too_often(self) -> dict[str, int]:
        """Clips cut more than three times in the last minute, and how often."""
        now_s = trio.current_time()
        self._forget(now_s)
        counts = {
            clip_id: sum(at_s > now_s - SPAN_S for at_s in cuts.at_s) for clip_id, cuts in self._clips.items()
        }
        return {clip_id: count for clip_id, count in counts.items() if count > ALLOWED}

    def _forget(self, now_s: float) -> None:
        while self._clips:
            oldest = next(iter(self._clips.values()))
            if oldest.at_s[-1] > now_s - SPAN_S:
                return
            self._clips.popitem(last=False)
