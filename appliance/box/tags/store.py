"""Transactions that change tags, and reading them. Only this file writes `tags`.

A deleted tag's id is never used again; its whole content is in the tag_deleted event, so that an undo is a
POST of the same fields under a new id.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from appliance.box.tags.model import FIELDS, TagIn, TagPage, TagPatch, TagQuery, tag_columns, tag_resource
from appliance.box.tags.statistics import MERGED, ClipFact, TagFact, session_stats
from appliance.domain import session_counters
from appliance.kernel.errors import FieldError, Refused, gone
from appliance.kernel.ids import new_uuid
from appliance.kernel.operation import Answer, Caller, check_rev, fingerprint
from appliance.kernel.paging import list_page
from appliance.kernel.rows import known_row, load_row
from appliance.kernel.tx import ReadTx, Row, Tx


def get_tag(tx: ReadTx, tag_id: str) -> dict[str, Any]:
    return tag_resource(load_row(tx, "tag", tag_id))


def list_tags(tx: ReadTx, query: TagQuery) -> dict[str, Any]:
    """A page of tags in the order they were made."""
    where: list[tuple[str, tuple[Any, ...]]] = []
    for column in ("session_id", "clip_id", "play_id"):
        wanted = getattr(query, column)
        if wanted is not None:
            where.append((f"{column} = ?", (wanted,)))
    return list_page(
        tx, query, table="tags", key="created_us", where=where, resource=lambda _, row: tag_resource(row)
    )


def tags_of_session(tx: ReadTx, session_id: str, page: TagPage) -> dict[str, Any]:
    """A page of a session's tags. Raises Refused 404 or 410."""
    load_row(tx, "session", session_id)
    return list_tags(tx, TagQuery(session_id=session_id, limit=page.limit, cursor=page.cursor))


def create_tag(tx: Tx, caller: Caller, body: TagIn) -> Answer:
    """A new tag of a clip in any state, or the existing one for the same id and body."""
    request_hash = fingerprint(body.model_dump_json())
    if (known := known_row(tx, "tag", body.id, request_hash)) is not None:
        return Answer(200, tag_resource(known))
    clip = _clip_to_tag(tx, body.clip_id)
    tag_id = body.id or new_uuid()
    tx.create(
        "tags",
        {
            "id": tag_id,
            "clip_id": body.clip_id,
            "session_id": clip["session_id"],
            "play_id": clip["play_id"],
            **tag_columns(body.model_dump(include=set(FIELDS))),
            "request_hash": request_hash,
            "created_by": caller.device,
            "created_us": tx.now_us,
            "updated_us": tx.now_us,
        },
    )
    return Answer(201, _journal(tx, "tag_created", tag_id))


def _clip_to_tag(tx: ReadTx, clip_id: str) -> Row:
    clip = tx.one("SELECT session_id, play_id, deleted_us FROM clips WHERE id = ?", (clip_id,))
    if clip is None:
        raise Refused(
            422,
            "unknown_clip",
            f"clip_id: no clip {clip_id}",
            "GET /clips lists them",
            (FieldError("clip_id", "no such clip"),),
        )
    if clip["deleted_us"] is not None:
        raise gone("clip", clip_id)
    return clip


def change_tag(tx: Tx, caller: Caller, tag_id: str, body: TagPatch) -> Answer:
    """Merge per field: fields that were not sent stay, so two analysts do not overwrite each other. null
    clears."""
    row = load_row(tx, "tag", tag_id)
    check_rev(caller, "tag", row["rev"])
    sent = tag_columns(body.model_dump(exclude_unset=True))
    changes = {column: value for column, value in sent.items() if value != row[column]}
    if not changes:
        return Answer(200, tag_resource(row))
    tx.update("tags", tag_id, changes)
    return Answer(200, _journal(tx, "tag_updated", tag_id))


def delete_tag(tx: Tx, caller: Caller, tag_id: str) -> Answer:
    row = load_row(tx, "tag", tag_id)
    check_rev(caller, "tag", row["rev"])
    _delete(tx, [row])
    return Answer(200, {"id": tag_id, "deleted": True})


def delete_tags_of(tx: Tx, *, clip_id: str | None = None, session_id: str | None = None) -> int:
    """The tags' part of deleting a clip or a session; returns how many were deleted."""
    if (clip_id is None) == (session_id is None):
        raise ValueError("give a clip or a session")
    column, value = ("clip_id", clip_id) if clip_id is not None else ("session_id", session_id)
    rows = tx.all(
        f"SELECT * FROM tags WHERE {column} = ? AND deleted_us IS NULL ORDER BY created_us, id", (value,)
    )
    _delete(tx, rows)
    return len(rows)


def restore_tags_of(tx: Tx, session_id: str, deleted_us: int) -> int:
    """The tags' part of undoing a session's delete: restore those deleted with it; returns how many."""
    rows = tx.all(
        "SELECT id FROM tags WHERE session_id = ? AND deleted_us = ? ORDER BY created_us, id",
        (session_id, deleted_us),
    )
    for row in rows:
        tx.update("tags", row["id"], {"deleted_us": None})
    for row in rows:
        _journal(tx, "tag_updated", row["id"])
    return len(rows)


def _delete(tx: Tx, rows: Sequence[Row]) -> None:
    """Mark all as deleted, then journal: the counters in every event are the final ones, computed once."""
    for row in rows:
        tx.update("tags", row["id"], {"deleted_us": tx.now_us})
    counters = {
        session_id: session_counters(tx, session_id) for session_id in {row["session_id"] for row in rows}
    }
    for row in rows:
        _append(tx, "tag_deleted", row, counters[row["session_id"]])


def _journal(tx: Tx, type_: str, tag_id: str) -> dict[str, Any]:
    row = load_row(tx, "tag", tag_id)
    return _append(tx, type_, row, session_counters(tx, row["session_id"]))


def _append(tx: Tx, type_: str, row: Row, counters: dict[str, Any]) -> dict[str, Any]:
    resource = tag_resource(row)
    body = {
        "session_id": row["session_id"],
        "clip_id": row["clip_id"],
        "play_id": row["play_id"],
        "tag_id": row["id"],
        "tag": resource,
        "session": counters,
    }
    tx.append(type_, f"tag:{row['id']}", body, session_id=row["session_id"])
    return resource


# -- statistics ------------------------------------------------------------------------------------

_CLIPS = (
    "SELECT clips.id, clips.play_id, clips.start_us,"
    " max(clips.is_favorite, coalesce(plays.is_favorite, 0)) AS is_favorite"
    " FROM clips LEFT JOIN plays ON plays.id = clips.play_id"
    " WHERE clips.session_id = ? AND clips.deleted_us IS NULL"
)


def read_stats(tx: ReadTx, session_id: str) -> dict[str, Any]:
    """The session's figures: model.Stats. Raises Refused 404 or 410."""
    load_row(tx, "session", session_id)
    clips = [
        ClipFact(row["id"], row["play_id"], row["start_us"], bool(row["is_favorite"]))
        for row in tx.all(_CLIPS, (session_id,))
    ]
    tags = [
        TagFact(
            row["clip_id"],
            (row["created_us"], row["id"]),
            {name: row[name] for name in MERGED},
            bool(row["is_important"]),
        )
        for row in tx.all("SELECT * FROM tags WHERE session_id = ? AND deleted_us IS NULL", (session_id,))
    ]
    return {"session_id": session_id, **session_stats(clips, tags), "as_of_seq": tx.head()}
