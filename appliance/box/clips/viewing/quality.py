"""The real content of a ready clip: POST /clips/{clip_id}/probe decodes all of it and counts.

For operators and tests; marks never wait for it: bulk work for a worker, nothing is stored.
"""

from __future__ import annotations

from typing import Any

import trio
from pydantic import BaseModel, Field

from appliance.box.clips.cutting.media_jobs import Inspection, MediaJobs, opened
from appliance.box.clips.files.delivery import ClipDelivery, find_plan
from appliance.box.clips.model import Missing
from appliance.box.clips.records.stored_plans import FileLost, StoredPlan
from appliance.http.api import Ctx, Routes
from appliance.kernel import json
from appliance.kernel.errors import Refused, Unavailable
from appliance.kernel.operation import Answer
from appliance.kernel.rows import load_row
from appliance.kernel.tx import ReadTx, Row

HOLD_S = 120.0  # ten minutes of 1080p decode in less on an idle box; behind an export it may take longer


class ClipProbe(BaseModel):
    """The measured values, beside what the clip should contain."""

    clip_id: str
    media_rev: int
    frames: int = Field(description="video frames shown")
    frames_expected: int
    hidden_frames: int = Field(description="stored before IN or after OUT, for decoding alone")
    duration_s: float = Field(description="end of the last frame shown")
    width: int
    height: int
    codec: str
    sounds: int = Field(description="audio streams")
    decode_errors: int
    read_error: str | None = Field(description="why reading ended early")
    black_share: float = Field(description="0 to 1 of the frames shown")
    frozen_share: float = Field(description="0 to 1: frames like the one before")
    gaps: list[Missing] = Field(description="footage that was missing when the clip was cut")
    ok: bool = Field(description="every frame promised is there and decodes")


def quality_routes(jobs: MediaJobs, delivery: ClipDelivery) -> Routes:
    """POST /clips/{clip_id}/probe."""
    routes = Routes("clips")

    @routes.post("/clips/{clip_id}/probe", returns=ClipProbe)
    async def probe(ctx: Ctx, clip_id: str) -> Answer:
        """Decode the whole clip and count what is there."""
        row, plan, frames = await ctx.read(lambda tx: _ready(tx, clip_id))
        try:
            pieces = await delivery.pieces(plan)
        except FileLost as error:
            raise Refused(409, "footage_gone", f"the clip's file is gone: {error}") from error
        with trio.move_on_after(HOLD_S):
            async with opened(pieces) as source:
                inspection = await jobs.inspect(source, span_s=row["duration_us"] / 1e6)
            return Answer(200, _report(row, plan, frames, inspection))
        raise Unavailable("workers_busy", "the workers have other work", "try again later", retry_after_s=30)

    return routes


def _ready(tx: ReadTx, clip_id: str) -> tuple[Row, StoredPlan, int]:
    """The clip, the plan it plays, and how many frames the plan shows. Raises Refused 404, 409, 410."""
    row = load_row(tx, "clip", clip_id)
    plan = find_plan(tx, clip_id, None)
    sql = "SELECT frames FROM plans WHERE clip_id = ? AND media_rev = ?"
    return row, plan, int(tx.value(sql, (clip_id, plan.media_rev)))


def _report(row: Row, plan: StoredPlan, frames: int, inspection: Inspection) -> dict[str, Any]:
    coverage = json.decode_stored(row["coverage"])
    return {
        "clip_id": row["id"],
        "media_rev": plan.media_rev,
        "frames": inspection.frames,
        "frames_expected": frames,
        "hidden_frames": max(0, inspection.packets - inspection.frames),
        "duration_s": inspection.end_s,
        "width": inspection.width,
        "height": inspection.height,
        "codec": inspection.codec,
        "sounds": inspection.sounds,
        "decode_errors": inspection.errors,
        "read_error": inspection.read_error or None,
        "black_share": round(inspection.black_share, 4),
        "frozen_share": round(inspection.frozen_share, 4),
        "gaps": coverage["missing"],
        "ok": inspection.frames == frames and not inspection.errors and not inspection.read_error,
    }
