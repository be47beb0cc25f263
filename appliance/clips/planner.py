"""Making a plan of a span of footage: collect the index's view of it, compute in a thread."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import trio

from appliance.clips.footage import Footage
from appliance.media.plan import Plan, make_plan


class PlanSpan(Protocol):
    """The one thing the cutter needs of a planner."""

    async def __call__(self, channel_id: str, start_us: int, end_us: int, latency_us: int) -> Plan:
        """The plan of [start_us, end_us) of capture time. Raises NoFootage, OSError, Malformed."""
        ...


@contextmanager
def open_once(open_fd: Callable[[str], int]) -> Iterator[Callable[[str], int]]:
    """`open_fd` that opens each recording once; all are closed at the end of the block."""
    opened: dict[str, int] = {}

    def get(name: str) -> int:
        if name not in opened:
            opened[name] = open_fd(name)
        return opened[name]

    try:
        yield get
    finally:
        for fd in opened.values():
            os.close(fd)


@dataclass(frozen=True, slots=True)
class Planner:
    """Plans from real recordings. `threads` are the media reads' own: a hung disk stops no API call."""

    footage: Footage
    threads: trio.CapacityLimiter

    async def plan_span(self, channel_id: str, start_us: int, end_us: int, latency_us: int) -> Plan:
        """The plan of [start_us, end_us) of capture time. Raises NoFootage, OSError, Malformed."""
        views = await self.footage.views(channel_id, start_us + latency_us, end_us + latency_us)

        def plan() -> Plan:
            with open_once(self.footage.open_fd) as open_fd:
                return make_plan(views, open_fd, start_us=start_us, end_us=end_us, latency_us=latency_us)

        return await trio.to_thread.run_sync(plan, limiter=self.threads)
