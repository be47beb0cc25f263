"""Things whose disk refused: when each is tried again, and when that is given up.

Owns: the times. Must not know: disks, what is tried.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

import trio

from appliance.kernel.backoff import Backoff

GIVE_UP_S = 600.0  # a disk that was pulled or remounted is back by then; a bad sector is bad for ever


@dataclass(slots=True)
class _Refused:
    since_s: float
    until_s: float
    backoff: Backoff


@dataclass(slots=True)
class PutOff:
    """By a name; times are trio's monotonic seconds."""

    _refused: dict[str, _Refused] = field(default_factory=dict)

    def refuse(self, key: str) -> bool:
        """The disk refused again. False: it has done so for so long that nothing is to be hoped for."""
        now_s = trio.current_time()
        one = self._refused.setdefault(key, _Refused(now_s, now_s, Backoff(base_s=1.0, cap_s=20.0)))
        if now_s - one.since_s > GIVE_UP_S:
            return False
        one.until_s = now_s + one.backoff.next_s()
        return True

    def until_s(self, key: str) -> float:
        """Not to be tried before this."""
        one = self._refused.get(key)
        return one.until_s if one is not None else float("-inf")

    def settle(self, key: str) -> None:
        """Done or given up."""
        self._refused.pop(key, None)

    def keep(self, keys: Collection[str]) -> None:
        """All others are nobody's any more."""
        for key in [one for one in self._refused if one not in keys]:
            del self._refused[key]

    def __bool__(self) -> bool:
        return bool(self._refused)
