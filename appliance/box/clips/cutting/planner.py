"""Making a plan of a span of footage: collect the index's view of it, compute in a thread."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

import trio

from appliance.box.clips.files.footage import Footage
from appliance.kernel.threads import in_thread
from appliance.media.cut.coverage import explained
from appliance.media.cut.plan import NoFootage, Plan, make_plan
from appliance.media.files import open_once
from appliance.media.index.view import SegmentView
from appliance.media.mp4.fmp4 import Malformed


class PlanSpan(Protocol):
    """Makes one plan."""

    async def __call__(self, channel_id: str, start_us: int, end_us: int, latency_us: int) -> Plan:
        """The plan of [start_us, end_us) of capture time. Raises NoFootage, OSError, Malformed."""
        ...


class Wanted(NamedTuple):
    """A span of capture time on one channel."""

    channel_id: str
    start_us: int
    end_us: int
    latency_us: int


class PlanTogether(Protocol):
    """Several plans at once: all angles of a play."""

    async def __call__(self, wanted: Sequence[Wanted]) -> Sequence[Plan | None]:
        """One plan each; None where PlanSpan would raise."""
        ...


@dataclass(frozen=True, slots=True)
class Planner:
    """Plans from real recordings. `threads` is the media reads' own limiter: a hung disk blocks no API
    call."""

    footage: Footage
    threads: trio.CapacityLimiter

    async def plan_span(self, channel_id: str, start_us: int, end_us: int, latency_us: int) -> Plan:
        """The plan of [start_us, end_us) of capture time. Raises NoFootage, OSError, Malformed."""
        wanted = Wanted(channel_id, start_us, end_us, latency_us)
        views = await self._views(wanted)
        plan = await in_thread(self._plan, wanted, views, limiter=self.threads)
        return self._explained(plan, wanted)

    async def plan_together(self, wanted: Sequence[Wanted]) -> list[Plan | None]:
        """A plan for each, None where `plan_span` would raise. In one thread, one after the other: several
        threads would only wait for each other's interpreter lock."""
        seen: list[Sequence[SegmentView]] = [()] * len(wanted)
        for place, span in enumerate(wanted):
            with suppress(OSError):
                seen[place] = await self._views(span)
        plans = await in_thread(self._plan_all, wanted, seen, limiter=self.threads)
        return [plan and self._explained(plan, span) for plan, span in zip(plans, wanted, strict=True)]

    def _explained(self, plan: Plan, wanted: Wanted) -> Plan:
        """The plan with the timeline's reasons for its missing spans."""
        if not plan.missing:
            return plan
        late_us = wanted.latency_us
        gaps = self.footage.gaps(wanted.channel_id, wanted.start_us + late_us, wanted.end_us + late_us)
        return replace(plan, missing=explained(plan.missing, gaps, late_us))

    async def _views(self, wanted: Wanted) -> Sequence[SegmentView]:
        start_us, end_us = wanted.start_us + wanted.latency_us, wanted.end_us + wanted.latency_us
        return await self.footage.views(wanted.channel_id, start_us, end_us)

    def _plan(self, wanted: Wanted, views: Sequence[SegmentView]) -> Plan:
        _, start_us, end_us, latency_us = wanted
        with open_once(self.footage.open_fd) as open_fd:
            return make_plan(views, open_fd, start_us=start_us, end_us=end_us, latency_us=latency_us)

    def _plan_all(self, wanted: Sequence[Wanted], seen: Sequence[Sequence[SegmentView]]) -> list[Plan | None]:
        plans: list[Plan | None] = [None] * len(wanted)
        for place, (span, views) in enumerate(zip(wanted, seen, strict=True)):
            with suppress(NoFootage, OSError, Malformed):
                plans[place] = self._plan(span, views)
        return plans
