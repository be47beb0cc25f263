"""Transactions of marks: IN, OUT, trims, stars, deletes of clips.

Owns: what a mark does. A mark is never refused because of missing footage, a camera that is down or a session
that is not running; only when it could never be cut (no such session, a start in the future, no length), and
when a device has left dozens open (open_marks.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from appliance.box.clips.model import ClipIn, ClipPatch, EndIn, Mark, ShownModels, shown_models
from appliance.box.clips.records.expiry import is_kept, refuse_gone
from appliance.box.clips.records.machine import CLIP, ClipEvent, ClipState
from appliance.box.clips.records.media_revs import next_media_rev
from appliance.box.clips.records.open_marks import refuse_too_many
from appliance.box.clips.records.rows import (
    clip_resource,
    drop_picture,
    journal_clip,
    journal_clip_row,
)
from appliance.box.clips.records.times import SessionSpan, refuse_ahead, resolve_start
from appliance.box.clips.settings import ClipsSettings
from appliance.domain import (
    ClipFilter,
    clip_deleted,
    clip_filters,
    clip_parts,
    restored,
    session_counters,
)
from appliance.kernel.errors import Refused, invalid
from appliance.kernel.ids import new_uuid
from appliance.kernel.operation import Answer, Caller, check_rev, fingerprint
from appliance.kernel.rows import known_row, load_row
from appliance.kernel.tx import ReadTx, Row, Tx

KEEP_DELETED_US = 24 * 3_600_000_000  # files of a deleted clip stay a day, so that the delete can be undone


@dataclass(frozen=True, slots=True)
class MarkRules:
    """The settings a mark needs, the site's zone; what other domains add to a clip, its delete and undo."""

    clips: ClipsSettings
    zone: str
    on_delete: Callable[[Tx, str], object]
    on_restore: Callable[[Tx, str, int], object] = lambda tx, session_id, deleted_us: None
    parts: Mapping[str, Callable[[ReadTx, str], Any]] = field(default_factory=dict)  # by ?include= word
    filters: Mapping[str, ClipFilter] = field(default_factory=dict)  # of GET /clips

    @property
    def shown(self) -> ShownModels:
        """The models of the routes with what other domains add."""
        filters = tuple((name, each.kind) for name, each in self.filters.items())
        return shown_models(tuple(self.parts), filters)


def mark_rules(settings: Any) -> MarkRules:
    """The rules of a box with these settings, and of its domains."""
    return MarkRules(
        settings.section(ClipsSettings),
        settings.site.timezone,
        clip_deleted,
        restored,
        clip_parts(),
        clip_filters(),
    )


def start_of(tx: Tx, rules: MarkRules, session: Row, given: str | None) -> int:
    """IN as an instant: as the client wrote it, or now - lead_s."""
    if given is None:
        return tx.now_us - round(rules.clips.lead_s * 1e6)
    span = SessionSpan(session["actual_start_us"], session["actual_end_us"])
    return resolve_start(given, now_us=tx.now_us, zone=rules.zone, span=span)


def length_us(rules: MarkRules, seconds: float, loc: str = "duration_seconds") -> int:
    """A clip's length. Raises Refused 422 beyond max_duration_s."""
    if seconds > rules.clips.max_duration_s:
        raise invalid(
            loc, f"{seconds:g} s is longer than the {rules.clips.max_duration_s:g} s allowed", "too_long"
        )
    return round(seconds * 1e6)


def mark_columns(tx: Tx, caller: Caller, body: Mark, start_us: int, duration_us: int) -> dict[str, Any]:
    """The columns a clip and a play have in common."""
    return {
        "session_id": body.session_id,
        "title": body.title,
        "start_us": start_us,
        "duration_us": duration_us,
        "out_received_us": tx.now_us if duration_us else None,
        "start_time_given": body.start_time,
        "client_time": body.client_time,
        "clock_offset_ms": body.clock_offset_ms,
        "request_hash": fingerprint(body.model_dump_json()),
        "created_by": caller.device,
        "created_us": tx.now_us,
        "updated_us": tx.now_us,
    }


def insert_clip(
    tx: Tx, columns: dict[str, Any], channel_id: str, mode: str, play_id: str | None = None
) -> str:
    """Insert a clip and journal it. The channel's current latency is stored with it. Returns the clip's
    id."""
    latency_ms = tx.value(
        "SELECT latency_ms FROM channels WHERE id = ? AND archived_us IS NULL", (channel_id,)
    )
    if latency_ms is None:
        raise Refused(
            422, "unknown_channel", f"channel_id: no channel {channel_id}", "GET /channels lists them"
        )
    clip_id = columns.get("id") or new_uuid()
    tx.create(
        "clips",
        {
            **columns,
            "id": clip_id,
            "channel_id": channel_id,
            "play_id": play_id,
            "latency_ms": latency_ms,
            "mode": mode,
            "status": ClipState.PENDING,
            "waiting_for": "footage" if columns["duration_us"] else "out",
        },
    )
    journal_clip(tx, "clip_created", clip_id)
    return str(clip_id)


def create_clip(tx: Tx, caller: Caller, rules: MarkRules, body: ClipIn) -> Answer:
    """IN on one channel (V06), or a whole clip when it has a duration (V16)."""
    session = load_row(tx, "session", body.session_id)
    known = known_row(tx, "clip", body.id, fingerprint(body.model_dump_json()))
    if known is not None:
        return Answer(200, clip_resource(tx, known))
    mode = body.mode or rules.clips.mode
    start_us = start_of(tx, rules, session, body.start_time)
    columns = mark_columns(tx, caller, body, start_us, length_us(rules, body.duration_seconds))
    if not columns["duration_us"]:
        refuse_too_many(tx, rules.clips, caller, start_us, [body.channel_id])
    clip_id = insert_clip(tx, {**columns, "id": body.id}, body.channel_id, mode)
    return Answer(201, clip_resource(tx, load_row(tx, "clip", clip_id)))


def out_us(tx: Tx, rules: MarkRules, row: Row, body: EndIn) -> int:
    """OUT as an instant: as the client wrote it, or now + lag_s. Raises Refused 422 when no length is
    left."""
    end_us = tx.now_us + round(rules.clips.lag_s * 1e6)
    if body.end_time is not None:
        end_us = refuse_ahead("end_time", body.end_time, tx.now_us)
    if end_us <= row["start_us"]:
        raise invalid("end_time", "is not after the start", "empty")
    length_us(rules, (end_us - row["start_us"]) / 1e6, "end_time")
    return end_us


def end_clip(tx: Tx, caller: Caller, rules: MarkRules, clip_id: str, body: EndIn) -> Answer:
    """OUT (V07). The first one counts; a later one changes nothing and is answered with the clip as it is."""
    row = load_row(tx, "clip", clip_id)
    if row["duration_us"]:
        return Answer(200, {**clip_resource(tx, row), "already_ended": True})
    check_rev(caller, "clip", row["rev"])
    return Answer(200, close_ghost(tx, row, out_us(tx, rules, row, body) - row["start_us"]))


def close_ghost(tx: Tx, row: Row, duration_us: int, *, by_box: bool = False) -> dict[str, Any]:
    """Give a ghost its length and journal it; from then on it waits for footage."""
    return journal_clip_row(tx, "clip_updated", with_length(tx, row, duration_us, by_box=by_box))


def with_length(tx: Tx, row: Row, duration_us: int, *, by_box: bool = False) -> Row:
    """Give a ghost its length; the caller journals it."""
    changes = {
        "duration_us": duration_us,
        "out_received_us": tx.now_us,
        "waiting_for": "footage",
        "auto_closed": int(by_box),
    }
    return tx.updated("clips", row, changes)


def change_clip(tx: Tx, caller: Caller, rules: MarkRules, clip_id: str, body: ClipPatch) -> Answer:
    """PATCH: a new title; a new start, length or mode cuts again; on a ghost the length is OUT."""
    row = load_row(tx, "clip", clip_id)
    check_rev(caller, "clip", row["rev"])
    sent = body.model_dump(exclude_unset=True)
    named = {"title": sent["title"]} if sent.get("title", row["title"]) != row["title"] else {}
    session = load_row(tx, "session", row["session_id"])
    start_us, mode = row["start_us"], body.mode or row["mode"]
    if body.start_time is not None:
        start_us = start_of(tx, rules, session, body.start_time)
    duration_us = row["duration_us"]
    if body.duration_seconds is not None:
        duration_us = length_us(rules, body.duration_seconds)
    given = body.start_time or row["start_time_given"]
    if (start_us, duration_us, mode) != (row["start_us"], row["duration_us"], row["mode"]):
        trim_clip(tx, row, start_us, duration_us, given, mode, named)  # one request: one revision
    elif named:
        tx.update("clips", clip_id, named)
    else:
        return Answer(200, clip_resource(tx, row))
    return Answer(200, journal_clip(tx, "clip_updated", clip_id))


def trim_clip(
    tx: Tx,
    row: Row,
    start_us: int,
    duration_us: int,
    given: str | None,
    mode: str | None = None,
    also: Mapping[str, Any] | None = None,
) -> None:
    """Move a clip's ends, or change its mode. An ended clip is cut again with the next media_rev; the old cut
    can be played meanwhile. `also`: other columns that change with it."""
    changes: dict[str, Any] = {"start_us": start_us, "duration_us": duration_us, "start_time_given": given}
    changes |= {"looked_us": row["looked_us"] or tx.now_us, **(also or {})}
    changes["mode"] = mode or row["mode"]
    if row["duration_us"] == 0:
        if duration_us:
            changes |= {"out_received_us": tx.now_us, "waiting_for": "footage"}
        tx.update("clips", row["id"], changes)
    else:
        refuse_gone(tx, row, start_us, duration_us)
        recut(tx, row, changes)


def recut(tx: Tx, row: Row, changes: dict[str, Any]) -> None:
    """Start a new cut of an ended clip: next media_rev, attempts from zero."""
    after = CLIP.next(ClipState(row["status"]), ClipEvent.RECUT)
    tx.update(
        "clips",
        row["id"],
        {
            **changes,
            **drop_picture(tx, row),
            "status": after,
            "media_rev": next_media_rev(tx, row),
            "attempts": 0,
            "error_message": None,
            "waiting_for": "footage",
            "out_received_us": tx.now_us,
        },
    )


def star_clip(tx: Tx, caller: Caller, clip_id: str, is_favorite: bool) -> Answer:
    """Star or unstar; repeating it changes nothing."""
    row = load_row(tx, "clip", clip_id)
    check_rev(caller, "clip", row["rev"])
    if bool(row["is_favorite"]) == is_favorite:
        return Answer(200, clip_resource(tx, row))
    tx.update("clips", clip_id, {"is_favorite": int(is_favorite)})
    return Answer(200, journal_clip(tx, "clip_updated", clip_id))


def retry_clip(tx: Tx, caller: Caller, clip_id: str) -> Answer:
    """failed -> pending (V26). Raises Refused 409 in every other state."""
    row = load_row(tx, "clip", clip_id)
    check_rev(caller, "clip", row["rev"])
    after = CLIP.next(ClipState(row["status"]), ClipEvent.RETRY)
    tx.update(
        "clips",
        clip_id,
        {
            "status": after,
            "waiting_for": "footage",
            "attempts": 0,
            "retries": row["retries"] + 1,
            "error_message": None,
            "out_received_us": tx.now_us,
        },
    )
    return Answer(200, journal_clip(tx, "clip_updated", clip_id))


def view_clip(tx: Tx, clip_id: str) -> Answer:
    """Count a playback (V11). Not journaled: no client waits for it."""
    row = load_row(tx, "clip", clip_id)
    tx.run("UPDATE clips SET view_count = view_count + 1 WHERE id = ?", (clip_id,))
    return Answer(200, {"id": clip_id, "view_count": row["view_count"] + 1})


def delete_clip(tx: Tx, caller: Caller, rules: MarkRules, clip_id: str) -> Answer:
    row = load_row(tx, "clip", clip_id)
    check_rev(caller, "clip", row["rev"])
    remove_clips(tx, rules, [row])
    return Answer(200, {"id": clip_id, "deleted": True})


def remove_clips(
    tx: Tx, rules: MarkRules, rows: Sequence[Row], *, keep_us: int = KEEP_DELETED_US, **more: Any
) -> None:
    """Mark clips deleted, add their files to the garbage list, due in a day, then journal, with the final
    counters.

    `more` is added to the event: the reason, when no person requested the delete.
    """
    for row in rows:
        rules.on_delete(tx, row["id"])
        tx.update("clips", row["id"], {"deleted_us": tx.now_us})
        for path in replaced_files(tx, row):  # an undo restores the cut it played, not older ones
            tx.run("INSERT OR REPLACE INTO garbage VALUES (?, ?)", (path, tx.now_us))
        tx.run("DELETE FROM plans WHERE " + _REPLACED, (row["id"], row["ready_media_rev"]))
        for path in clip_files(tx, row):
            tx.run("INSERT OR REPLACE INTO garbage VALUES (?, ?)", (path, tx.now_us + keep_us))
    counters = {
        session_id: session_counters(tx, session_id) for session_id in {row["session_id"] for row in rows}
    }
    for row in rows:
        body = {
            "session_id": row["session_id"],
            "clip_id": row["id"],
            "play_id": row["play_id"],
            **more,
            "session": counters[row["session_id"]],
        }
        tx.append("clip_deleted", f"clip:{row['id']}", body, session_id=row["session_id"])


def expire_clip(tx: Tx, rules: MarkRules, clip_id: str, reason: str) -> bool:
    """Delete for retention: at once, to free the space. False for a clip that must now be kept."""
    row = tx.one("SELECT * FROM clips WHERE id = ? AND deleted_us IS NULL", (clip_id,))
    if row is None or is_kept(tx, row):
        return False
    remove_clips(tx, rules, [row], keep_us=0, reason=reason)
    tx.run("DELETE FROM plans WHERE clip_id = ?", (clip_id,))  # so that no recording is kept for it
    return True


_REPLACED = "clip_id = ? AND media_rev IS NOT ?"


def replaced_files(tx: ReadTx, row: Row) -> list[str]:
    """Files of cuts the clip does not play, relative to clips_dir."""
    sql = "SELECT file_path FROM plans WHERE file_path IS NOT NULL AND " + _REPLACED
    return [each["file_path"] for each in tx.all(sql, (row["id"], row["ready_media_rev"]))]


def clip_files(tx: ReadTx, row: Row) -> list[str]:
    """Every file of a clip, relative to clips_dir."""
    plans = tx.all("SELECT file_path FROM plans WHERE clip_id = ? AND file_path IS NOT NULL", (row["id"],))
    return [each["file_path"] for each in plans] + ([row["thumbnail_path"]] if row["thumbnail_path"] else [])
