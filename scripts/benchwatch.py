"""The CPU time of a process, and how long it waited for a CPU: detects a shared machine.

A latency is the box's own only if the box did not wait for a CPU. Linux reports for every thread how long it
was ready to run but did not (/proc/PID/task/*/schedstat); a goal that was missed while the box waited is
reported as missed, with that reason.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

QUIET_PERCENT = 5.0  # waiting less than this, the machine was ours


@dataclass(frozen=True, slots=True)
class Usage:
    """Seconds of CPU time and of waiting for a CPU, during `wall_s`."""

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
    """Counts from its creation. Threads that ended meanwhile are in the CPU time, not in the waiting."""

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
        result = {}
        for thread in Path(f"/proc/{self._pid}/task").iterdir():
            try:
                result[thread.name] = int((thread / "schedstat").read_text().split()[1])
            except OSError:
                continue  # ended during the reading
        return result


def verdict(goal: str, *, met: bool, waited_percent: float) -> str:
    """`goal` with the result."""
    if met:
        return f"{goal}: met"
    if waited_percent < QUIET_PERCENT:
        return f"{goal}: MISSED"
    return f"{goal}: MISSED while the box stood {waited_percent:.0f} % of the time in line for a CPU"
