"""What tags give the box."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from appliance.box.tags.model import tag_resource
from appliance.box.tags.settings import TaggingSettings
from appliance.domain import Domain, Resources
from appliance.http.api import Routes
from appliance.kernel.tx import ReadTx, Tx


def _routes(settings: Any) -> Sequence[Routes]:
    from appliance.box.tags.http import tag_routes  # here, so that the small commands do not load it

    return [tag_routes(settings.section(TaggingSettings))]


def _of_clip(tx: ReadTx, clip_id: str) -> list[dict[str, Any]]:
    rows = tx.all("SELECT * FROM tags WHERE clip_id = ? AND deleted_us IS NULL ORDER BY id", (clip_id,))
    return [tag_resource(row) for row in rows]


def _clip_deleted(tx: Tx, clip_id: str) -> None:
    from appliance.box.tags.store import delete_tags_of

    delete_tags_of(tx, clip_id=clip_id)


def _restored(tx: Tx, session_id: str, deleted_us: int) -> None:
    from appliance.box.tags.store import restore_tags_of

    restore_tags_of(tx, session_id, deleted_us)


DOMAIN: Domain[Any] = Domain(
    name="tags",
    sections={"tagging": TaggingSettings},
    resources=[Resources("tag", "tags", "created_us", lambda tx, row: tag_resource(row))],
    clip_parts={"tags": _of_clip},
    on_clip_delete=_clip_deleted,
    on_restore=_restored,
    routes=_routes,
)
