"""The clock of a job: when it is at risk, when it is breached. Pure functions of instants (us UTC).

It begins when a usable video exists, and ends with the job. An extension moves the limit, not the target.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from appliance.kernel.clock import S_US


class SlaState(StrEnum):
    ON_TIME = "on_time"
    AT_RISK = "at_risk"  # the target has passed
    BREACHED = "breached"  # the limit has passed


@dataclass(frozen=True, slots=True)
class SlaClock:
    """`target_us`, `due_us`: from these instants on the job is at risk, or breached."""

    target_us: int
    due_us: int

    def state(self, at_us: int) -> SlaState:
        if at_us >= self.due_us:
            return SlaState.BREACHED
        return SlaState.AT_RISK if at_us >= self.target_us else SlaState.ON_TIME

    def alarm(self, at_us: int, *, at_risk_sent: bool, breached_sent: bool) -> SlaState | None:
        """The alarm to send now; None: there is none, or it was sent. Once breached, a late "at risk" is
        not sent any more."""
        state = self.state(at_us)
        if state is SlaState.BREACHED:
            return None if breached_sent else state
        return state if state is SlaState.AT_RISK and not (at_risk_sent or breached_sent) else None


def sla_clock(available_us: int, target_s: int, due_s: int, extension_s: int = 0) -> SlaClock:
    """The clock of a job whose video became usable at `available_us`."""
    due_us = available_us + (due_s + extension_s) * S_US
    return SlaClock(min(available_us + target_s * S_US, due_us), due_us)


def percentile(values: Sequence[int], percent: int) -> int | None:
    """The smallest value that at least `percent` % of the values do not exceed; None of none."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)] if ordered else None
