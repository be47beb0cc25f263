"""Clips when time and space run out: which are never deleted, which can no longer be cut."""

from __future__ import annotations

from dataclasses import dataclass

from appliance.kernel import json
from appliance.kernel.clock import from_rfc3339, to_rfc3339
from appliance.kernel.errors import Refused
from appliance.kernel.tx import ReadTx, Row


@dataclass(frozen=True, slots=True)
class OwnFile:
    """A clip's file that can be shortened, and what it shows (capture time, us)."""

    path: str
    start_us: int
    end_us: int


def own_file(tx: ReadTx, row: Row, start_us: int, duration_us: int) -> OwnFile | None:
    """The clip's file, if it shows all of [start_us, + duration_us) without missing footage.

    An encoded file cannot be cut this way: an export has no header in its plan, but does name the spans it
    was made of.
    """
    if row["ready_media_rev"] is None or row["coverage"] is None:
        return None
    path = tx.value(
        "SELECT file_path FROM plans WHERE clip_id = ? AND media_rev = ?"
        " AND (length(header) > 0 OR media_spans = '[]')",
        (row["id"], row["ready_media_rev"]),
    )
    shown = json.decode_stored(row["coverage"])
    if path is None or shown["missing"]:
        return None
    own = OwnFile(str(path), from_rfc3339(shown["start"]), from_rfc3339(shown["end"]))
    # the first frame lies up to a frame after the requested IN: the same IN must be accepted again
    asked_from = min(own.start_us, row["start_us"])
    fits = asked_from <= start_us and start_us + duration_us <= max(own.end_us, start_us + 1)
    return own if fits else None


def footage_is_gone(tx: ReadTx, row: Row, start_us: int, duration_us: int) -> Row | None:
    """The deleted part of the span's recordings: wall times start_us, end_us; None: nothing was deleted."""
    late_us = row["latency_ms"] * 1000
    gone = tx.one(
        "SELECT min(start_us) AS start_us, max(end_us) AS end_us FROM footage_gone"
        " WHERE channel_id = ? AND start_us < ? AND end_us > ?",
        (row["channel_id"], start_us + duration_us + late_us, start_us + late_us),
    )
    return gone if gone is not None and gone["start_us"] is not None else None


def is_kept(tx: ReadTx, row: Row) -> bool:
    """Favourites, clips of a favourite play, and exports for sharing are never deleted by the box."""
    starred = tx.value("SELECT is_favorite FROM plays WHERE id = ?", (row["play_id"],))
    return bool(row["is_favorite"]) or bool(starred) or row["mode"] != "instant"


def refuse_gone(tx: ReadTx, row: Row, start_us: int, duration_us: int) -> None:
    """Refuse a new cut of [start_us, + duration_us) without recordings or a file of the clip that shows all
    of it.

    Raises Refused 409 when some recordings were deleted. The present cut can still be played.
    """
    late_us = row["latency_ms"] * 1000
    gone = footage_is_gone(tx, row, start_us, duration_us)
    if gone is None or own_file(tx, row, start_us, duration_us) is not None:
        return
    span = f"{to_rfc3339(gone['start_us'] - late_us)} - {to_rfc3339(gone['end_us'] - late_us)}"
    raise Refused(
        409,
        "footage_gone",
        f"the recording of {row['channel_id']} {span} was deleted to make room",
        "the clip plays on as it is; trim it to what it shows, or leave it",
        extra={
            "gone_from": to_rfc3339(gone["start_us"] - late_us),
            "gone_until": to_rfc3339(gone["end_us"] - late_us),
        },
    )
