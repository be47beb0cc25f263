"""Clip and play rows: loading, as API resource, journaling. Every change of a clip ends in `journal_clip`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from appliance.domain import session_counters
from appliance.kernel import json
from appliance.kernel.clock import optional_rfc3339, to_rfc3339
from appliance.kernel.rows import load_row
from appliance.kernel.tx import ReadTx, Row, Tx


def media_name(channel_id: str) -> str:
    """File name in a media URL: ends in .mp4, because Safari checks it."""
    return f"{channel_id}.mp4"


def clip_resource(tx: ReadTx, row: Row) -> dict[str, Any]:
    """The clip as the API shows it. URLs are bare paths: journaled resources never contain tokens."""
    clip_id = row["id"]
    ready = row["ready_media_rev"]
    return {
        "id": clip_id,
        "clip_id": clip_id,
        **{key: row[key] for key in ("session_id", "channel_id", "play_id", "title")},
        "start_time": to_rfc3339(row["start_us"]),
        "duration": row["duration_us"] / 1e6,
        **{key: row[key] for key in ("file_path", "thumbnail_path", "status")},
        "is_favorite": bool(row["is_favorite"]),
        **{key: row[key] for key in ("view_count", "error_message", "attempts", "retries", "waiting_for")},
        "auto_closed": bool(row["auto_closed"]),
        "mode": row["mode"],
        "media_rev": row["media_rev"],
        "preroll_s": None if row["preroll_us"] is None else row["preroll_us"] / 1e6,
        "coverage": None if row["coverage"] is None else json.decode_stored(row["coverage"]),
        "latency_ms": row["latency_ms"],
        "ready_after_s": None if row["ready_after_us"] is None else row["ready_after_us"] / 1e6,
        "start_time_given": row["start_time_given"],
        "stream_url": None if ready is None else f"/clips/{clip_id}/m{ready}/{media_name(row['channel_id'])}",
        "thumbnail_url": f"/clips/{clip_id}/thumbnail?m={row['media_rev']}",
        "created_at": to_rfc3339(row["created_us"]),
        "updated_at": to_rfc3339(row["updated_us"]),
        "created_by": row["created_by"],
        "rev": row["rev"],
    }


def play_resource(tx: ReadTx, row: Row) -> dict[str, Any]:
    """The play as the API shows it."""
    clips = tx.all(
        "SELECT id FROM clips WHERE play_id = ? AND deleted_us IS NULL ORDER BY channel_id", (row["id"],)
    )
    return {
        "id": row["id"],
        "play_id": row["id"],
        "session_id": row["session_id"],
        "number": row["number"],
        "start_time": to_rfc3339(row["start_us"]),
        "duration": row["duration_us"] / 1e6,
        "cue_time": optional_rfc3339(row["cue_us"]),
        "title": row["title"],
        "is_favorite": bool(row["is_favorite"]),
        "auto_closed": bool(row["auto_closed"]),
        "start_time_given": row["start_time_given"],
        "clip_ids": [each["id"] for each in clips],
        "created_at": to_rfc3339(row["created_us"]),
        "updated_at": to_rfc3339(row["updated_us"]),
        "created_by": row["created_by"],
        "rev": row["rev"],
    }


def journal_clip(tx: Tx, type_: str, clip_id: str, **more: Any) -> dict[str, Any]:
    """Append the whole clip after its change; returns the resource."""
    return journal_clip_row(tx, type_, load_row(tx, "clip", clip_id), **more)


def change_and_journal_clip(
    tx: Tx, type_: str, row: Row, changes: Mapping[str, Any], counters: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Update a clip whose row was read in this transaction, and journal it; returns the resource.

    `counters`: the session's, of a caller that journals several clips and changes none of them.
    """
    return journal_clip_row(tx, type_, tx.updated("clips", row, changes), counters)


def journal_clip_row(
    tx: Tx, type_: str, row: Row, counters: Mapping[str, Any] | None = None, **more: Any
) -> dict[str, Any]:
    """`journal_clip` of a row as it is now."""
    clip_id = row["id"]
    resource = clip_resource(tx, row)
    body = {
        "session_id": row["session_id"],
        "clip_id": clip_id,
        "thumbnail_url": resource["thumbnail_url"],
        **more,
        "clip": resource,
        "session": session_counters(tx, row["session_id"]) if counters is None else counters,
    }
    tx.append(type_, f"clip:{clip_id}", body, session_id=row["session_id"])
    return resource


def journal_play(tx: Tx, type_: str, play_id: str, **more: Any) -> dict[str, Any]:
    """Append the whole play after its change; returns the resource."""
    row = load_row(tx, "play", play_id)
    resource = play_resource(tx, row)
    body = {"session_id": row["session_id"], "play_id": play_id, **more, "play": resource}
    tx.append(type_, f"play:{play_id}", body, session_id=row["session_id"])
    return resource


def drop_picture(tx: Tx, row: Row) -> dict[str, Any]:
    """The clip's picture shows the previous cut: its file becomes garbage. Returns the changes of the row."""
    if row["thumbnail_path"] is not None:
        tx.run("INSERT OR REPLACE INTO garbage VALUES (?, ?)", (row["thumbnail_path"], tx.now_us))
    return {"thumbnail_path": None}
