"""Reading clips and plays: one, lists, and what belongs to a session."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from appliance.box.clips.model import ClipQuery, Include, OfSession, PlayQuery
from appliance.box.clips.records.rows import clip_resource, play_resource
from appliance.domain import ClipFilter
from appliance.kernel.paging import list_page
from appliance.kernel.rows import UNDO_US, load_row
from appliance.kernel.tx import ReadTx, Row

Parts = Mapping[str, Callable[[ReadTx, str], Any]]
"""Fields that `?include=` adds to a clip, from its id."""


def get_clip(tx: ReadTx, clip_id: str, query: Include, parts: Parts) -> dict[str, Any]:
    return _with_part(tx, load_row(tx, "clip", clip_id), name=query.include, parts=parts)


def _with_part(tx: ReadTx, row: Row, *, name: str | None, parts: Parts) -> dict[str, Any]:
    """The clip, with the part of this name if there is one."""
    clip = clip_resource(tx, row)
    if name is not None and name in parts:
        clip[name] = parts[name](tx, row["id"])
    return clip


def list_clips(
    tx: ReadTx, query: ClipQuery, parts: Parts, filters: Mapping[str, ClipFilter] | None = None
) -> dict[str, Any]:
    """A page of clips by start time, filtered by the clip's fields and those of other domains."""
    where: list[tuple[str, tuple[Any, ...]]] = []
    for column in ("session_id", "channel_id", "play_id", "status"):
        wanted = getattr(query, column)
        if wanted is not None:
            where.append((f"{column} = ?", (wanted,)))
    if query.is_favorite is not None:
        where.append(("is_favorite = ?", (int(query.is_favorite),)))
    for name, clip_filter in (filters or {}).items():
        wanted = getattr(query, name, None)
        if wanted is not None:
            where.append((clip_filter.condition, (wanted,)))
    resource = partial(_with_part, name=query.include, parts=parts)
    return list_page(tx, query, table="clips", key="start_us", where=where, resource=resource)


def clips_of_session(tx: ReadTx, session_id: str, query: OfSession, parts: Parts) -> dict[str, Any]:
    load_row(tx, "session", session_id)
    return list_clips(
        tx,
        ClipQuery(session_id=session_id, limit=query.limit, cursor=query.cursor, include=query.include),
        parts,
    )


def get_play(tx: ReadTx, play_id: str, query: Include) -> dict[str, Any]:
    row = load_row(tx, "play", play_id)
    return with_clips(tx, row) if query.include == "clips" else play_resource(tx, row)


def with_clips(tx: ReadTx, row: Row) -> dict[str, Any]:
    """The play with the complete resources of its clips."""
    clips = tx.all(
        "SELECT * FROM clips WHERE play_id = ? AND deleted_us IS NULL ORDER BY channel_id", (row["id"],)
    )
    return {**play_resource(tx, row), "clips": [clip_resource(tx, clip) for clip in clips]}


def list_plays(tx: ReadTx, query: PlayQuery) -> dict[str, Any]:
    where: list[tuple[str, tuple[Any, ...]]] = []
    if query.session_id is not None:
        where.append(("session_id = ?", (query.session_id,)))
    resource = with_clips if query.include == "clips" else play_resource
    if not query.deleted:
        return list_page(tx, query, table="plays", key="start_us", where=where, resource=resource)
    where.append(("deleted_us >= ?", (tx.now_us - UNDO_US,)))
    # NULL is never set: deleted plays are listed
    return list_page(tx, query, table="plays", key="deleted_us", where=where, resource=resource, gone="NULL")


def plays_of_session(tx: ReadTx, session_id: str, query: PlayQuery) -> dict[str, Any]:
    load_row(tx, "session", session_id)
    return list_plays(tx, query.model_copy(update={"session_id": session_id}))
