"""The record of the domain tags, for box/domains.py."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import Field

from appliance.box.permissions import MARK, WATCH
from appliance.box.tags.model import tag_resource
from appliance.box.tags.settings import TaggingSettings
from appliance.domain import ClipFilter, Domain, ExportFormat, Resources, SessionCounters
from appliance.http.api import Routes
from appliance.kernel.tx import ReadTx, Row, Tx


def _routes(settings: Any) -> Sequence[Routes]:
    from appliance.box.tags.http import tag_routes  # here, so that the small commands do not load it

    return [tag_routes(settings.section(TaggingSettings))]


def _of_clip(tx: ReadTx, clip_id: str) -> list[dict[str, Any]]:
    rows = tx.all("SELECT * FROM tags WHERE clip_id = ? AND deleted_us IS NULL ORDER BY id", (clip_id,))
    return [tag_resource(row) for row in rows]


_TAGGED: Final = "EXISTS (SELECT 1 FROM tags WHERE tags.clip_id = clips.id AND tags.deleted_us IS NULL{})"
_FILTERS: Final = {
    "label": ClipFilter(
        str,
        _TAGGED.format(" AND EXISTS (SELECT 1 FROM json_each(tags.labels) WHERE json_each.value = ?)"),
    ),
    "result": ClipFilter(str, _TAGGED.format(" AND tags.result = ?")),
    "quarter": ClipFilter(Annotated[int, Field(ge=1, le=5)], _TAGGED.format(" AND tags.quarter = ?")),
}


def _counters(tx: ReadTx, session_id: str) -> dict[str, int]:
    sql = "SELECT count(*) FROM tags WHERE session_id = ? AND deleted_us IS NULL"
    return {"tag_count": tx.value(sql, (session_id,))}


def _clip_words(tx: ReadTx, clip: Row) -> list[str]:
    """3and8, pass, complete: of the clip's newest tag, else of its play's."""
    tag = tx.one(
        "SELECT down, distance, play_type, result FROM tags WHERE deleted_us IS NULL"
        " AND (clip_id = :clip OR play_id = :play) ORDER BY clip_id = :clip DESC, updated_us DESC, id DESC",
        {"clip": clip["id"], "play": clip["play_id"]},
    )
    if tag is None:
        return []
    down, distance = tag["down"], tag["distance"]
    situation = "" if down is None else f"Down-{down}" if distance is None else f"{down}and{distance}"
    return [situation, tag["play_type"] or "", tag["result"] or ""]


def _clip_deleted(tx: Tx, clip_id: str) -> None:
    from appliance.box.tags.store import delete_tags_of

    delete_tags_of(tx, clip_id=clip_id)


def _restored(tx: Tx, session_id: str, deleted_us: int) -> None:
    from appliance.box.tags.store import restore_tags_of

    restore_tags_of(tx, session_id, deleted_us)


DOMAIN: Domain[Any] = Domain(
    name="tags",
    schema=Path(__file__).parent / "schema",
    sections={"tagging": TaggingSettings},
    resources=[
        Resources(
            "tag",
            "tags",
            "created_us",
            lambda tx, row: tag_resource(row),
            export=ExportFormat(hidden=["request_hash"], json_columns=["players", "labels"]),
        )
    ],
    clip_parts={"tags": _of_clip},
    clip_filters=_FILTERS,
    clip_uses=[_TAGGED.format("")],
    clip_words=_clip_words,
    session_counters=SessionCounters({"tag_count": (int, ...)}, _counters),
    on_clip_delete=_clip_deleted,
    on_restore=_restored,
    routes=_routes,
    access={
        "GET /tagging": WATCH,
        "GET /tags": WATCH,
        "GET /tags/{tag_id}": WATCH,
        "GET /sessions/{session_id}/tags": WATCH,
        "GET /sessions/{session_id}/stats": WATCH,
        "POST /tags": MARK,
        "PATCH /tags/{tag_id}": MARK,
        "DELETE /tags/{tag_id}": MARK,
    },
)
