"""An upload as an API resource, and what its sender may say about it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from appliance.cloud.uploads.machine import UploadState
from appliance.kernel.clock import optional_rfc3339, to_rfc3339
from appliance.kernel.fields import ChannelKey, Input, Uuid
from appliance.kernel.paging import Page
from appliance.kernel.tx import Row

State = Literal["receiving", "joining", "complete", "failed", "expired", "deleted"]


class UploadMetadata(Input):
    """Upload-Metadata. `sha256`: of the whole file: another one fails the upload. `kind`: local_copy (a whole
    session of one camera), clip, or video. `event_id`: people must name it."""

    filename: Annotated[str, Field(max_length=255)] = ""
    filetype: Annotated[str, Field(max_length=100)] = ""  # sent by browsers' clients, not kept
    sha256: Annotated[str | None, Field(pattern=r"^[0-9a-f]{64}$")] = None
    kind: Annotated[str, Field(pattern=r"^[a-z][a-z_]{0,31}$")] = "video"
    event_id: Uuid | None = None
    session_id: Uuid | None = None
    clip_id: Uuid | None = None
    channel_id: ChannelKey | None = None


class UploadsQuery(Page):
    """Query of the lists."""

    state: State | None = None
    event_id: Uuid | None = None
    session_id: Uuid | None = None


class Upload(BaseModel):
    """`received`: bytes that are stored. `object`: where the file lies once it is complete, its SHA-256."""

    id: str
    owner: str
    kind: str
    filename: str
    event_id: str | None
    session_id: str | None
    clip_id: str | None
    channel_id: str | None
    length: int
    received: int
    state: State
    sha256: str | None
    object: str | None
    reason: str
    expires_at: str | None
    created_by: str
    created_at: str
    updated_at: str
    rev: int


_KEPT = (
    "id", "owner", "kind", "filename", "event_id", "session_id", "clip_id", "channel_id",
    "length", "received", "state", "sha256", "reason", "created_by", "rev",
)  # fmt: skip


def upload_resource(row: Row) -> dict[str, Any]:
    is_receiving = row["state"] == UploadState.RECEIVING
    return {
        **{name: row[name] for name in _KEPT},
        "object": None if row["sha256"] is None else object_of(row["sha256"]),
        "expires_at": optional_rfc3339(row["until_us"] if is_receiving else None),
        "created_at": to_rfc3339(row["created_us"]),
        "updated_at": to_rfc3339(row["updated_us"]),
    }


def object_of(sha256: str) -> str:
    """The key of the object that holds a file with this SHA-256."""
    return f"sha256/{sha256}"
