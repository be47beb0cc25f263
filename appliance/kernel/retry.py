"""Retrying: how long to wait, which keys wait, and which disk errors there are now.

Must not know: disks, what is retried, who retries.
"""

from __future__ import annotations

import random
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

import structlog
import trio

log = structlog.get_logger("retry")

# a disk that was removed or remounted is back within this time; a bad sector does not recover
GIVE_UP_S = 600.0


@dataclass(slots=True)
class Backoff:
    """Capped exponential waits with full jitter: `next_s()` is uniform in (0, min(cap, base * 2^n)];
    `reset()` after a success.

    Full jitter, because many boxes that lost the same link must not reconnect together.
    """

    base_s: float = 0.5
    cap_s: float = 30.0
    tries: int = 0

    def next_s(self) -> float:
        ceiling = min(self.cap_s, self.base_s * float(2 ** min(self.tries, 16)))
        self.tries += 1
        return ceiling * (1.0 - random.random())

    def reset(self) -> None:
        self.tries = 0


@dataclass(slots=True)
class _Retry:
    since_s: float
    not_before_s: float
    backoff: Backoff


@dataclass(slots=True)
class RetrySchedule:
    """When to retry each key whose work failed, in trio's monotonic seconds; true when there is such a
    key."""

    _retries: dict[str, _Retry] = field(default_factory=dict)

    def postpone(self, key: str) -> bool:
        """The work of `key` failed (again). False: it has failed for GIVE_UP_S, give it up."""
        now_s = trio.current_time()
        retry = self._retries.setdefault(key, _Retry(now_s, now_s, Backoff(base_s=1.0, cap_s=20.0)))
        if now_s - retry.since_s > GIVE_UP_S:
            return False
        retry.not_before_s = now_s + retry.backoff.next_s()
        return True

    def not_before_s(self, key: str) -> float:
        """The time before which `key` is not to be tried; -inf for one that has not failed."""
        retry = self._retries.get(key)
        return retry.not_before_s if retry is not None else float("-inf")

    def forget(self, key: str) -> None:
        """The work of `key` succeeded, or was given up."""
        self._retries.pop(key, None)

    def retain(self, keys: Collection[str]) -> None:
        """Forget every key not in `keys`."""
        for key in [key for key in self._retries if key not in keys]:
            del self._retries[key]

    def __bool__(self) -> bool:
        return bool(self._retries)


@dataclass(slots=True)
class DiskErrors:
    """Current disk errors by operation; logged once, shown in /readyz. `actor` names it in the log."""

    actor: str
    _errors: dict[str, str] = field(default_factory=dict)

    def record(self, operation: str, error: OSError, **fields: Any) -> None:
        reason = f"{operation}: {error.strerror or error}"
        if self._errors.get(operation) != reason:
            log.error("disk_error", actor=self.actor, reason=reason, **fields)
        self._errors[operation] = reason

    def clear(self, operation: str) -> None:
        """The operation succeeded."""
        if self._errors.pop(operation, None) is not None:
            log.info("disk_works_again", actor=self.actor, operation=operation)

    def __bool__(self) -> bool:
        return bool(self._errors)

    def __str__(self) -> str:
        return "; ".join(self._errors.values())
