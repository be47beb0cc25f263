"""What a process cost, and how long it waited for a CPU that others had: a shared machine told apart.

A latency is the box's own only where the box did not stand in line. Linux says for every thread how long it
was ready to run and did not (/proc/PID/task/*/schedstat); a goal that was missed while the box stood in line
is said to be missed, and why.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

QUIET_PERCENT = 5.0  # standing in line less than this, the machine was ours


@dataclass(frozen=True, slots=True)
class Usage:
    """Seconds of CPU and of standing in line for one, over `wall_s`."""

    cpu_s: float
    waited_s: float
    wall_s: float

    @property
    def cpu_percent(self) -> float:
        return round(self.cpu_s / self.wall_s * 100, 2)

    @property
    def waited_percent(self) -> float:
        return round(self.waited_s / self.wall_s * 100, 1)

    @property
    def is_quiet(self) -> bool:
        return self.waited_percent < QUIET_PERCENT


class Watch:
    """Counts from its making on. Threads that ended meanwhile are in the CPU time, not in the waiting."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._clock = (~pid << 3) | 2  # CPUCLOCK_SCHED of the process: nanoseconds, all its threads
        self._began = (self._cpu_s(), self._waited(), time.perf_counter())

    def taken(self) -> Usage:
        cpu_s, waited, began = self._began
        now = self._waited()
        waited_ns = sum(after - waited.get(thread, 0) for thread, after in now.items())
        return Usage(self._cpu_s() - cpu_s, waited_ns / 1e9, time.perf_counter() - began)

    def _cpu_s(self) -> float:
        return time.clock_gettime(self._clock)

    def _waited(self) -> dict[str, int]:
        found = {}
        for thread in Path(f"/proc/{self._pid}/task").iterdir():
            try:
                found[thread.name] = int((thread / "schedstat").read_text().split()[1])
            except OSError:
                continue  # ended while we looked
        return found


def verdict(goal: str, *, met: bool, waited_percent: float) -> str:
    """`goal` with what came of it."""
    if met:
        return f"{goal}: met"
    if waited_percent < QUIET_PERCENT:
        return f"{goal}: MISSED"
    return f"{goal}: MISSED while the box stood {waited_percent:.0f} % of the time in line for a CPU"
