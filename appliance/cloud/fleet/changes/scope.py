"""Which resources concern which site, and when each of them changed last for it.

Owns: the table site_scope. Each change of a row of it appends one journal entry with the subject
`site_scope:<site_id>`: its seq orders the changes of a site, and it wakes the requests that wait for them.
The row of a resource that no longer concerns the site stays as a tombstone until no cursor can be older. Must
not know: requests, the wire format.
"""

from __future__ import annotations

from typing import Final

from appliance.cloud.fleet.changes.kinds import CONCERNS, DECIDES, KINDS, SITES_OF_COPIES, WINDOW_US, Kind
from appliance.kernel.tx import ReadTx, Row, Tx

CHANGED: Final = "site_scope_changed"
FORGET_MAX: Final = 500  # tombstones in one transaction


def subject_of(site_id: str) -> str:
    """The subject of the entries about a site's scope."""
    return f"site_scope:{site_id}"


def resource_changed(tx: Tx, kind: str, row: Row, before: Row | None) -> None:
    """Part of the transaction that made or changed a row of any domain."""
    versions = [row] if before is None else [row, before]
    for shown in KINDS:
        if (shows := shown.shows.get(kind)) is not None:
            for value in dict.fromkeys(version[shows.column] for version in versions):
                _touch(tx, shown, shows.condition, value)
    if (column := DECIDES.get(kind)) is not None:
        for site_id in dict.fromkeys(version[column] for version in versions):
            if site_id is not None:
                refresh(tx, site_id)
    if (concerned := CONCERNS.get(kind)) is not None:
        for found in tx.all(concerned, {"id": row["id"]}):
            refresh(tx, found["site_id"])


def refresh(tx: Tx, site_id: str) -> int:
    """Add what concerns the site now and remove what does not; the number of changes."""
    count = 0
    for kind in KINDS:
        wanted, known = _members(tx, kind, site_id), _known(tx, kind, site_id)
        for subject_id in sorted(wanted):
            if known.get(subject_id, 1):
                _put(tx, site_id, kind, subject_id, is_removed=0)
                count += 1
        for subject_id, is_removed in known.items():
            if not is_removed and subject_id not in wanted:
                _put(tx, site_id, kind, subject_id, is_removed=1)
                count += 1
    return count


def sites_to_refresh(tx: ReadTx) -> list[str]:
    """Sites for which an event came into the window of time or left it, or whose Local Copies are now wanted
    or no longer."""
    rows = tx.all(SITES_OF_COPIES) + tx.all(
        "SELECT DISTINCT events.site_id FROM events"
        " LEFT JOIN site_scope ON site_scope.site_id = events.site_id"
        " AND site_scope.kind = 'event' AND site_scope.subject_id = events.id"
        " WHERE events.site_id IS NOT NULL AND events.deleted_us IS NULL AND ("
        "(events.kickoff_us >= :since AND events.kickoff_us < :until"
        " AND (site_scope.seq IS NULL OR site_scope.is_removed = 1))"
        " OR (site_scope.is_removed = 0 AND (events.kickoff_us < :since OR events.kickoff_us >= :until)))"
        " ORDER BY events.site_id NULLS FIRST",
        _window(tx),
    )
    return list(dict.fromkeys(row["site_id"] for row in rows))


def forget_removed(tx: Tx) -> int:
    """Delete tombstones that every valid cursor has passed: the journal begins after them."""
    due = "SELECT seq FROM site_scope WHERE is_removed = 1 AND seq < (SELECT min(seq) FROM journal)"
    return tx.run(f"DELETE FROM site_scope WHERE seq IN ({due} ORDER BY seq LIMIT {FORGET_MAX})")


def _touch(tx: Tx, kind: Kind, condition: str, value: str) -> None:
    """The resources of a kind that show a changed row: every site that has one gets it again."""
    rows = tx.all(
        "SELECT site_id, subject_id FROM site_scope WHERE kind = ? AND is_removed = 0"
        f" AND {condition} ORDER BY site_id, subject_id",
        (kind.name, *[value] * condition.count("?")),
    )
    for row in rows:
        _put(tx, row["site_id"], kind, row["subject_id"], is_removed=0)


def _put(tx: Tx, site_id: str, kind: Kind, subject_id: str, *, is_removed: int) -> None:
    about = {"site_id": site_id, "kind": kind.name, "id": subject_id, "is_removed": bool(is_removed)}
    seq = tx.append(CHANGED, subject_of(site_id), about)
    tx.run(
        "INSERT INTO site_scope (site_id, kind, subject_id, seq, is_removed) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (site_id, kind, subject_id)"
        " DO UPDATE SET seq = excluded.seq, is_removed = excluded.is_removed",
        (site_id, kind.name, subject_id, seq, is_removed),
    )


def _members(tx: ReadTx, kind: Kind, site_id: str) -> set[str]:
    window = _window(tx)
    parameters = {name: window[name] for name in window if f":{name}" in kind.members}
    return {row["id"] for row in tx.all(kind.members, {"site": site_id, **parameters})}


def _known(tx: ReadTx, kind: Kind, site_id: str) -> dict[str, int]:
    """`is_removed` by the id of each resource that the site has, or had."""
    sql = "SELECT subject_id, is_removed FROM site_scope WHERE site_id = ? AND kind = ? ORDER BY subject_id"
    return {row["subject_id"]: row["is_removed"] for row in tx.all(sql, (site_id, kind.name))}


def _window(tx: ReadTx) -> dict[str, int]:
    return {"since": tx.now_us - WINDOW_US, "until": tx.now_us + WINDOW_US}
