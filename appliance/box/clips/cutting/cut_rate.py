"""How often each clip was cut within a minute without a person's request: for health.

Owns: the counting. A box that cuts one clip again and again wears out its disk, and all tablets load the clip
anew each time; this shows any such loop, whatever causes it.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Hashable
from dataclasses import dataclass, field

import trio

SPAN_S = 60.0
ALLOWED = 3  # cuts within SPAN_S


@dataclass(slots=True)
class _Cuts:
    of: Hashable
    at_s: deque[float] = field(default_factory=lambda: deque(maxlen=1000))


@dataclass(slots=True)
class CutRate:
    """Counts of the clips cut within the last minute."""

    _clips: OrderedDict[str, _Cuts] = field(default_factory=OrderedDict)

    def note(self, clip_id: str, of: Hashable) -> None:
        """Count a cut, also a failed one. `of`: the span and mode requested; a different one starts a new
        count."""
        now_s = trio.current_time()
        known = self._clips.pop(clip_id, None)
        self._clips[clip_id] = known if known is not None and known.of == of else _Cuts(of)
        self._clips[clip_id].at_s.append(now_s)
        self._forget(now_s)

    def too_often(self) -> dict[str, int]:
        """Clips cut more than three times in the last minute, with the number of cuts."""
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
