"""What becomes of a clip when time and space run out: what is never deleted, what can no longer be cut."""

from __future__ import annotations

from appliance.kernel.clock import to_rfc3339
from appliance.kernel.errors import Refused
from appliance.kernel.tx import ReadTx, Row


def is_kept(tx: ReadTx, row: Row) -> bool:
    """Favourites, angles of a favourite play, and what was made for sharing are never deleted by the box."""
    starred = tx.value("SELECT is_favorite FROM plays WHERE id = ?", (row["play_id"],))
    return bool(row["is_favorite"]) or bool(starred) or row["mode"] != "instant"


def refuse_gone(tx: ReadTx, row: Row, start_us: int, duration_us: int) -> None:
    """A new cut of [start_us, + duration_us) needs recordings. Raises Refused 409 when some were deleted.

    What plays now plays on: nothing has changed.
    """
    late_us = row["latency_ms"] * 1000
    gone = tx.one(
        "SELECT min(start_us) AS start_us, max(end_us) AS end_us FROM footage_gone"
        " WHERE channel_id = ? AND start_us < ? AND end_us > ?",
        (row["channel_id"], start_us + duration_us + late_us, start_us + late_us),
    )
    if gone is None or gone["start_us"] is None:
        return
    span = f"{to_rfc3339(gone['start_us'] - late_us)} - {to_rfc3339(gone['end_us'] - late_us)}"
    raise Refused(
        409,
        "footage_gone",
        f"the recording of {row['channel_id']} {span} was deleted to make room",
        "the clip plays on as it is; trim it to what is still recorded, or leave it",
        extra={
            "gone_from": to_rfc3339(gone["start_us"] - late_us),
            "gone_until": to_rfc3339(gone["end_us"] - late_us),
        },
    )
