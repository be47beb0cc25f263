"""The timeline of a channel: what was recorded, what was not and why, and every frame's capture time."""

from __future__ import annotations

from contextlib import suppress

from appliance.box.recordings.actor import RecordingsHandle
from appliance.box.recordings.model import Timeline, TimelineQuery, timeline_resource
from appliance.http.api import Ctx, Routes
from appliance.kernel.clock import Clock
from appliance.kernel.errors import Unavailable, invalid, not_found
from appliance.kernel.operation import Answer
from appliance.kernel.threads import in_thread
from appliance.media.cut.frames import plan_frames
from appliance.media.files import open_once
from appliance.media.mp4.fmp4 import Malformed

DEFAULT_SPAN_US = 10 * 60 * 1_000_000
FRAMES_SPAN_US = 60 * 1_000_000  # 3,600 frames at 60 fps, 10 ms of reading


def recordings_routes(recordings: RecordingsHandle, clock: Clock) -> Routes:
    """GET /channels/{channel_id}/timeline."""
    routes = Routes("recordings")

    @routes.get("/channels/{channel_id}/timeline", query=TimelineQuery, returns=Timeline)
    async def timeline(ctx: Ctx, channel_id: str, query: TimelineQuery) -> Answer:
        """Covered spans, gaps and runs of a channel; with frames=1 the capture time of every frame."""
        if recordings.is_held:
            raise Unavailable(
                "safe_mode", "recordings are not read in safe mode", "see /readyz", retry_after_s=30
            )
        if channel_id not in recordings.channel_ids():
            raise not_found("channel", channel_id)
        end_us = query.end if query.end is not None else clock.now_us()
        start_us = query.start if query.start is not None else end_us - DEFAULT_SPAN_US
        if query.frames and query.start is None:
            start_us = end_us - FRAMES_SPAN_US
        if start_us >= end_us:
            raise invalid("end", "must be after start")
        if query.frames and end_us - start_us > FRAMES_SPAN_US:
            raise invalid("frames", "the span may be 60 s at most with frames=1")
        channel = recordings.footage(channel_id)
        late_us = channel.latency_us
        frames = await _frames(recordings, channel_id, start_us, end_us, late_us) if query.frames else None
        with suppress(OSError):  # the disk is away: answer with what is known
            await recordings.find_keys(channel_id, start_us + late_us, end_us + late_us)
        known = recordings.coverage(channel_id, start_us + late_us, end_us + late_us)
        return Answer(200, timeline_resource(channel, start_us, end_us, known, frames))

    return routes


async def _frames(
    recordings: RecordingsHandle, channel_id: str, start_us: int, end_us: int, late_us: int
) -> list[int]:
    """Capture times of the span's frames. Raises Unavailable when the recording cannot be read now."""
    try:
        views = await recordings.views(channel_id, start_us + late_us, end_us + late_us)

        def read() -> list[int]:
            with open_once(recordings.open_fd) as open_fd:
                return plan_frames(views, open_fd, start_us, end_us, late_us)

        return await in_thread(read, limiter=recordings.reads)
    except (OSError, Malformed) as error:
        raise Unavailable(
            "recording_unreadable", f"the recording cannot be read: {error}", "look at /readyz for the disk"
        ) from error
