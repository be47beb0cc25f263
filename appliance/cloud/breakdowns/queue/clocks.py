"""What time does to jobs: leases end, clocks run out, videos do not come. Each step is a transaction.

Every process may run them: what another has done already is not found any more, so no alarm is sent twice.
"""

from __future__ import annotations

from typing import Final

from appliance.cloud.breakdowns.audit import SYSTEM, record
from appliance.cloud.breakdowns.marking.machine import LoggingState
from appliance.cloud.breakdowns.queue.machine import JobEvent
from appliance.cloud.breakdowns.queue.model import sla_resource
from appliance.cloud.breakdowns.queue.rows import LEASE, return_job
from appliance.cloud.breakdowns.queue.sla import SlaClock, SlaState
from appliance.domain import announce
from appliance.kernel.clock import HOUR_US
from appliance.kernel.tx import ReadTx, Row, Tx

AT_ONCE: Final = 100  # jobs in one transaction

_HELD: Final = (
    f"FROM jobs JOIN leases ON leases.kind = '{LEASE}' AND leases.subject = jobs.id"
    " AND leases.token = jobs.lease_token"
    " WHERE jobs.status IN ('assigned', 'reviewing', 'logging')"
)
_BREACHED: Final = "ended_us IS NULL AND breached_us IS NULL AND due_us <= ?"
_AT_RISK: Final = "ended_us IS NULL AND breached_us IS NULL AND at_risk_us IS NULL AND target_us <= ?"
_AWAITING: Final = "FROM markings WHERE awaiting_us <= ? AND alerted_us IS NULL"


def next_look_us(tx: ReadTx, awaiting_h: float) -> int | None:
    """In how many microseconds something is due; 0: now; None: nothing will be."""
    ends = [
        tx.value(f"SELECT min(leases.until_us) {_HELD}"),
        tx.value("SELECT min(due_us) FROM jobs WHERE ended_us IS NULL AND breached_us IS NULL"),
        tx.value(
            "SELECT min(target_us) FROM jobs"
            " WHERE ended_us IS NULL AND breached_us IS NULL AND at_risk_us IS NULL"
        ),
    ]
    awaiting_us = tx.value("SELECT min(awaiting_us) FROM markings WHERE alerted_us IS NULL")
    if awaiting_us is not None:
        ends.append(awaiting_us + round(awaiting_h * HOUR_US))
    known = [end for end in ends if end is not None]
    return max(0, min(known) - tx.now_us) if known else None


def expire_leases(tx: Tx) -> int:
    """Jobs whose logger sent no heartbeat in time wait again; returns how many."""
    rows = tx.all(
        f"SELECT jobs.* {_HELD} AND leases.until_us <= ? ORDER BY leases.until_us, jobs.id LIMIT {AT_ONCE}",
        (tx.now_us,),
    )
    for job in rows:
        return_job(tx, job, JobEvent.EXPIRE, SYSTEM, "the logger sent no heartbeat in time")
    return len(rows)


def sound_alarms(tx: Tx) -> int:
    """Report the jobs that are at risk or breached since the last look; returns how many."""
    breached = f"SELECT * FROM jobs WHERE {_BREACHED} ORDER BY due_us, id LIMIT {AT_ONCE}"
    rows = tx.all(breached, (tx.now_us,))
    if not rows:  # what is breached as well as at risk is only reported as breached
        at_risk = f"SELECT * FROM jobs WHERE {_AT_RISK} ORDER BY target_us, id LIMIT {AT_ONCE}"
        rows = tx.all(at_risk, (tx.now_us,))
    for job in rows:
        _alarm(tx, job)
    return len(rows)


def _alarm(tx: Tx, job: Row) -> None:
    clock = SlaClock(job["target_us"], job["due_us"])
    alarm = clock.alarm(
        tx.now_us, at_risk_sent=job["at_risk_us"] is not None, breached_sent=job["breached_us"] is not None
    )
    assert alarm is not None  # that is what the rows were chosen by
    column = "breached_us" if alarm is SlaState.BREACHED else "at_risk_us"
    job = tx.updated("jobs", job, {column: tx.now_us})
    names = ("event_id", "league_id", "breakdown_type_id", "logger_id", "status")
    about = {"job_id": job["id"], **{name: job[name] for name in names}, "sla": sla_resource(job, tx.now_us)}
    tx.append(f"sla_{alarm}", f"job:{job['id']}", about)
    announce(tx, "sla.breached" if alarm is SlaState.BREACHED else "sla.at_risk", about, _scope(job))


def _scope(job: Row) -> tuple[str]:
    return (f"league:{job['league_id']}",)


def report_awaiting(tx: Tx, awaiting_h: float) -> int:
    """Report events that have waited too long for another video; they go on waiting. Returns how many."""
    before_us = tx.now_us - round(awaiting_h * HOUR_US)
    rows = tx.all(f"SELECT * {_AWAITING} ORDER BY awaiting_us NULLS LAST, id LIMIT {AT_ONCE}", (before_us,))
    waits = (LoggingState.AWAITING_SOURCE, LoggingState.AWAITING_REUPLOAD)
    for row in rows:
        tx.update("markings", row["id"], {"alerted_us": tx.now_us})
        if row["state"] in waits:
            about = {"event_id": row["id"], "league_id": row["league_id"], "state": row["state"]}
            record(tx, f"event:{row['id']}", "awaiting_too_long", SYSTEM, league_id=row["league_id"])
            tx.append("source_awaited", f"event:{row['id']}", about)
    return len(rows)
