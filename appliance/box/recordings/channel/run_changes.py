"""How often a channel's source changed: many changes a minute mean two encoders on one stream id.

Owns: the counting. Must not know: where the times come from.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from appliance.kernel.clock import DAY_US

MINUTE_US: Final = 60_000_000


def run_changes(begun_us: Collection[int], now_us: int, *, is_on: bool) -> int:
    """How often another run began within the last minute, including runs without a picture. While nothing is
    recorded: within the last minute that was, if that was less than a day ago.

    `begun_us`: wall time at which each run was first seen.
    """
    if not begun_us:
        return 0
    until_us = now_us if is_on else max(begun_us)
    if now_us - until_us > DAY_US:
        return 0
    return max(0, sum(until_us - MINUTE_US < at_us <= until_us for at_us in begun_us) - 1)
