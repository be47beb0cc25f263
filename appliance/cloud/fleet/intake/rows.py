"""The rows that a site's events and snapshots make, many in one statement.

Owns: the SQL of `site_events` and `site_resources`. Every row of a resource holds (epoch_number, seq) of what
was applied last; an older event changes nothing, whenever it comes. Must not know: cursors, HTTP.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from appliance.cloud.fleet.intake.events import Change, SentEvent
from appliance.kernel.tx import Tx

Changes = Mapping[tuple[str, str], tuple[int, Change]]
"""By (kind, id): seq and the last change."""

_EVENT_COLUMNS: Final = (
    "site_id, epoch_number, seq, type, subject, session_id, box_clock, sha256, data, taken_us"
)
_RESOURCE_COLUMNS: Final = (
    "site_id, kind, id, session_id, resource, epoch_number, seq, deleted_us, updated_us"
)
_NEWER: Final = (
    "site_resources.epoch_number < excluded.epoch_number OR"
    " (site_resources.epoch_number = excluded.epoch_number AND site_resources.seq < excluded.seq)"
)
_APPLY: Final = (
    " ON CONFLICT (site_id, kind, id) DO UPDATE SET"
    " session_id = coalesce(excluded.session_id, site_resources.session_id),"
    " resource = CASE WHEN excluded.resource = '{}' THEN site_resources.resource ELSE excluded.resource END,"
    " counters = NULL, counters_epoch = 0, counters_seq = 0,"
    " epoch_number = excluded.epoch_number, seq = excluded.seq,"
    " deleted_us = excluded.deleted_us, missing_us = NULL, updated_us = excluded.updated_us"
    f" WHERE {_NEWER}"
)
_COUNT: Final = (
    "UPDATE site_resources SET counters = ?, counters_epoch = ?, counters_seq = ? WHERE site_id = ?"
    " AND kind = 'session' AND id = ?"
    " AND (epoch_number < ? OR (epoch_number = ? AND seq < ?))"
    " AND (counters_epoch < ? OR (counters_epoch = ? AND counters_seq < ?))"
)


def _values(rows: Sequence[Sequence[Any]]) -> tuple[str, list[Any]]:
    """(the VALUES of a statement, its parameters)."""
    one = "(" + ", ".join("?" * len(rows[0])) + ")"
    return ", ".join([one] * len(rows)), [value for row in rows for value in row]


def keep_events(tx: Tx, site_id: str, epoch_number: int, events: Sequence[SentEvent]) -> None:
    """The events as they came: the site's journal here."""
    rows = [
        (
            site_id,
            epoch_number,
            event.seq,
            event.type,
            event.subject,
            event.session_id,
            event.box_clock,
            event.sha256,
            event.data,
            tx.now_us,
        )
        for event in events
    ]
    marks, values = _values(rows)
    tx.run(f"INSERT INTO site_events ({_EVENT_COLUMNS}) VALUES {marks}", values)


def apply_changes(tx: Tx, site_id: str, epoch_number: int, changes: Changes) -> int:
    """What the events make of the site's resources; returns how many rows changed: fewer than `changes` when
    some are older than what was applied already."""
    if not changes:
        return 0
    rows = [
        (
            site_id,
            kind,
            row_id,
            change.session_id,
            change.resource if change.resource is not None else "{}",
            epoch_number,
            seq,
            tx.now_us if change.is_deleted else None,
            tx.now_us,
        )
        for (kind, row_id), (seq, change) in sorted(changes.items())
    ]
    marks, values = _values(rows)
    return tx.run(f"INSERT INTO site_resources ({_RESOURCE_COLUMNS}) VALUES {marks}{_APPLY}", values)


def apply_counters(tx: Tx, site_id: str, epoch_number: int, events: Sequence[SentEvent]) -> None:
    """The newest figures of each session, unless the session's own row is newer."""
    newest = {event.counters.session_id: event for event in events if event.counters is not None}
    for session_id, event in newest.items():
        assert event.counters is not None
        place = (epoch_number, epoch_number, event.seq)
        tx.run(_COUNT, (event.counters.text, epoch_number, event.seq, site_id, session_id, *place, *place))


def mark_missing(tx: Tx, site_id: str, epoch_number: int, as_of_seq: int) -> int:
    """What a snapshot lacked and no delete named: it is kept, and listed as missing at the box. Returns how
    many."""
    return tx.run(
        "UPDATE site_resources SET missing_us = ?, updated_us = ? WHERE site_id = ?"
        " AND deleted_us IS NULL AND missing_us IS NULL"
        " AND (epoch_number < ? OR (epoch_number = ? AND seq < ?))",
        (tx.now_us, tx.now_us, site_id, epoch_number, epoch_number, as_of_seq),
    )
