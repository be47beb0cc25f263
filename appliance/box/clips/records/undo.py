"""Undo for a play: END, CUE, and its delete.

Undoing END opens the play again, undoing CUE removes the cue; a deleted play or clip can be restored with its
tags as long as its files are kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from appliance.box.clips.records.machine import CLIP, ClipEvent, ClipState
from appliance.box.clips.records.marks import MarkRules, clip_files
from appliance.box.clips.records.media_revs import next_media_rev
from appliance.box.clips.records.plays import clips_of
from appliance.box.clips.records.rows import (
    clip_resource,
    drop_picture,
    journal_clip,
    journal_play,
    play_resource,
)
from appliance.domain import session_counters
from appliance.kernel.errors import Refused, gone, not_found
from appliance.kernel.operation import Answer, Caller, check_rev
from appliance.kernel.rows import UNDO_US, load_row
from appliance.kernel.tx import Row, Tx


def reopen_play(tx: Tx, caller: Caller, rules: MarkRules, play_id: str) -> Answer:
    """Undo END: the play and its angles wait for OUT again. Repeating it changes nothing.

    Raises Refused 409 for a play that began so long ago that the box would end it at once.
    """
    row = load_row(tx, "play", play_id)
    check_rev(caller, "play", row["rev"])
    if not row["duration_us"]:
        return Answer(200, play_resource(tx, row))
    limit_us = round(rules.clips.max_duration_s * 1e6)
    if tx.now_us - max(row["start_us"], row["created_us"]) >= limit_us:
        raise Refused(
            409,
            "too_long_ago",
            f"play {row['number']} began more than {rules.clips.max_duration_s:g} s ago",
            "trim it instead",
        )
    tx.update("plays", play_id, {"duration_us": 0, "out_received_us": None, "auto_closed": 0})
    resource = journal_play(tx, "play_updated", play_id)
    for clip in clips_of(tx, play_id):
        _reopen_clip(tx, clip)
    return Answer(200, resource)


def _reopen_clip(tx: Tx, clip: Row) -> None:
    changes: dict[str, Any] = {
        **drop_picture(tx, clip),
        "status": CLIP.next(ClipState(clip["status"]), ClipEvent.RECUT),
        "duration_us": 0,
        "media_rev": next_media_rev(tx, clip),
        "attempts": 0,
        "error_message": None,
        "waiting_for": "out",
        "out_received_us": None,
        "auto_closed": 0,
        "ready_after_us": None,
    }
    tx.update("clips", clip["id"], changes)
    journal_clip(tx, "clip_updated", clip["id"])


def uncue_play(tx: Tx, caller: Caller, play_id: str) -> Answer:
    """Undo CUE. Repeating it changes nothing."""
    row = load_row(tx, "play", play_id)
    check_rev(caller, "play", row["rev"])
    if row["cue_us"] is None:
        return Answer(200, play_resource(tx, row))
    tx.update("plays", play_id, {"cue_us": None})
    return Answer(200, journal_play(tx, "play_updated", play_id))


def restore_play(tx: Tx, caller: Caller, rules: MarkRules, play_id: str) -> Answer:
    """Undo a delete: the play and all that was deleted with it. Repeating it changes nothing.

    Raises Refused 404, 410 after 24 h or when its session is deleted too.
    """
    row = tx.one("SELECT * FROM plays WHERE id = ?", (play_id,))
    if row is None:
        raise not_found("play", play_id)
    check_rev(caller, "play", row["rev"])
    deleted_us = row["deleted_us"]
    if deleted_us is None:
        return Answer(200, play_resource(tx, row))
    session = tx.one("SELECT deleted_us FROM sessions WHERE id = ?", (row["session_id"],))
    if tx.now_us - deleted_us > UNDO_US or session is None or session["deleted_us"] is not None:
        raise gone("play", play_id)
    clips = tx.all(
        "SELECT * FROM clips WHERE play_id = ? AND deleted_us = ? ORDER BY id", (play_id, deleted_us)
    )
    bring_back(tx, [row], clips)
    rules.on_restore(tx, row["session_id"], deleted_us)
    return Answer(200, play_resource(tx, load_row(tx, "play", play_id)))


def restore_clip(tx: Tx, caller: Caller, rules: MarkRules, clip_id: str) -> Answer:
    """Undo a delete: the clip and all that was deleted with it. Repeating it changes nothing.

    Raises Refused 404, 410 after 24 h, when its play or session is deleted too, or its bytes were deleted
    with it.
    """
    row = tx.one("SELECT * FROM clips WHERE id = ?", (clip_id,))
    if row is None:
        raise not_found("clip", clip_id)
    check_rev(caller, "clip", row["rev"])
    deleted_us = row["deleted_us"]
    if deleted_us is None:
        return Answer(200, clip_resource(tx, row))
    above = tx.all(
        "SELECT deleted_us FROM sessions WHERE id = ? UNION ALL SELECT deleted_us FROM plays WHERE id = ?",
        (row["session_id"], row["play_id"]),
    )
    is_under = any(each["deleted_us"] is not None for each in above)
    if tx.now_us - deleted_us > UNDO_US or is_under or _has_expired(tx, row):
        raise gone("clip", clip_id)
    bring_back(tx, [], [row])
    rules.on_restore(tx, row["session_id"], deleted_us)
    return Answer(200, clip_resource(tx, load_row(tx, "clip", clip_id)))


def _has_expired(tx: Tx, clip: Row) -> bool:
    """Whether retention deleted the clip: then its bytes were deleted at once and cannot be restored."""
    if clip["ready_media_rev"] is None:
        return False
    sql = "SELECT 1 FROM plans WHERE clip_id = ? AND media_rev = ?"
    return tx.value(sql, (clip["id"], clip["ready_media_rev"])) is None


def bring_back(tx: Tx, plays: Sequence[Row], clips: Sequence[Row]) -> None:
    """Restore deleted plays and clips with their files."""
    for play in plays:
        tx.update("plays", play["id"], {"deleted_us": None})
    for clip in clips:
        tx.update("clips", clip["id"], {"deleted_us": None})
        for path in clip_files(tx, clip):
            tx.run("DELETE FROM garbage WHERE path = ?", (path,))
    of_plays = {clip["play_id"] for clip in clips}
    for play in plays:  # after all clips, also plays without clips: each gets an event
        without = {} if play["id"] in of_plays else {"session": session_counters(tx, play["session_id"])}
        journal_play(tx, "play_updated", play["id"], **without)
    for clip in clips:
        journal_clip(tx, "clip_updated", clip["id"])


def restore_session_clips(tx: Tx, session_id: str, deleted_us: int) -> None:
    """The clips' part of undoing a session's delete: restore what was deleted with it, with its files."""
    deleted = "SELECT * FROM {} WHERE session_id = ? AND deleted_us = ? ORDER BY start_us, id"
    plays = tx.all(deleted.format("plays"), (session_id, deleted_us))
    bring_back(tx, plays, tx.all(deleted.format("clips"), (session_id, deleted_us)))
