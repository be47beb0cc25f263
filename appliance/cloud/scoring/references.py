"""Reference data that tournaments name is not deleted."""

from __future__ import annotations

from typing import Final

from appliance.kernel.errors import Refused
from appliance.kernel.tx import ReadTx, Row

_USES: Final = {
    "team": {"matches": "SELECT count(*) FROM matches WHERE home_team_id = ? OR away_team_id = ?"},
    "league": {"tournaments": "SELECT count(*) FROM tournaments WHERE league_id = ? AND deleted_us IS NULL"},
    "season": {"tournaments": "SELECT count(*) FROM tournaments WHERE season_id = ? AND deleted_us IS NULL"},
    "event": {"matches": "SELECT count(*) FROM matches WHERE event_id = ?"},
}


def check_delete(tx: ReadTx, kind: str, row: Row) -> None:
    """Called when a resource was made, changed or deleted. Raises Refused 409 when it was deleted, and a
    tournament or a match names it."""
    if kind not in _USES or tx.value(f"SELECT deleted_us FROM {kind}s WHERE id = ?", (row["id"],)) is None:
        return
    counts = {table: tx.value(sql, (row["id"],) * sql.count("?")) for table, sql in _USES[kind].items()}
    if used_by := {table: count for table, count in counts.items() if count}:
        words = ", ".join(f"{count} of {table}" for table, count in used_by.items())
        hint = "delete those first, or let them name another"
        raise Refused(409, "in_use", f"this {kind} is used: {words}", hint, extra={"used_by": used_by})
