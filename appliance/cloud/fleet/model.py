"""What the routes of people show of a site."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field

from appliance.kernel.fields import Input


class ReplaceIn(Input):
    """POST /fleet/v1/sites/{id}/replace-box."""

    box_id: Annotated[
        UUID | None,
        Field(description="the machine that is the next box, alone; null: any that was not replaced"),
    ] = None


class Site(BaseModel):
    """`trouble`: in plain words; "" when there is none. `backlog`: entries that its box had still to send.
    `next_box_id`: the machine that an admin has named, until it is the box."""

    id: str
    name: str
    box_id: str | None
    next_box_id: str | None
    box_version: str
    epoch_number: int
    backlog: int
    trouble: str
    seen_at: str | None
    created_at: str
    updated_at: str
    rev: int
