"""Schedules as they are asked for and shown, with the documents' names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

from pydantic import BaseModel, Field

from appliance.cloud.scoring.schedules.plan import GROUP, Schedule, target_of
from appliance.kernel.clock import optional_rfc3339, to_rfc3339
from appliance.kernel.fields import Input
from appliance.kernel.paging import Page
from appliance.kernel.tx import Row

DAILY_GROUP: Final = "daily-routine"
KNOCKOUTS_GROUP: Final = "knockouts-routine"
FUNCTIONS: Final = {
    "daily": "caller-daily-routine",
    "scores": "caller-scores-and-standings",
    "standings": "caller-scores-and-standings",
    "knockouts": "caller-knockouts-update",
}
GROUPS: Final = {"daily": DAILY_GROUP, "scores": GROUP, "standings": GROUP, "knockouts": KNOCKOUTS_GROUP}


class SchedulerIn(Input):
    """POST scheduler. `tournamentId`: None for all. `targetEnv`: that of this service, if it is given."""

    kind: Literal["daily", "scores", "knockouts"] = "daily"
    tournamentId: str | None = Field(default=None, max_length=64)
    roundSlug: str | None = Field(default=None, max_length=120)
    targetEnv: Literal["demo", "production"] | None = None


class NewSchedule(BaseModel):
    """`targetInput`: what its caller sends, and where."""

    id: str
    cronExpression: str
    group: str
    targetInput: dict[str, str]
    fireAt: str
    status: str


class NewSchedules(BaseModel):
    schedules: list[NewSchedule]


class ShownSchedule(NewSchedule):
    """`nextRun`: null once it has ended."""

    kind: str
    function: str
    tournamentId: str | None
    roundSlug: str | None
    nextRun: str | None
    lastRun: str | None
    runs: int
    error: str | None


class PlannedRun(BaseModel):
    """`isScheduled`: its row is there; else the next daily run will make it."""

    id: str
    fireAt: str
    kind: str
    tournamentId: str | None
    roundSlug: str | None
    isScheduled: bool


class ScheduleList(BaseModel):
    """`next24h`: what will run within a day from now."""

    items: list[ShownSchedule]
    next_cursor: str | None
    as_of_seq: int
    next24h: list[PlannedRun]


class ScheduleQuery(Page):
    group: str | None = None
    status: Literal["scheduled", "completed", "failed", "skipped"] | None = None


class ScheduleRun(BaseModel):
    """A run of a schedule by its caller. `log`: the lines of it, as they are in the log."""

    id: str
    schedule: str
    function: str
    startedAt: str
    durationMs: int
    memoryMb: int
    status: str
    error: str | None
    log: list[str]


class RunQuery(Page):
    function: str | None = None
    schedule: str | None = None


def new_schedule(row: Row, base_url: str) -> dict[str, Any]:
    return {
        "id": row["id"],
        "cronExpression": row["cron"],
        "group": row["group_name"],
        "targetInput": dict(target_of_row(row, base_url)),
        "fireAt": to_rfc3339(row["fire_us"]),
        "status": row["status"],
    }


def target_of_row(row: Row, base_url: str) -> Mapping[str, str]:
    """Made of this service's own address whenever it is needed: a row never holds an address, so that none
    of another environment can come out of a database that was copied."""
    if row["what"] == "daily":
        url = f"{base_url}/api/v2/data-provider/scheduler"
        return {"endpoint": url, "targetEnv": row["environment"]}
    return target_of(
        base_url,
        row["environment"],
        row["tournament_id"],
        row["round"],
        is_knockout=bool(row["is_knockout"]),
    )


def shown_schedule(row: Row, base_url: str) -> dict[str, Any]:
    return {
        **new_schedule(row, base_url),
        "kind": row["what"],
        "function": row["function"],
        "tournamentId": row["tournament_id"] or None,
        "roundSlug": row["round"] or None,
        "nextRun": to_rfc3339(row["due_us"]) if row["status"] == "scheduled" else None,
        "lastRun": optional_rfc3339(row["last_us"]),
        "runs": row["runs"],
        "error": row["error"],
    }


def planned_run(schedule: Schedule) -> dict[str, Any]:
    return {
        "id": schedule.id,
        "fireAt": to_rfc3339(schedule.fire_us),
        "kind": schedule.what,
        "tournamentId": schedule.tournament_id or None,
        "roundSlug": schedule.round or None,
        "isScheduled": False,
    }


def run_resource(row: Row) -> dict[str, Any]:
    took_ms = row["took_us"] / 1000
    status = row["status"].upper()
    return {
        "id": row["id"],
        "schedule": row["schedule_id"],
        "function": row["function"],
        "startedAt": to_rfc3339(row["started_us"]),
        "durationMs": round(took_ms),
        "memoryMb": row["memory_mb"],
        "status": row["status"],
        "error": row["error"],
        "log": [
            f"START RequestId: {row['id']}",
            f"INFO: START [{row['environment']}]",
            *([f"ERROR: {row['error']}"] if row["error"] else []),
            f"END RequestId: {row['id']} Duration: {took_ms:.2f} ms"
            f" Memory Used: {row['memory_mb']} MB Status: {status}",
        ],
    }
