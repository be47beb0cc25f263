"""Transactions of plays: one mark over every angle of the session."""

from __future__ import annotations

from typing import Any

from appliance.box.clips.model import CueIn, EndIn, PlayIn, PlayPatch
from appliance.box.clips.records.marks import (
    MarkRules,
    close_ghost,
    insert_clip,
    length_us,
    mark_columns,
    out_us,
    remove_clips,
    start_of,
    trim_clip,
    with_length,
)
from appliance.box.clips.records.open_marks import refuse_too_many
from appliance.box.clips.records.rows import journal_clip, journal_clip_row, journal_play, play_resource
from appliance.box.clips.records.times import refuse_ahead
from appliance.domain import session_counters
from appliance.kernel.ids import new_uuid
from appliance.kernel.operation import Answer, Caller, check_rev, fingerprint
from appliance.kernel.rows import known_row, load_row
from appliance.kernel.tx import ReadTx, Row, Tx


def create_play(tx: Tx, caller: Caller, rules: MarkRules, body: PlayIn) -> Answer:
    """NEW PLAY: the play and a clip for each angle, in one transaction, parents first in the journal."""
    session = load_row(tx, "session", body.session_id)
    known = known_row(tx, "play", body.id, fingerprint(body.model_dump_json()))
    if known is not None:
        return Answer(200, play_resource(tx, known))
    start_us = start_of(tx, rules, session, body.start_time)
    columns = mark_columns(tx, caller, body, start_us, length_us(rules, body.duration_seconds))
    channel_ids = body.channel_ids or angles(tx, session)
    if not columns["duration_us"]:
        refuse_too_many(tx, rules.clips, caller, start_us, channel_ids)
    play_id = body.id or new_uuid()
    last = tx.value("SELECT max(number) FROM plays WHERE session_id = ?", (body.session_id,)) or 0
    tx.create("plays", {**columns, "id": play_id, "number": last + 1})
    counters = {} if channel_ids else {"session": session_counters(tx, body.session_id)}
    journal_play(tx, "play_created", play_id, **counters)
    for channel_id in channel_ids:
        insert_clip(tx, dict(columns), channel_id, rules.clips.mode, play_id)
    return Answer(201, play_resource(tx, load_row(tx, "play", play_id)))


def angles(tx: ReadTx, session: Row) -> list[str]:
    """Channels a play is cut on: all of the session that are not inactive, also those in error, because
    footage decides and not the heartbeat. When every one is inactive, all: a mark is never refused."""
    sql = "SELECT id, status FROM channels WHERE archived_us IS NULL"
    if not session["all_channels"]:
        sql += " AND id IN (SELECT channel_id FROM session_channels WHERE session_id = :session)"
    rows = tx.all(sql + " ORDER BY id", {"session": session["id"]} if not session["all_channels"] else ())
    return [row["id"] for row in rows if row["status"] != "inactive"] or [row["id"] for row in rows]


def clips_of(tx: ReadTx, play_id: str) -> list[Row]:
    return tx.all(
        "SELECT * FROM clips WHERE play_id = ? AND deleted_us IS NULL ORDER BY channel_id", (play_id,)
    )


def end_play(tx: Tx, caller: Caller, rules: MarkRules, play_id: str, body: EndIn) -> Answer:
    """END PLAY: OUT on every angle that is still open."""
    row = load_row(tx, "play", play_id)
    if row["duration_us"]:
        return Answer(200, {**play_resource(tx, row), "already_ended": True})
    check_rev(caller, "play", row["rev"])
    return Answer(200, close_play(tx, row, out_us(tx, rules, row, body) - row["start_us"]))


def close_play(tx: Tx, row: Row, duration_us: int, *, by_box: bool = False) -> dict[str, Any]:
    """Give an open play and its open clips their length."""
    changes = {"duration_us": duration_us, "out_received_us": tx.now_us, "auto_closed": int(by_box)}
    tx.update("plays", row["id"], changes)
    resource = journal_play(tx, "play_updated", row["id"])
    end_us = row["start_us"] + duration_us
    ghosts = [clip for clip in clips_of(tx, row["id"]) if not clip["duration_us"]]
    closed = [with_length(tx, clip, max(1, end_us - clip["start_us"]), by_box=by_box) for clip in ghosts]
    counters = session_counters(tx, row["session_id"])
    for clip in closed:
        journal_clip_row(tx, "clip_updated", clip, counters)
    return resource


def cue_play(tx: Tx, caller: Caller, play_id: str, body: CueIn) -> Answer:
    """CUE: the snap. The last press counts."""
    row = load_row(tx, "play", play_id)
    check_rev(caller, "play", row["rev"])
    cue_us = tx.now_us if body.cue_time is None else refuse_ahead("cue_time", body.cue_time, tx.now_us)
    tx.update("plays", play_id, {"cue_us": cue_us})
    return Answer(200, journal_play(tx, "play_updated", play_id))


def change_play(tx: Tx, caller: Caller, rules: MarkRules, play_id: str, body: PlayPatch) -> Answer:
    """PATCH: a new title, or a trim of every angle at once."""
    row = load_row(tx, "play", play_id)
    check_rev(caller, "play", row["rev"])
    session = load_row(tx, "session", row["session_id"])
    start_us = row["start_us"]
    if body.start_time is not None:
        start_us = start_of(tx, rules, session, body.start_time)
    duration_us = row["duration_us"]
    if body.duration_seconds is not None:
        duration_us = length_us(rules, body.duration_seconds)
    given = body.start_time or row["start_time_given"]
    changes: dict[str, Any] = {"start_us": start_us, "duration_us": duration_us, "start_time_given": given}
    if "title" in body.model_fields_set:
        changes["title"] = body.title
    if duration_us and not row["duration_us"]:
        changes["out_received_us"] = tx.now_us
    tx.update("plays", play_id, changes)
    resource = journal_play(tx, "play_updated", play_id)
    if (start_us, duration_us) != (row["start_us"], row["duration_us"]):
        for clip in clips_of(tx, play_id):
            trim_clip(tx, clip, start_us, duration_us, given)
            journal_clip(tx, "clip_updated", clip["id"])
    return Answer(200, resource)


def star_play(tx: Tx, caller: Caller, play_id: str, is_favorite: bool) -> Answer:
    row = load_row(tx, "play", play_id)
    check_rev(caller, "play", row["rev"])
    if bool(row["is_favorite"]) == is_favorite:
        return Answer(200, play_resource(tx, row))
    tx.update("plays", play_id, {"is_favorite": int(is_favorite)})
    return Answer(200, journal_play(tx, "play_updated", play_id))


def delete_play(tx: Tx, caller: Caller, rules: MarkRules, play_id: str) -> Answer:
    """DELETE is undo: the play and its clips are deleted, its number is not used again."""
    row = load_row(tx, "play", play_id)
    check_rev(caller, "play", row["rev"])
    remove_play(tx, rules, row)
    return Answer(200, {"id": play_id, "deleted": True})


def remove_play(tx: Tx, rules: MarkRules, row: Row) -> None:
    """Mark the play and its clips deleted and journal it. The session's counters are in the events of its
    clips, and in that of a play that has none."""
    clips = clips_of(tx, row["id"])
    tx.update("plays", row["id"], {"deleted_us": tx.now_us})
    body = {"session_id": row["session_id"], "play_id": row["id"]}
    if not clips:
        body["session"] = session_counters(tx, row["session_id"])
    tx.append("play_deleted", f"play:{row['id']}", body, session_id=row["session_id"])
    remove_clips(tx, rules, clips)


def box_length_us(tx: ReadTx, rules: MarkRules, row: Row) -> int:
    """Length of a mark that the box ends: until now, at most max_duration_s."""
    limit_us = round(rules.clips.max_duration_s * 1e6)
    return max(1, min(tx.now_us - int(row["start_us"]), limit_us))


def close_session_ghosts(tx: Tx, rules: MarkRules, session_id: str) -> None:
    """The clips' part of completing a session: open marks end now, with `auto_closed`."""
    open_plays = "SELECT * FROM plays WHERE session_id = ? AND duration_us = 0 AND deleted_us IS NULL"
    for play in tx.all(open_plays, (session_id,)):
        close_play(tx, play, box_length_us(tx, rules, play), by_box=True)
    open_clips = "SELECT * FROM clips WHERE session_id = ? AND duration_us = 0 AND deleted_us IS NULL"
    for clip in tx.all(open_clips, (session_id,)):
        close_ghost(tx, clip, box_length_us(tx, rules, clip), by_box=True)


def delete_session_clips(tx: Tx, rules: MarkRules, session_id: str) -> None:
    """The clips' part of deleting a session."""
    for play in tx.all("SELECT * FROM plays WHERE session_id = ? AND deleted_us IS NULL", (session_id,)):
        remove_play(tx, rules, play)
    alone = tx.all("SELECT * FROM clips WHERE session_id = ? AND deleted_us IS NULL", (session_id,))
    remove_clips(tx, rules, alone)
