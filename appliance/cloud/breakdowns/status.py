"""How logging is, for GET /status: jobs by state, and what a person has to look at. SQL, read only."""

from __future__ import annotations

from typing import Final

from appliance.cloud.breakdowns.queue.machine import HELD, JobState
from appliance.domain import StatusLine, StatusPart
from appliance.kernel.tx import ReadTx, Row

LINES_MAX: Final = 20
_WAITS: Final = "state IN ('awaiting_source', 'awaiting_reupload')"

_EVENT: Final = (
    "SELECT home.name AS home, away.name AS away FROM events JOIN teams home ON home.id = events.home_team_id"
    " JOIN teams away ON away.id = events.away_team_id WHERE events.id = ?"
)


def status_part(tx: ReadTx) -> StatusPart:
    """Open jobs alone: those that are over are in the reports."""
    rows = tx.all("SELECT status, count(*) AS jobs FROM jobs WHERE ended_us IS NULL GROUP BY status")
    jobs = {row["status"]: row["jobs"] for row in rows}
    late = "SELECT count(*) FROM jobs WHERE ended_us IS NULL AND due_us <= ?"
    risk = "SELECT count(*) FROM jobs WHERE ended_us IS NULL AND target_us <= ? AND due_us > ?"
    counts = {
        "waiting": jobs.get(JobState.QUEUED, 0),
        "with a logger": sum(jobs.get(state, 0) for state in HELD),
        "at risk": tx.value(risk, (tx.now_us, tx.now_us)),
        "breached": tx.value(late, (tx.now_us,)),
        "videos to be judged": tx.value("SELECT count(*) FROM sources WHERE state = 'pending'"),
        "events without a usable video": tx.value(
            f"SELECT count(*) FROM markings WHERE awaiting_us IS NOT NULL AND {_WAITS}"
        ),
    }
    return StatusPart("Logging", counts, [*_breached(tx), *_awaiting(tx), *_unfit(tx)][:LINES_MAX])


def _breached(tx: ReadTx) -> list[StatusLine]:
    rows = tx.all(
        "SELECT * FROM jobs WHERE ended_us IS NULL AND due_us <= ? ORDER BY due_us, id LIMIT ?",
        (tx.now_us, LINES_MAX),
    )
    return [
        StatusLine("bad", _name(tx, row["event_id"]), f"over its limit, {row['status']}", row["due_us"])
        for row in rows
    ]


def _awaiting(tx: ReadTx) -> list[StatusLine]:
    """Events that were reported because they wait too long for another video."""
    rows = tx.all(
        f"SELECT * FROM markings WHERE alerted_us IS NOT NULL AND {_WAITS}"
        " ORDER BY awaiting_us NULLS LAST, id LIMIT ?",
        (LINES_MAX,),
    )
    detail = "its video is unusable, and no other has come"
    return [StatusLine("warn", _name(tx, row["id"]), detail, row["awaiting_us"]) for row in rows]


def _unfit(tx: ReadTx) -> list[StatusLine]:
    """Kinds of waiting jobs that no available logger can do."""
    kinds = tx.all(
        "SELECT jobs.sport, jobs.breakdown_type_id, jobs.league_id, breakdown_types.name,"
        " leagues.name AS league, count(*) AS jobs, min(jobs.created_us) AS since_us FROM jobs"
        " JOIN breakdown_types ON breakdown_types.id = jobs.breakdown_type_id"
        " JOIN leagues ON leagues.id = jobs.league_id WHERE jobs.status = 'queued' AND jobs.ended_us IS NULL"
        " GROUP BY jobs.sport, jobs.breakdown_type_id, jobs.league_id, breakdown_types.name, leagues.name"
        " ORDER BY min(jobs.created_us), jobs.league_id, jobs.breakdown_type_id"
    )
    loggers = tx.all(
        "SELECT loggers.sports, loggers.breakdown_type_ids, offices.league_id FROM loggers"
        " JOIN offices ON offices.id = loggers.office_id"
        " WHERE loggers.is_available = 1 AND offices.capacity > 0"
    )
    return [
        StatusLine(
            "warn",
            row["league"],
            f"{row['jobs']} waiting as {row['name']}: no available logger can do them",
            row["since_us"],
        )
        for row in kinds
        if not any(_can(logger, row) for logger in loggers)
    ]


def _can(logger: Row, kind: Row) -> bool:
    """The lists are JSON texts of plain words and ids: a quoted value is in it or not."""
    return (
        f'"{kind["sport"]}"' in logger["sports"]
        and f'"{kind["breakdown_type_id"]}"' in logger["breakdown_type_ids"]
        and logger["league_id"] in (None, kind["league_id"])
    )


def _name(tx: ReadTx, event_id: str) -> str:
    row = tx.one(_EVENT, (event_id,))
    return event_id if row is None else f"{row['home']} - {row['away']}"
