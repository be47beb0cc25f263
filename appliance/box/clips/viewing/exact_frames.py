"""Single frames to the frame: the newest one at or before an instant, and the first one of a clip.

Owns: which short cut is decoded for it. A cut begins at its key, so a frame costs what its group of pictures
costs (1080p: 94 to 245 ms). Must not know: files, who waits.
"""

from __future__ import annotations

from dataclasses import dataclass

from appliance.box.clips.cutting.media_jobs import MediaJobs, opened
from appliance.box.clips.cutting.planner import PlanSpan
from appliance.box.clips.files.delivery import ClipDelivery
from appliance.box.clips.records.stored_plans import stored_plan
from appliance.kernel.errors import not_found
from appliance.kernel.store import Store

WINDOW_US = 1_000_000  # the frame before an instant is not older, unless footage is missing there


@dataclass(frozen=True, slots=True)
class ExactFrames:
    """Single frames as JPEG. Each method raises the errors of planning (NoFootage, Malformed, OSError), and
    Refused or Unavailable of the job."""

    store: Store
    jobs: MediaJobs
    delivery: ClipDelivery
    plan_span: PlanSpan

    async def at(self, channel_id: str, at_us: int, latency_ms: int, *, width_px: int) -> bytes:
        """The JPEG of the newest frame captured at or before `at_us`."""
        plan = await self.plan_span(channel_id, at_us - WINDOW_US, at_us + 1, latency_ms * 1000)
        ranges = [(each.name, each.offset, each.length) for each in plan.ranges]
        async with opened([plan.header, *await self.delivery.open_ranges(ranges)]) as source:
            return await self.jobs.frame(source, plan.duration_s, width_px=width_px, bulk=False)

    async def first_of(self, clip_id: str, media_rev: int, *, width_px: int) -> bytes:
        """The JPEG of the first frame this cut shows, behind everything a person waits for."""
        plan = await self.store.read(lambda tx: stored_plan(tx, clip_id, media_rev))
        if plan is None:
            raise not_found("media of this clip", f"m{media_rev}")
        async with opened(await self.delivery.pieces(plan)) as source:
            return await self.jobs.frame(source, 0.0, width_px=width_px, bulk=True)
