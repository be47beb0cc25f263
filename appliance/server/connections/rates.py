"""Rates of requests: of each device, and of all together. A request beyond them waits; none is refused.

Owns: how long a request waits. Pure. Must not know: sockets, tasks, who a device is.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

KEYS_MAX = 2048
WAIT_MAX_S = 5.0  # a device that many others share one address with
CROWD_S = 1.0  # a crowd counts as one for so long after it
_LEAST_S = 1e-6  # less is an error of rounding


@dataclass(frozen=True, slots=True)
class Rate:
    """`per_s` on average, `burst` at once."""

    per_s: float
    burst: float


# Four videos that are scrubbed ask for 40 ranges a second; a long list that is opened asks for its pictures.
EACH = Rate(per_s=100, burst=300)
# While all together ask for more than a box answers: what a device needs that marks, watches and scrolls.
EACH_IN_A_CROWD = Rate(per_s=20, burst=100)
ALL = Rate(per_s=1000, burst=1000)


@dataclass(slots=True)
class _Bucket:
    """`even_s`: when the requests so far would have come at an even rate."""

    rate: Rate
    even_s: float = 0.0

    def wait_s(self, now_s: float) -> float:
        """How long one more request waits."""
        wait_s = self.even_s - now_s - (self.rate.burst - 1) / self.rate.per_s
        return wait_s if wait_s > _LEAST_S else 0.0

    def take(self, now_s: float, wait_max_s: float) -> None:
        """Count a request. The next one waits for `wait_max_s` at most."""
        most_s = now_s + self.rate.burst / self.rate.per_s + wait_max_s
        self.even_s = min(max(self.even_s, now_s) + 1 / self.rate.per_s, most_s)


@dataclass(slots=True)
class _Device:
    alone: _Bucket = field(default_factory=lambda: _Bucket(EACH))
    in_a_crowd: _Bucket = field(default_factory=lambda: _Bucket(EACH_IN_A_CROWD))


@dataclass(slots=True)
class Rates:
    """The limit of all holds back those who ask for most: while it is exceeded each device has a smaller
    rate, and a device within it does not wait, however many others do not keep to theirs."""

    delayed: int = 0  # requests so far
    _all: _Bucket = field(default_factory=lambda: _Bucket(ALL))
    _devices: OrderedDict[str, _Device] = field(default_factory=OrderedDict)

    def delay_s(self, key: str, now_s: float) -> float:
        """How long the next request of `key` waits before it is served. `now_s` never decreases."""
        device = self._devices.get(key)
        if device is None:
            device = self._devices[key] = _Device()
            if len(self._devices) > KEYS_MAX:
                self._devices.popitem(last=False)
        else:
            self._devices.move_to_end(key)
        is_crowd = self._all.wait_s(now_s) > 0
        wait_s = device.alone.wait_s(now_s)
        if is_crowd:
            wait_s = max(wait_s, device.in_a_crowd.wait_s(now_s))
        self._all.take(now_s, CROWD_S)
        device.alone.take(now_s, WAIT_MAX_S)
        device.in_a_crowd.take(now_s, WAIT_MAX_S if is_crowd else 0.0)
        self.delayed += wait_s > 0
        return wait_s
