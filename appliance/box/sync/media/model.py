"""A file on its way to the cloud, as a row, as a resource, and as a request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel

from appliance.box.sync.media.machine import MediaState
from appliance.kernel.clock import to_rfc3339
from appliance.kernel.fields import Input, Uuid
from appliance.kernel.paging import Page
from appliance.kernel.tx import Row

State = Literal["asked", "planned", "sent", "up", "failed", "lost"]


class MediaUploadIn(Input):
    """POST /media-uploads: a clip, else the Local Copy of a session."""

    session_id: Uuid | None = None
    clip_id: Uuid | None = None


class MediaUploadsQuery(Page):
    state: State | None = None
    session_id: Uuid | None = None


class MediaUpload(BaseModel):
    """`size`: null until its bytes are fixed. `is_wanted`: false for one that is kept in case the cloud asks
    for it."""

    id: str
    kind: str
    session_id: str
    clip_id: str | None
    channel_id: str
    event_id: str | None
    filename: str
    state: State
    is_wanted: bool
    size: int | None
    sent_bytes: int
    reason: str
    created_at: str
    updated_at: str
    rev: int


@dataclass(frozen=True, slots=True)
class Job:
    """A row, for the uploader, without its planned bytes."""

    id: str
    kind: str
    session_id: str
    clip_id: str | None
    media_rev: int | None
    channel_id: str
    event_id: str | None
    filename: str
    state: MediaState
    size: int
    sent_bytes: int
    upload_path: str
    attempt: int


_KEPT = (
    "id", "kind", "session_id", "clip_id", "channel_id", "event_id", "filename", "state", "size",
    "sent_bytes", "reason", "rev",
)  # fmt: skip


def media_resource(row: Row) -> dict[str, Any]:
    return {
        **{name: row[name] for name in _KEPT},
        "is_wanted": bool(row["is_wanted"]),
        "created_at": to_rfc3339(row["created_us"]),
        "updated_at": to_rfc3339(row["updated_us"]),
    }


def job_of(row: Row) -> Job:
    names = ("id", "kind", "session_id", "clip_id", "media_rev", "channel_id", "event_id", "filename")
    return Job(
        **{name: row[name] for name in names},
        state=MediaState(row["state"]),
        size=row["size"] or 0,
        sent_bytes=row["sent_bytes"],
        upload_path=row["upload_path"],
        attempt=row["attempt"],
    )
