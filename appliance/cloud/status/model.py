"""GET /status as the API shows it."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

Severity = Literal["ok", "warn", "bad"]


class ProcessStatus(BaseModel):
    name: str
    version: str
    started_at: str
    seen_at: str
    is_alive: bool = Field(description="it has written its row within the last 20 s")
    journal_seq: int = Field(description="the newest entry of the journal that it had read at seen_at")
    lag_s: float | None = Field(description="how far behind the journal it was at seen_at; null: it is gone")


class JournalFollower(BaseModel):
    name: str
    seq: int
    behind: int = Field(description="entries that it has not delivered yet")
    moved_at: str
    needs_resync: bool


class JournalStatus(BaseModel):
    head: int
    oldest: int
    followers: list[JournalFollower]


class LeaseStatus(BaseModel):
    kind: str
    subject: str
    owner: str
    token: int
    until: str


class LeasesStatus(BaseModel):
    held: int
    items: list[LeaseStatus] = Field(description="the first 50 by kind and subject")


class DatabaseStatus(BaseModel):
    engine: str
    place: str
    connections: int


class StatusLineShown(BaseModel):
    status: Severity
    name: str
    detail: str
    since: str | None


class StatusPartShown(BaseModel):
    title: str
    figures: dict[str, int]
    lines: list[StatusLineShown]


class CloudStatus(BaseModel):
    """What runs, at one instant of the database."""

    server_time: str
    environment: str
    api_domain: str
    version: str
    process: str = Field(description="the one that has answered")
    database: DatabaseStatus
    processes: list[ProcessStatus]
    journal: JournalStatus
    leases: LeasesStatus
    parts: dict[str, StatusPartShown] = Field(description="of the domains, by name")
    as_of_seq: int
