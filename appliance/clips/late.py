"""Footage that turns up late: a segment found by a rescan, a channel whose files came back.

A clip that was cut with something missing, or failed for want of footage, is re-cut by itself when the index
holds more of its span than its cut has, within 24 h of its OUT.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import trio

from appliance.clips.cuts import LATE_FOOTAGE_US
from appliance.clips.footage import Footage
from appliance.clips.machine import ClipState
from appliance.clips.marks import recut
from appliance.clips.rows import journal_clip
from appliance.kernel import json
from appliance.kernel.clock import from_rfc3339
from appliance.kernel.store import Store
from appliance.kernel.tx import ReadTx, Row, Tx

GAIN_US = 200_000  # one part: less is rounding at the edges of a gap
CHECK_S = 2.0  # how often clips with missing footage are held against the index


@dataclass(frozen=True, slots=True)
class Late:
    """A clip that lacks footage. Instants are wall times (capture + latency)."""

    clip_id: str
    media_rev: int
    channel_id: str
    start_us: int
    end_us: int
    had_us: int

    def gained(self, footage: Footage) -> bool:
        """True when the index now holds more of the span than the clip has."""
        return footage.covered_us(self.channel_id, self.start_us, self.end_us) > self.had_us + GAIN_US


async def follow_late(store: Store, footage: Footage) -> None:
    """For ever: re-cut clips whose missing footage has turned up."""
    seen = footage.changed.count
    while True:
        seen = await footage.changed.wait_past(seen)
        for late in await store.read(find_late):
            if late.gained(footage):
                await store.insist(partial(recut_late, late=late))
        await trio.sleep(CHECK_S)


def find_late(tx: ReadTx) -> list[Late]:
    """Clips of the last 24 h with something missing."""
    rows = tx.all(
        "SELECT * FROM clips WHERE deleted_us IS NULL AND out_received_us > ? AND"
        " (status = 'failed' OR (status = 'ready' AND json_array_length(coverage, '$.missing') > 0))",
        (tx.now_us - LATE_FOOTAGE_US,),
    )
    return [_late(row) for row in rows]


def _late(row: Row) -> Late:
    had_us = 0
    if row["status"] == ClipState.READY:
        missing = json.decode(row["coverage"].encode())["missing"]
        had_us = row["duration_us"] - sum(from_rfc3339(m["end"]) - from_rfc3339(m["start"]) for m in missing)
    wall_us = row["start_us"] + row["latency_ms"] * 1000
    return Late(row["id"], row["media_rev"], row["channel_id"], wall_us, wall_us + row["duration_us"], had_us)


def recut_late(tx: Tx, late: Late) -> None:
    """ready or failed -> pending, unless the clip has moved on."""
    row = tx.one("SELECT * FROM clips WHERE id = ? AND deleted_us IS NULL", (late.clip_id,))
    if row is None or row["media_rev"] != late.media_rev:
        return
    if row["status"] not in (ClipState.READY, ClipState.FAILED):
        return
    out_received_us = row["out_received_us"]
    recut(tx, row, {"retries": row["retries"] + 1})
    # the 24 h run from the person's OUT, not from our own re-cut
    tx.run("UPDATE clips SET out_received_us = ? WHERE id = ?", (out_received_us, late.clip_id))
    journal_clip(tx, "clip_updated", late.clip_id)
