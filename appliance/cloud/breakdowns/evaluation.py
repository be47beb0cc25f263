"""Decides again which events are logged, in the transaction that changed what decides it.

Until a job is assigned the marking follows rules, types, associations and the event itself; then it stays,
and what the rules would say is kept and audited. Owns: reading what decides, and what a new decision does to
the event's job. Must not know: which request caused it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Final

from appliance.cloud.breakdowns.audit import record
from appliance.cloud.breakdowns.marking.core import BreakdownType, Decision, Event, Rule, decide
from appliance.cloud.breakdowns.marking.machine import (
    LoggingEvent,
    LoggingState,
    is_decided,
    takes_a_job,
)
from appliance.cloud.breakdowns.marking.rows import (
    change_marking,
    decision_columns,
    make_marking,
    move_marking,
)
from appliance.cloud.breakdowns.queue.rows import open_job, open_job_of, retype_job, withdraw_job
from appliance.cloud.breakdowns.sources.rows import usable_source
from appliance.kernel import json
from appliance.kernel.tx import ReadTx, Row, Tx

_EVENTS: Final = (
    "SELECT events.id AS event_id, events.league_id, events.season_id, events.home_team_id,"
    " events.away_team_id, events.status, events.deleted_us, markings.state, markings.reason,"
    " markings.breakdown_type_id, markings.fields, markings.rule_id, markings.won_by, markings.ignored"
    " FROM events LEFT JOIN markings ON markings.id = events.id"
)


def event_changed(tx: Tx, event_id: str, by: str) -> None:
    _evaluate(tx, "events.id = ?", (event_id,), by, "the event")


def association_changed(tx: Tx, season_id: str, team_id: str, by: str) -> None:
    """A team joined a season, or left it."""
    condition = "events.season_id = ? AND (events.home_team_id = ? OR events.away_team_id = ?)"
    _evaluate(tx, condition, (season_id, team_id, team_id), by, "an association")


def rule_changed(tx: Tx, rule: Row, by: str) -> None:
    condition, values = "events.league_id = ?", [rule["league_id"]]
    if rule["team_id"] is not None:
        condition += " AND (events.home_team_id = ? OR events.away_team_id = ?)"
        values += [rule["team_id"]] * 2
    _evaluate(tx, condition, values, by, "a rule")


def type_changed(tx: Tx, type_id: str, by: str) -> None:
    """A break-down type has another rank or other fields."""
    condition = "events.league_id IN (SELECT league_id FROM logging_rules WHERE breakdown_type_id = ?)"
    _evaluate(tx, condition, (type_id,), by, "a break-down type")


def _evaluate(tx: Tx, condition: str, values: Sequence[Any], by: str, cause: str) -> None:
    """Decide on these events, and apply what is new. `cause`: what has changed."""
    rows = tx.all(f"{_EVENTS} WHERE {condition} ORDER BY events.id", values)
    seasons = {row["season_id"]: _associated(tx, row["season_id"]) for row in rows}
    leagues = {row["league_id"]: _rules(tx, row["league_id"]) for row in rows}
    for row in rows:
        event = Event(
            row["season_id"],
            row["home_team_id"],
            row["away_team_id"],
            is_cancelled=row["status"] == "cancelled",
            is_deleted=row["deleted_us"] is not None,
        )
        decision = decide(event, seasons[row["season_id"]], leagues[row["league_id"]])
        _apply(tx, row, decision, by, cause)


def _associated(tx: ReadTx, season_id: str) -> frozenset[str]:
    sql = "SELECT team_id FROM associations WHERE season_id = ? AND is_active = 1"
    return frozenset(row["team_id"] for row in tx.all(sql, (season_id,)))


def _rules(tx: ReadTx, league_id: str) -> list[Rule]:
    rows = tx.all(
        "SELECT logging_rules.id, season_id, team_id, breakdown_type_id, rank, fields FROM logging_rules"
        " JOIN breakdown_types ON breakdown_types.id = logging_rules.breakdown_type_id"
        " WHERE logging_rules.league_id = ? AND logging_rules.is_active = 1",
        (league_id,),
    )
    return [
        Rule(
            row["id"],
            BreakdownType(row["breakdown_type_id"], row["rank"], tuple(json.decode_stored(row["fields"]))),
            row["team_id"],
            row["season_id"],
        )
        for row in rows
    ]


def _apply(tx: Tx, row: Row, decision: Decision, by: str, cause: str) -> None:
    audit = partial(record, tx, f"event:{row['event_id']}", by=by, league_id=row["league_id"])
    columns = decision_columns(decision)
    why = f"{cause} has changed: {decision.reason}"
    if row["state"] is None:
        make_marking(tx, row["event_id"], row["league_id"], decision)
        audit(_action(decision), reason=why, details=_details(decision))
        _make_job(tx, row["event_id"], by)
        return
    state = LoggingState(row["state"])
    is_new = any(row[name] != value for name, value in columns.items())
    if is_decided(state):
        _ignore(tx, row, json.encode(columns).decode() if is_new else None, audit, why)
        return
    if not is_new:
        return
    event = LoggingEvent.MARK if decision.is_marked else LoggingEvent.UNMARK
    job = open_job_of(tx, row["event_id"])
    move_marking(tx, row["event_id"], event, **columns)
    audit(_action(decision), reason=why, details={"was": row["breakdown_type_id"], **_details(decision)})
    if job is None:
        _make_job(tx, row["event_id"], by)
    elif not decision.is_marked:
        withdraw_job(tx, job, by, why)
    elif job["breakdown_type_id"] != decision.breakdown_type_id:
        assert decision.breakdown_type_id is not None
        retype_job(tx, job, decision.breakdown_type_id, by)


def _ignore(tx: Tx, row: Row, ignored: str | None, audit: Any, why: str) -> None:
    """A job was assigned: the marking stays. Audited once for each other decision."""
    if ignored == row["ignored"]:
        return
    change_marking(tx, row["event_id"], {"ignored": ignored})
    audit(
        "kept",
        reason=f"a job was assigned; {why}",
        details={"would_be": json.decode_stored(ignored or "null")},
    )


def _make_job(tx: Tx, event_id: str, by: str) -> None:
    """A video that was usable before the event was marked."""
    state = tx.value("SELECT state FROM markings WHERE id = ?", (event_id,))
    source = usable_source(tx, event_id)
    if source is not None and takes_a_job(LoggingState(state)):
        open_job(tx, source, by)


def _action(decision: Decision) -> str:
    return "marked" if decision.is_marked else "unmarked"


def _details(decision: Decision) -> dict[str, Any]:
    return {
        "breakdown_type_id": decision.breakdown_type_id,
        "rule_id": decision.rule_id,
        "won_by": decision.won_by,
    }
