"""Transactions on scores. Only this file writes `scores`."""

from __future__ import annotations

from typing import Any

from appliance.box.scores.model import ScoreIn, shown
from appliance.domain import session_counters
from appliance.kernel.operation import Answer, Caller
from appliance.kernel.rows import load_row
from appliance.kernel.tx import ReadTx, Tx


def score_of(tx: ReadTx, session_id: str) -> dict[str, Any] | None:
    """The session's newest score; None: none was reported."""
    row = tx.one("SELECT * FROM scores WHERE session_id = ?", (session_id,))
    return None if row is None else shown(row)


def observe(tx: Tx, caller: Caller, session_id: str, body: ScoreIn) -> Answer:
    """Store what the scoreboard shows now. The same again changes nothing. Raises Refused 404, 410."""
    load_row(tx, "session", session_id)
    fields = body.model_dump()
    known = score_of(tx, session_id)
    if known is not None and all(known[name] == value for name, value in fields.items()):
        return Answer(200, known)
    tx.run(
        "INSERT INTO scores (session_id, home, away, period, clock, observed_us, observed_by)"
        " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (session_id) DO UPDATE SET home = excluded.home,"
        " away = excluded.away, period = excluded.period, clock = excluded.clock,"
        " observed_us = excluded.observed_us, observed_by = excluded.observed_by",
        (
            session_id,
            *(fields[name] for name in ("home", "away", "period", "clock")),
            tx.now_us,
            caller.device,
        ),
    )
    score = score_of(tx, session_id)
    assert score is not None
    event = {"session_id": session_id, "score": score, "session": session_counters(tx, session_id)}
    tx.append("score_observed", f"score:{session_id}", event, session_id=session_id)
    return Answer(200, score)
