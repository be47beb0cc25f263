"""What the routes of people show of a site."""

from __future__ import annotations

from pydantic import BaseModel


class Site(BaseModel):
    """`trouble`: in plain words; "" when there is none. `backlog`: entries that its box had still to send."""

    id: str
    name: str
    box_id: str | None
    box_version: str
    epoch_number: int
    backlog: int
    trouble: str
    seen_at: str | None
    created_at: str
    updated_at: str
    rev: int
