"""Waiting before another try: capped exponential, full jitter."""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(slots=True)
class Backoff:
    """`next_s()` is uniform in (0, min(cap, base * 2^n)]; `reset()` after a success.

    Full jitter, because many boxes that lost the same link must not come back together.
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
