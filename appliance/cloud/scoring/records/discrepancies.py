"""Sources that contradict each other on a match that has ended: both values, until they agree or a person
decides.

Nothing is decided here: which result counts is the order of providers, and an office above all.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from appliance.cloud.scoring.imports.model import FileMatch
from appliance.cloud.scoring.match import Match, Pair
from appliance.cloud.scoring.records.columns import as_match
from appliance.kernel.clock import optional_rfc3339, to_rfc3339
from appliance.kernel.ids import new_uuid
from appliance.kernel.tx import ReadTx, Row, Tx

SITE: Final = "site:"
"""Before the id of the site whose box observed a score: the source is no provider."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What `other` says of a match that has ended, beside what is known of `source`. `takes_over`: the other
    one's result is the one that counts from now on."""

    match_id: str
    source: str
    known: Match
    other: str
    given: FileMatch
    takes_over: bool


def result_text(match: Match | FileMatch) -> str:
    """As people write it: 2-1, 1-1 (4-2 pen.)."""
    goals = match.official or match.extra_time or match.score
    kicks = f" ({_text(match.shoot_out)} pen.)" if match.shoot_out is not None else ""
    return _text(goals) + kicks


def _text(goals: Pair | None) -> str:
    return "none" if goals is None else f"{goals[0]}-{goals[1]}"


def note_claims(tx: Tx, tournament_id: str, claims: Iterable[Claim]) -> list[str]:
    """Open, change or resolve the discrepancy of each; ids of those that are open now."""
    opened = []
    for claim in claims:
        known, given = result_text(claim.known), result_text(claim.given)
        first, second = (claim.source, known), (claim.other, given)
        if claim.takes_over:
            first, second = second, first
        if (discrepancy := note(tx, tournament_id, claim.match_id, first, second)) is not None:
            opened.append(discrepancy)
    return opened


def note(
    tx: Tx, tournament_id: str, match_id: str, counting: tuple[str, str], other: tuple[str, str]
) -> str | None:
    """(source, value) of what counts and of what contradicts it. The id of the open discrepancy; None: they
    agree, and one that was open is resolved."""
    sql = "SELECT * FROM discrepancies WHERE match_id = ? AND resolved_us IS NULL ORDER BY id"
    pair = {counting[0], other[0]}
    known = next(
        (row for row in tx.all(sql, (match_id,)) if {row["source"], row["other_source"]} == pair), None
    )
    if counting[1] == other[1]:
        if known is not None:
            _update(tx, known, {"resolved_us": tx.now_us})
        return None
    values = dict(zip(("source", "value", "other_source", "other_value"), (*counting, *other), strict=True))
    if known is not None:
        if any(known[name] != value for name, value in values.items()):
            _update(tx, known, values)
        return str(known["id"])
    row = {
        "id": new_uuid(),
        "tournament_id": tournament_id,
        "match_id": match_id,
        **values,
        "created_us": tx.now_us,
        "updated_us": tx.now_us,
    }
    tx.create("discrepancies", row)
    _tell(tx, str(row["id"]))
    return str(row["id"])


def settle(tx: Tx, match_ids: Sequence[str]) -> None:
    """The results of these matches have changed: open discrepancies of providers show the value that counts
    now, and those that hold no longer are resolved."""
    for match_id in match_ids:
        sql = "SELECT * FROM discrepancies WHERE match_id = ? AND resolved_us IS NULL ORDER BY id"
        open_rows = tx.all(sql, (match_id,))
        row = tx.one("SELECT * FROM matches WHERE id = ?", (match_id,)) if open_rows else None
        if row is None:
            continue
        value = result_text(as_match(row))
        for each in (one for one in open_rows if not one["other_source"].startswith(SITE)):
            if each["other_value"] == value:
                _update(tx, each, {"resolved_us": tx.now_us, "value": value})
            elif each["value"] != value:
                _update(tx, each, {"value": value})


def decide(tx: Tx, match_id: str) -> None:
    """An office has set the result: every open discrepancy of the match is resolved."""
    sql = "SELECT * FROM discrepancies WHERE match_id = ? AND resolved_us IS NULL ORDER BY id"
    for row in tx.all(sql, (match_id,)):
        _update(tx, row, {"resolved_us": tx.now_us})


def discrepancies_of(tx: ReadTx, tournament_id: str, *, is_open: bool | None = None) -> list[dict[str, Any]]:
    """Newest first. `is_open`: None for all of them."""
    condition = {None: "", True: " AND resolved_us IS NULL", False: " AND resolved_us IS NOT NULL"}[is_open]
    sql = f"SELECT * FROM discrepancies WHERE tournament_id = ?{condition} ORDER BY created_us DESC, id DESC"
    return [shown(row) for row in tx.all(sql, (tournament_id,))]


def shown(row: Row) -> dict[str, Any]:
    names = ("id", "tournament_id", "match_id", "source", "value", "other_source", "other_value", "rev")
    instants = {
        "created_at": to_rfc3339(row["created_us"]),
        "resolved_at": optional_rfc3339(row["resolved_us"]),
    }
    return {**{name: row[name] for name in names}, **instants}


def _update(tx: Tx, row: Row, changes: dict[str, Any]) -> None:
    tx.update("discrepancies", row["id"], changes)
    _tell(tx, row["id"])


def _tell(tx: Tx, discrepancy_id: str) -> None:
    row = tx.one("SELECT * FROM discrepancies WHERE id = ?", (discrepancy_id,))
    assert row is not None
    subject = f"tournament:{row['tournament_id']}"
    tx.append(
        "discrepancy_changed", subject, {"tournament_id": row["tournament_id"], "discrepancy": shown(row)}
    )
