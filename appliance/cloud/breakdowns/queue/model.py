"""Jobs, as the API takes and shows them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from appliance.cloud.breakdowns.queue.machine import OPEN, JobState
from appliance.cloud.breakdowns.queue.sla import SlaClock, SlaState
from appliance.kernel import json
from appliance.kernel.clock import S_US, optional_rfc3339, to_rfc3339
from appliance.kernel.fields import Input, Instant, Uuid
from appliance.kernel.paging import Page
from appliance.kernel.tx import Row

Text = Annotated[str, Field(min_length=1, max_length=1000)]
Second = Annotated[float, Field(ge=0, le=86_400)]

FailReason = Literal[
    "camera_off",
    "camera_fell",
    "wrong_direction",
    "wrong_event",
    "missing_footage",
    "low_quality",
    "corrupt_file",
    "other",
]


class Missing(Input):
    """A part of the event that the video does not show: seconds of the video."""

    start_s: Second
    end_s: Second


class FailIn(Input):
    """POST /logging/v1/jobs/{id}/fail: why the video cannot be logged."""

    reason: FailReason
    note: Text | None = None
    missing: Annotated[list[Missing], Field(max_length=200, default_factory=list)]


class SkipIn(Input):
    reason: Text


class ReassignIn(Input):
    logger_id: Uuid
    reason: Text


class ExtendIn(Input):
    """POST /logging/v1/jobs/{id}/extend: more time, added to the limit."""

    extra_s: Annotated[int, Field(ge=60, le=30 * 86_400)]
    reason: Text


class JobQuery(Page):
    status: JobState | None = None
    logger: Uuid | None = None
    event_id: Uuid | None = None


class ReportQuery(Input):
    """`since`, `until`: jobs that ended then; by default the last 30 days."""

    since: Instant | None = None
    until: Instant | None = None


class Sla(BaseModel):
    """`available_at`: since when a usable video is there: the clock begins. `age_s` is counted from there,
    `notice_age_s` from the notice of the video; of a job that has ended: to its end."""

    state: SlaState
    available_at: str
    notified_at: str
    target_at: str
    due_at: str
    extension_s: int
    age_s: float
    notice_age_s: float


class Job(BaseModel):
    """`lease_until`: until then the job stays with its logger; each heartbeat moves it."""

    id: str
    event_id: str
    league_id: str
    sport: str
    breakdown_type_id: str
    source_id: str
    previous_job_id: str | None
    status: JobState
    logger_id: str | None
    lease_until: str | None = None
    sla: Sla
    assigned_at: str | None
    started_at: str | None
    ended_at: str | None
    reason: str | None
    note: str | None
    missing: list[dict[str, float]]
    created_at: str
    updated_at: str
    rev: int


class NextJob(BaseModel):
    """The logger's job; null: none waits that the logger may have."""

    job: Job | None


def sla_resource(row: Row, now_us: int) -> dict[str, Any]:
    at_us = now_us if row["ended_us"] is None else row["ended_us"]
    state = SlaClock(row["target_us"], row["due_us"]).state(at_us)
    if row["breached_us"] is not None:  # more time afterwards does not undo it
        state = SlaState.BREACHED
    return {
        "state": str(state),
        "available_at": to_rfc3339(row["available_us"]),
        "notified_at": to_rfc3339(row["notified_us"]),
        "target_at": to_rfc3339(row["target_us"]),
        "due_at": to_rfc3339(row["due_us"]),
        "extension_s": row["extension_s"],
        "age_s": (at_us - row["available_us"]) / S_US,
        "notice_age_s": (at_us - row["notified_us"]) / S_US,
    }


_KEPT = (
    "id",
    "event_id",
    "league_id",
    "sport",
    "breakdown_type_id",
    "source_id",
    "previous_job_id",
    "status",
    "logger_id",
    "reason",
    "note",
    "rev",
)


def job_resource(row: Row, now_us: int) -> dict[str, Any]:
    """A job without `lease_until`, which heartbeats change without a change of the row."""
    return {
        **{name: row[name] for name in _KEPT},
        "sla": sla_resource(row, now_us),
        "assigned_at": optional_rfc3339(row["assigned_us"]),
        "started_at": optional_rfc3339(row["started_us"]),
        "ended_at": optional_rfc3339(row["ended_us"]),
        "missing": json.decode_stored(row["missing"]),
        "created_at": to_rfc3339(row["created_us"]),
        "updated_at": to_rfc3339(row["updated_us"]),
    }


def is_open(row: Row) -> bool:
    return JobState(row["status"]) in OPEN
