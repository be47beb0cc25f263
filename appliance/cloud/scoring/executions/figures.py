"""The pipeline in GET /status: what runs, what is late, what a person may have to look at. SQL, read only."""

from __future__ import annotations

from typing import Final

from appliance.domain import StatusLine
from appliance.kernel.clock import DAY_US, S_US
from appliance.kernel.tx import ReadTx

LINES_MAX: Final = 20
LATE_US: Final = 300 * S_US  # a schedule that is due for longer: no process runs it


def pipeline_counts(tx: ReadTx) -> dict[str, int]:
    since_us = tx.now_us - DAY_US
    late_us = tx.now_us - LATE_US
    scheduled = "SELECT count(*) FROM schedules WHERE status = 'scheduled'"
    return {
        "updates in progress": tx.value("SELECT count(*) FROM executions WHERE status = 'in_progress'"),
        "updates failed in 24 h": tx.value(
            "SELECT count(*) FROM executions WHERE status = 'failed' AND started_us > ?", (since_us,)
        ),
        "scheduled": tx.value(scheduled),
        "late": tx.value(f"{scheduled} AND due_us < ?", (late_us,)),
        "messages waiting": tx.value("SELECT count(*) FROM notices WHERE status = 'pending'"),
    }


def pipeline_lines(tx: ReadTx) -> list[StatusLine]:
    """Updates, schedules and messages that have failed."""
    return [*_failed(tx), *_given_up(tx), *_unsent(tx)][:LINES_MAX]


def _failed(tx: ReadTx) -> list[StatusLine]:
    """Tournaments whose newest update has failed."""
    rows = tx.all(
        "SELECT e.*, t.name FROM executions e JOIN tournaments t ON t.id = e.tournament_id"
        " WHERE e.status = 'failed' AND t.deleted_us IS NULL AND NOT EXISTS (SELECT 1 FROM executions o"
        " WHERE o.tournament_id = e.tournament_id AND (o.started_us, o.id) > (e.started_us, e.id))"
        " ORDER BY e.started_us DESC, e.id LIMIT ?",
        (LINES_MAX,),
    )
    return [
        StatusLine("warn", row["name"], f"{row['operation']} failed: {row['error']}", row["ended_us"])
        for row in rows
    ]


def _given_up(tx: ReadTx) -> list[StatusLine]:
    rows = tx.all(
        "SELECT id, error, updated_us FROM schedules WHERE status = 'failed' AND updated_us > ?"
        " ORDER BY updated_us DESC, id LIMIT ?",
        (tx.now_us - DAY_US, LINES_MAX),
    )
    return [StatusLine("warn", row["id"], f"given up: {row['error']}", row["updated_us"]) for row in rows]


def _unsent(tx: ReadTx) -> list[StatusLine]:
    """Receivers that refuse or do not answer."""
    rows = tx.all(
        "SELECT receiver, count(*) AS waiting, max(error) AS error, min(created_us) AS since_us FROM notices"
        " WHERE status = 'pending' AND attempts > 0 GROUP BY receiver ORDER BY receiver"
    )
    return [
        StatusLine(
            "warn", row["receiver"], f"{row['waiting']} to be sent again: {row['error']}", row["since_us"]
        )
        for row in rows
    ]
