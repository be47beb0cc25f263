"""Rates of requests: of each device, and of all together. A request beyond them waits; none is refused.

Owns: how long a request waits. Pure. Must not know: sockets, tasks, who a device is.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

KEYS_MAX = 2048
WAIT_MAX_S = 5.0  # the longest wait, reached where many devices share one address
CROWD_S = 1.0  # the smaller rates of an exceeded total apply for this long after it
_LEAST_S = 1e-6  # shorter waits are rounding errors


@dataclass(frozen=True, slots=True)
class Rate:
    """`per_s` on average, `burst` at once."""

    per_s: float
    burst: float


# Scrubbing four videos takes 40 range requests a second; opening a long list requests its thumbnails at once.
EACH = Rate(per_s=100, burst=300)
# While all devices together exceed the total: enough for a device that marks, watches and scrolls.
EACH_IN_A_CROWD = Rate(per_s=20, burst=100)
ALL = Rate(per_s=1000, burst=1000)


@dataclass(slots=True)
class _Bucket:
    """`even_s`: the time at which the requests so far would have ended if they had come at the even rate."""

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
    """While the limit of all devices together is exceeded, each device has a smaller rate. A device that
    stays within it does not wait, however many others exceed theirs."""

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
