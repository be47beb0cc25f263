"""Videos of events, as the API takes and shows them."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, Field

from appliance.cloud.breakdowns.sources.machine import SourceState
from appliance.kernel.clock import optional_rfc3339, to_rfc3339
from appliance.kernel.fields import Input, Instant, Uuid
from appliance.kernel.paging import Page
from appliance.kernel.tx import Row

Text = Annotated[str, Field(min_length=1, max_length=1000)]


class VodAvailable(Input):
    """POST /logging/v1/webhooks/vod-available. `id`: of this notice; sent again it changes nothing.
    `available_at`: since when the video is there."""

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9._:-]{1,100}$")]
    event_id: Uuid
    url: Annotated[str, Field(min_length=1, max_length=2048)]
    available_at: Instant | None = None


class Judgement(Input):
    """POST /logging/v1/sources/{id}/accept, fail and corrupt: why."""

    reason: Text


class SourceQuery(Page):
    event_id: Uuid | None = None
    state: SourceState | None = None


class Source(BaseModel):
    """`notified_at`: when its notice came; `accepted_at`: since when it is usable; `reason`: why not."""

    id: str
    event_id: str
    league_id: str
    kind: str
    state: SourceState
    url: str
    notice_id: str | None
    notified_at: str
    published_at: str | None
    accepted_at: str | None
    reason: str | None
    created_at: str
    updated_at: str
    rev: int


def source_resource(row: Row) -> dict[str, Any]:
    kept = ("id", "event_id", "league_id", "kind", "state", "url", "notice_id", "reason", "rev")
    return {
        **{name: row[name] for name in kept},
        "notified_at": to_rfc3339(row["notified_us"]),
        "published_at": optional_rfc3339(row["published_us"]),
        "accepted_at": optional_rfc3339(row["accepted_us"]),
        "created_at": to_rfc3339(row["created_us"]),
        "updated_at": to_rfc3339(row["updated_us"]),
    }
