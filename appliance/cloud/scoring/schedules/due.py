"""Schedules that are due: which this process runs, and what follows from a run.

Owns: that of all processes one runs a schedule, one of a tournament at a time; that what was missed while no
process ran is caught up once for each round; and asking again until the matches have ended.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from appliance.cloud.scoring.schedules.model import GROUPS
from appliance.cloud.scoring.schedules.plan import LATE_US, repoll
from appliance.cloud.scoring.schedules.planning import (
    DAILY,
    MINUTE_US,
    Setting,
    ensure_daily,
    get_schedule,
    journal,
)
from appliance.kernel.clock import DAY_US
from appliance.kernel.leases import Lease, LeaseLost, check_lease, release_lease, take_lease
from appliance.kernel.tx import ReadTx, Row, Tx

KIND: Final = "schedule"
RETRY_MIN: Final = (1, 2, 5, 10, 30)  # after a run that failed; then the schedule has failed
KEEP_US: Final = 90 * DAY_US
_PRUNE_MAX: Final = 500


@dataclass(frozen=True, slots=True)
class Claim:
    """A schedule that this process runs now. `started_us`: the database's time."""

    lease: Lease
    row: Row
    started_us: int


def claim_due(tx: Tx, setting: Setting, owner: str, limit: int) -> list[Claim]:
    """Schedules that are due, one of each tournament, the longest overdue first. Others that would ask for
    the same round are skipped: what was missed is caught up once."""
    rows = tx.all(
        "SELECT * FROM schedules WHERE status = 'scheduled' AND due_us <= ? AND environment = ?"
        " ORDER BY due_us, id",
        (tx.now_us, setting.environment),
    )
    due: dict[str, list[Row]] = {}
    for row in rows:
        due.setdefault(row["tournament_id"], []).append(row)
    claims: list[Claim] = []
    for tournament_id, own in due.items():
        if len(claims) == limit:
            break
        lease = take_lease(tx, KIND, tournament_id or DAILY, owner)
        if lease is not None:
            claims.append(Claim(lease, _coalesced(tx, own), tx.now_us))
    return claims


def _coalesced(tx: Tx, due: Sequence[Row]) -> Row:
    """The one that is run for the round that is longest overdue."""
    first = due[0]
    same = [
        row for row in due if row["round"] == first["round"] and GROUPS[row["what"]] == GROUPS[first["what"]]
    ]
    chosen = max(same, key=lambda row: (row["is_knockout"], row["fire_us"], row["id"]))
    for row in same:
        if row is not chosen:
            tx.update("schedules", row["id"], {"status": "skipped", "error": f"{chosen['id']} did the same"})
            journal(tx, row["id"])
    return chosen


def record_run(
    tx: Tx, setting: Setting, claim: Claim, run_id: str, took_us: int, memory_mb: int, error: str | None
) -> Row | None:
    """Store how a run ended, and when the next one is. None: another process has taken the lease."""
    try:
        check_lease(tx, claim.lease)
    except LeaseLost:
        return None
    release_lease(tx, claim.lease)
    row = get_schedule(tx, claim.row["id"])
    if tx.value("SELECT 1 FROM schedule_runs WHERE id = ?", (run_id,)) is not None:
        return row
    tx.insert(
        "schedule_runs",
        {
            "id": run_id,
            "schedule_id": row["id"],
            "function": row["function"],
            "environment": setting.environment,
            "started_us": claim.started_us,
            "took_us": took_us,
            "memory_mb": memory_mb,
            "status": "success" if error is None else "failure",
            "error": error,
        },
    )
    changes = {"runs": row["runs"] + 1, "last_us": claim.started_us, "error": error}
    changes |= _failed(tx, row) if error is not None else _succeeded(tx, setting, row)
    tx.update("schedules", row["id"], changes)
    journal(tx, row["id"])
    if row["what"] == "daily" and changes["status"] != "scheduled":
        ensure_daily(tx, setting)
    return get_schedule(tx, row["id"])


def _failed(tx: ReadTx, row: Row) -> dict[str, Any]:
    attempts = row["attempts"] + 1
    if attempts > len(RETRY_MIN):
        return {"status": "failed", "attempts": attempts}
    due_us = tx.now_us + RETRY_MIN[attempts - 1] * MINUTE_US
    return {"status": "scheduled", "attempts": attempts, "due_us": due_us}


def _succeeded(tx: ReadTx, setting: Setting, row: Row) -> dict[str, Any]:
    """Again, while a match of the round has not ended, and no other schedule asks for it."""
    again_us = None if row["what"] in ("daily", "knockouts") else _again_us(tx, setting, row)
    if again_us is None or _is_asked_for(tx, row, again_us):
        return {"status": "completed", "attempts": 0}
    return {"status": "scheduled", "attempts": 0, "due_us": again_us}


def _again_us(tx: ReadTx, setting: Setting, row: Row) -> int | None:
    """After a pause while a match that has begun has not ended. In the demo, whose schedules are not made for
    each kick-off, also after the next one of today."""
    scheduler, delay_min = setting.scheduler, setting.times.test_delay_min
    is_open = "tournament_id = ? AND slug = ? AND status = 'open'"
    of = (row["tournament_id"], row["round"])
    begun = f"SELECT max(kickoff_us) FROM matches WHERE {is_open} AND kickoff_us <= ?"
    again_us = None
    if (kickoff_us := tx.value(begun, (*of, tx.now_us))) is not None:
        again_us = repoll(
            tx.now_us, kickoff_us, repoll_min=scheduler.repoll_min, give_up_min=scheduler.give_up_min
        )
    if again_us is not None or delay_min is None:
        return again_us
    coming = f"SELECT min(kickoff_us) FROM matches WHERE {is_open} AND kickoff_us > ? AND kickoff_us < ?"
    until_us = tx.now_us - tx.now_us % DAY_US + DAY_US + LATE_US
    next_us = tx.value(coming, (*of, tx.now_us, until_us))
    return None if next_us is None else int(next_us) + delay_min * MINUTE_US


def _is_asked_for(tx: ReadTx, row: Row, at_us: int) -> bool:
    """Whether another schedule asks for the round by then."""
    sql = (
        "SELECT 1 FROM schedules WHERE tournament_id = ? AND round = ? AND status = 'scheduled'"
        " AND id <> ? AND due_us <= ? LIMIT 1"
    )
    return tx.value(sql, (row["tournament_id"], row["round"], row["id"], at_us)) is not None


def next_due_us(tx: ReadTx, setting: Setting) -> int | None:
    """Microseconds until a schedule may be due; None: there is none."""
    due_us = tx.value(
        "SELECT min(due_us) FROM schedules WHERE status = 'scheduled' AND environment = ?",
        (setting.environment,),
    )
    return None if due_us is None else max(0, due_us - tx.now_us)


def prune(tx: Tx) -> int:
    """Delete schedules that ended long ago, with their runs; returns how many. Call it again while that is
    not 0."""
    old = tx.all(
        "SELECT id FROM schedules WHERE status <> 'scheduled' AND updated_us < ?"
        " ORDER BY updated_us, id LIMIT ?",
        (tx.now_us - KEEP_US, _PRUNE_MAX),
    )
    for row in old:
        tx.run("DELETE FROM schedule_runs WHERE schedule_id = ?", (row["id"],))
        tx.run("DELETE FROM schedules WHERE id = ?", (row["id"],))
    return len(old)
