"""The videos of events as rows. Only this file and store.py of this folder write `sources`."""

from __future__ import annotations

from typing import Any

from appliance.cloud.breakdowns.sources.machine import SOURCE, SourceEvent, SourceState
from appliance.cloud.breakdowns.sources.model import source_resource
from appliance.kernel.tx import ReadTx, Row, Tx


def find_source(tx: ReadTx, source_id: str) -> Row | None:
    return tx.one("SELECT * FROM sources WHERE id = ?", (source_id,))


def usable_source(tx: ReadTx, event_id: str) -> Row | None:
    """The video that a new job of the event is made of: of several the one that was usable first."""
    return tx.one(
        "SELECT * FROM sources WHERE event_id = ? AND state = 'accepted'"
        " ORDER BY accepted_us NULLS LAST, id LIMIT 1",
        (event_id,),
    )


def is_locked(tx: ReadTx, event_id: str) -> bool:
    """Whether the videos of the event can no longer be changed: one of them is being logged, or was."""
    sql = "SELECT 1 FROM sources WHERE event_id = ? AND state = 'locked' LIMIT 1"
    return tx.value(sql, (event_id,)) is not None


def move_source(tx: Tx, row: Row, event: SourceEvent, **changes: Any) -> Row:
    """Take the step, with these changes of other columns; the row as it is now. Raises Refused 409."""
    after = SOURCE.next(SourceState(row["state"]), event)
    if after == row["state"] and not changes:
        return row
    row = tx.updated("sources", row, {"state": str(after), **changes})
    journal_source(tx, row)
    return row


def journal_source(tx: Tx, row: Row) -> None:
    tx.append(
        "source_changed",
        f"source:{row['id']}",
        {"source_id": row["id"], "event_id": row["event_id"], "source": source_resource(row)},
    )
