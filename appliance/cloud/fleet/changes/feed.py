"""Reading a site's changes: from a cursor, or all of them.

Owns: whether a cursor is still valid, and the size of pages. A page reads resources as they are now, in one
read transaction with the journal's head: what changed several times comes once. Must not know: requests, how
changes come about (scope.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from appliance.cloud.fleet.changes.kinds import KIND
from appliance.cloud.fleet.changes.model import Cursor, entry_mark, expired, parse_cursor
from appliance.kernel import json
from appliance.kernel.errors import invalid
from appliance.kernel.tx import ReadTx, Row

PAGE: Final = 500
PAGE_BYTES: Final = 1024 * 1024  # one larger resource comes alone
_START: Final = "0"  # mark of the place before the first entry


def read_changes(tx: ReadTx, site_id: str, cursor: str) -> dict[str, Any]:
    """What has changed for the site since the cursor, oldest first. Raises Refused 410."""
    since = _checked(tx, parse_cursor(cursor))
    rows = tx.all(
        "SELECT kind, subject_id, seq, is_removed FROM site_scope WHERE site_id = ? AND seq > ?"
        f" ORDER BY seq LIMIT {PAGE + 1}",
        (site_id, since),
    )
    changes = _changes(tx, rows)
    more = len(changes) < len(rows)
    seq = changes[-1]["seq"] if more else tx.head()
    return {"site_id": site_id, "changes": changes, "cursor": str(_cursor_at(tx, seq)), "more": more}


def read_snapshot(tx: ReadTx, site_id: str, page: str | None) -> dict[str, Any]:
    """A page of all that concerns the site now, by kind and id. Raises Refused 422."""
    kind, _, subject_id = (page or "").partition(":")
    if page is not None and kind not in KIND:
        raise invalid("page", "is not the `next` of a snapshot")
    rows = tx.all(
        "SELECT kind, subject_id, seq, is_removed FROM site_scope WHERE site_id = ? AND is_removed = 0"
        f" AND (kind, subject_id) > (?, ?) ORDER BY kind, subject_id LIMIT {PAGE + 1}",
        (site_id, kind, subject_id),
    )
    changes = _changes(tx, rows)
    last = rows[len(changes) - 1] if len(changes) < len(rows) else None
    following = None if last is None else f"{last['kind']}:{last['subject_id']}"
    return {
        "site_id": site_id,
        "changes": changes,
        "cursor": str(_cursor_at(tx, tx.head())),
        "next": following,
    }


def _changes(tx: ReadTx, rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The first of these rows with their resources: at most PAGE, and PAGE_BYTES."""
    changes: list[dict[str, Any]] = []
    size = 0
    for row in rows[:PAGE]:
        change = _change(tx, row)
        size += len(json.encode(change))
        if changes and size > PAGE_BYTES:
            break
        changes.append(change)
    return changes


def _change(tx: ReadTx, row: Row) -> dict[str, Any]:
    """A kind that this release does not know (rows of a newer process) is a tombstone for it."""
    kind = KIND.get(row["kind"])
    is_shown = kind is not None and not row["is_removed"]
    resource = kind.read(tx, row["subject_id"]) if kind is not None and is_shown else None
    return {"seq": row["seq"], "kind": row["kind"], "id": row["subject_id"], "resource": resource}


def _checked(tx: ReadTx, cursor: Cursor) -> int:
    """The seq from which changes go on. Raises Refused 410."""
    if cursor.epoch != _epoch(tx):
        raise expired("this cursor is of another database")
    if cursor.seq > tx.head():
        raise expired("this cursor is ahead: the database was restored from a copy")
    mark = _mark(tx, cursor.seq)
    if mark is None:
        raise expired("this cursor is too old: its place in the journal is no longer kept")
    if mark != cursor.mark:
        raise expired("another change is at this cursor's place: the database was restored from a copy")
    return cursor.seq


def _cursor_at(tx: ReadTx, seq: int) -> Cursor:
    mark = _mark(tx, seq)
    assert mark is not None  # the newest entry and those of live rows that were just read
    return Cursor(_epoch(tx), seq, mark)


def _epoch(tx: ReadTx) -> str:
    return str(tx.value("SELECT value FROM meta WHERE key = 'epoch'"))


def _mark(tx: ReadTx, seq: int) -> str | None:
    """Of the entry at `seq`; None: it is not kept, or entries after it are not."""
    if seq == 0:
        return _START if tx.head() == 0 or _mark(tx, 1) is not None else None
    row = tx.one("SELECT ts_us, type, subject, body FROM journal WHERE seq = ?", (seq,))
    return None if row is None else entry_mark(row["ts_us"], row["type"], row["subject"], row["body"])
