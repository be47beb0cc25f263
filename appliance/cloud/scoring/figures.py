"""How the tournaments are, for GET /status. SQL, read only."""

from __future__ import annotations

from typing import Final

from appliance.cloud.scoring.executions.figures import pipeline_counts, pipeline_lines
from appliance.domain import StatusLine, StatusPart
from appliance.kernel.tx import ReadTx

LINES_MAX: Final = 20


def status_part(tx: ReadTx) -> StatusPart:
    counts = {
        "tournaments": tx.value("SELECT count(*) FROM tournaments WHERE deleted_us IS NULL"),
        "matches": tx.value("SELECT count(*) FROM matches"),
        "ended": tx.value("SELECT count(*) FROM matches WHERE status = 'ended'"),
        "discrepancies": tx.value("SELECT count(*) FROM discrepancies WHERE resolved_us IS NULL"),
        **pipeline_counts(tx),
    }
    return StatusPart("Tournaments", counts, [*_discrepancies(tx), *pipeline_lines(tx)])


def _discrepancies(tx: ReadTx) -> list[StatusLine]:
    rows = tx.all(
        "SELECT t.name, count(*) AS differing, min(d.created_us) AS since_us"
        " FROM discrepancies d JOIN tournaments t ON t.id = d.tournament_id WHERE d.resolved_us IS NULL"
        " GROUP BY t.id, t.name ORDER BY min(d.created_us), t.id LIMIT ?",
        (LINES_MAX,),
    )
    return [
        StatusLine("warn", row["name"], f"sources differ on matches: {row['differing']}", row["since_us"])
        for row in rows
    ]
