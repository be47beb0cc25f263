"""The box's copies of what the cloud owns, and how far they are in step. Only this file writes `replicas` and
`sync_down`.

Owns: that any split, repetition, reordering or loss of answers gives the same rows. An answer counts only for
the cursor it was asked with, and a change only when it is newer than what is stored. Must not know: HTTP.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from appliance.box.sync.down.model import FORMAT, Answer, BadAnswer, Change, ReplicasQuery
from appliance.kernel import json
from appliance.kernel.clock import optional_rfc3339, to_rfc3339
from appliance.kernel.paging import list_page
from appliance.kernel.tx import ReadTx, Row, Tx

REPLICAS_MAX: Final = 20_000  # a site needs some hundreds
REFUSED_MAX: Final = 20  # resources that could not be read, of which the reason is kept

OnEvent = Callable[[Tx, dict[str, Any], dict[str, Any] | None], object]
"""Called for each event that is stored: (tx, the event, the event before; None: it is new)."""


@dataclass(frozen=True, slots=True)
class Position:
    """`cursor`: ""; a snapshot is needed. `as_of_us`: when the cloud confirmed the replicas last, box time.
    `refused`: what could not be read, by "kind id"."""

    cursor: str = ""
    as_of_us: int | None = None
    refused: tuple[tuple[str, str], ...] = ()


def position(tx: ReadTx, url: str) -> Position:
    """How far the replicas are in step with the cloud at `url`: with another one, or of another format, they
    begin with a snapshot."""
    row = tx.one("SELECT * FROM sync_down")
    if row is None:
        return Position()
    refused = tuple(json.decode_long(row["refused"].encode()).items())
    is_current = row["url"] == url and row["format"] == FORMAT
    return Position(row["cursor"] if is_current else "", row["as_of_us"], refused)


def forget_cursor(tx: Tx, url: str) -> None:
    """The cloud does not know the cursor any more: the replicas stay until a snapshot replaces them."""
    before = position(tx, url)
    _keep(tx, url, "", before.as_of_us, dict(before.refused))


def apply_changes(tx: Tx, url: str, asked: str, answer: Answer, on_event: OnEvent | None = None) -> bool:
    """Store an answer to the cursor `asked`; False: that is not where the replicas are any more. Raises
    BadAnswer when there would be too many."""
    before = position(tx, url)
    if before.cursor != asked:
        return False
    refused = dict(before.refused)
    for change in answer.changes:
        if change.refused:
            refused[f"{change.kind} {change.id}"] = change.refused
        elif _is_newer(tx, change):
            refused.pop(f"{change.kind} {change.id}", None)
            _store(tx, change, on_event)
    if answer.changes:
        _require_room(tx)
    _keep(tx, url, answer.cursor, tx.now_us, refused)
    return True


def apply_snapshot(
    tx: Tx, url: str, asked: str, pages: Sequence[Answer], on_event: OnEvent | None = None
) -> bool:
    """Replace the replicas by the pages of a snapshot; changes go on from the cursor of the first. One that
    cannot be read stays as it was. False: as in `apply_changes`."""
    if position(tx, url).cursor != asked:
        return False
    changes = [change for page in pages for change in page.changes]
    named = {(change.kind, change.id) for change in changes}
    for row in tx.all("SELECT kind, id FROM replicas"):
        if (row["kind"], row["id"]) not in named:
            _delete(tx, row["kind"], row["id"])
    for change in changes:
        if not change.refused:
            _store(tx, change, on_event)
    refused = {f"{change.kind} {change.id}": change.refused for change in changes if change.refused}
    _require_room(tx)
    _keep(tx, url, pages[0].cursor, tx.now_us, refused)
    return True


def list_replicas(tx: ReadTx, query: ReplicasQuery) -> dict[str, Any]:
    """A page of them, in the order of their last change."""
    where = [] if query.kind is None else [("kind = ?", (query.kind,))]
    page = list_page(tx, query, table="replicas", key="seq", where=where, resource=_shown, gone="NULL")
    as_of_us = tx.value("SELECT as_of_us FROM sync_down")
    return {**page, "as_of": optional_rfc3339(as_of_us)}


def events(tx: ReadTx) -> list[dict[str, Any]]:
    """Every event that is stored."""
    rows = tx.all("SELECT resource FROM replicas WHERE kind = 'event' ORDER BY id")
    return [json.decode_long(row["resource"].encode()) for row in rows]


def _require_room(tx: ReadTx) -> None:
    """Raises BadAnswer: then nothing of the answer is stored."""
    if tx.value("SELECT count(*) FROM replicas") > REPLICAS_MAX:
        raise BadAnswer(f"the cloud sends more than {REPLICAS_MAX} rows for this site")


def _is_newer(tx: ReadTx, change: Change) -> bool:
    seq = tx.value("SELECT seq FROM replicas WHERE kind = ? AND id = ?", (change.kind, change.id))
    return seq is None or change.seq > seq


def _store(tx: Tx, change: Change, on_event: OnEvent | None) -> None:
    if change.resource is None:
        _delete(tx, change.kind, change.id)
        return
    key = (change.kind, change.id)
    before = tx.value("SELECT resource FROM replicas WHERE kind = ? AND id = ?", key)
    tx.run(
        "INSERT INTO replicas (kind, id, seq, resource, changed_us) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (kind, id) DO UPDATE"
        " SET seq = excluded.seq, resource = excluded.resource, changed_us = excluded.changed_us",
        (*key, change.seq, change.resource, tx.now_us),
    )
    if on_event is not None and change.kind == "event":
        old = None if before is None else json.decode_long(before.encode())
        on_event(tx, json.decode_long(change.resource.encode()), old)


def _delete(tx: Tx, kind: str, replica_id: str) -> None:
    tx.run("DELETE FROM replicas WHERE kind = ? AND id = ?", (kind, replica_id))


def _keep(tx: Tx, url: str, cursor: str, as_of_us: int | None, refused: dict[str, str]) -> None:
    newest = dict(list(refused.items())[-REFUSED_MAX:])
    tx.run(
        "INSERT INTO sync_down (id, url, format, cursor, as_of_us, refused) VALUES (1, ?, ?, ?, ?, ?)"
        " ON CONFLICT (id) DO UPDATE SET url = excluded.url, format = excluded.format,"
        " cursor = excluded.cursor, as_of_us = excluded.as_of_us, refused = excluded.refused",
        (url, FORMAT, cursor, as_of_us, json.encode(newest).decode()),
    )


def _shown(tx: ReadTx, row: Row) -> dict[str, Any]:
    session_id = None
    if row["kind"] == "event":
        sql = "SELECT id FROM sessions WHERE event_id = ? AND deleted_us IS NULL"
        session_id = tx.value(sql, (row["id"],))
    return {
        "kind": row["kind"],
        "id": row["id"],
        "resource": json.decode_long(row["resource"].encode()),
        "session_id": session_id,
        "changed_at": to_rfc3339(row["changed_us"]),
    }
