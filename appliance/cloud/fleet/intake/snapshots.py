"""Snapshots: everything a box has, in parts, where the cloud cannot go on from what it holds.

A snapshot never deletes. It brings the resources there are and the ids that were deleted; what it lacks is
kept and marked as missing at the box. Parts may be sent again; so may a commit, which begins the epoch and
applies the parts one by one. One that is cut goes on where it was when it is asked for again: that its parts
were checked, and how many were applied, is kept as part 0. Only this file writes
`site_snapshots` and their parts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Final

from pydantic import Field

from appliance.cloud.fleet.intake import epochs
from appliance.cloud.fleet.intake.events import SEQ_MAX, Change, snapshot_change
from appliance.cloud.fleet.intake.rows import apply_changes, mark_missing
from appliance.cloud.fleet.sites import bound_site, is_open, journal_site, load_site
from appliance.kernel import json
from appliance.kernel.errors import Refused, invalid, not_found
from appliance.kernel.fields import Input
from appliance.kernel.ids import new_uuid
from appliance.kernel.store import Store
from appliance.kernel.tx import ReadTx, Row, Tx

PART_BYTES: Final = 2**20
PARTS_MAX: Final = 20_000
_COMMIT: Final = 0  # number of the row that says how far a commit is; `sha256`: of all parts
_REASON_MAX: Final = 300


class SnapshotIn(Input):
    """POST /edge/v1/snapshots. `reason`: why it is needed, for people."""

    epoch: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
    as_of_seq: Annotated[int, Field(ge=0, le=SEQ_MAX)]
    reason: Annotated[str, Field(max_length=_REASON_MAX)] = ""


class CommitIn(Input):
    """POST /edge/v1/snapshots/{id}/commit. `sha256`: of all parts in order, joined."""

    parts: Annotated[int, Field(ge=0, le=PARTS_MAX)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a request says it is: its site, its machine, and the snapshot."""

    site_id: str
    box_id: str
    snapshot_id: str = ""


def begin_snapshot(tx: Tx, place: Place, body: SnapshotIn) -> dict[str, Any]:
    """A new one; an unfinished one before it is dropped. Raises Refused 409."""
    may_begin = is_open(tx, place.site_id)
    site = bound_site(tx, place.site_id, place.box_id)
    _check_epoch(tx, site, body.epoch, body.as_of_seq, may_begin)
    unfinished = "SELECT id FROM site_snapshots WHERE site_id = ? AND committed_us IS NULL"
    for row in tx.all(unfinished, (site["id"],)):
        _drop_parts(tx, row["id"])
        tx.run("DELETE FROM site_snapshots WHERE id = ?", (row["id"],))
    snapshot = {
        "id": new_uuid(),
        "site_id": site["id"],
        "epoch": body.epoch,
        "as_of_seq": body.as_of_seq,
        "reason": body.reason,
        "box_id": place.box_id,
        "created_us": tx.now_us,
        "committed_us": None,
    }
    tx.insert("site_snapshots", snapshot)
    return {"id": snapshot["id"], "part_bytes": PART_BYTES, "parts_max": PARTS_MAX}


def _check_epoch(tx: ReadTx, site: Row, epoch: str, as_of_seq: int, may_begin: bool = False) -> None:
    """A snapshot begins an epoch that never was, or brings the current one forward."""
    current = epochs.current_epoch(tx, site)
    is_current = current is not None and current["epoch"] == epoch
    if not is_current and epochs.find_epoch(tx, site["id"], epoch) is not None:
        raise epochs.superseded(tx, site["id"], epoch, may_begin=may_begin)
    if current is not None and is_current and as_of_seq < current["cursor"]:
        detail = f"entries up to {current['cursor']} of this epoch were taken"
        raise Refused(
            409, "snapshot_too_old", detail, "take a new epoch", extra={"cursor": current["cursor"]}
        )


def put_part(tx: Tx, place: Place, number: int, text: str) -> dict[str, Any]:
    """Keep a part; the same one again changes nothing. Raises Refused."""
    _open_snapshot(tx, place)
    if not 1 <= number <= PARTS_MAX:
        raise invalid("number", f"must be between 1 and {PARTS_MAX}")
    digest = hashlib.sha256(text.encode()).hexdigest()
    if _applied(tx, place) is not None:
        raise Refused(409, "committing", "the snapshot is being applied", "ask for its commit again")
    tx.run(
        "INSERT INTO site_snapshot_parts (snapshot_id, number, sha256, body) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (snapshot_id, number) DO UPDATE SET sha256 = excluded.sha256, body = excluded.body",
        (place.snapshot_id, number, digest, text),
    )
    return {"number": number, "sha256": digest}


def read_part(body: bytes) -> str:
    """The text of a part whose every line can be applied: PART_BYTES at most, or one larger resource alone.
    Raises Refused 413, or 422 naming the line."""
    if len(body) > PART_BYTES and body.count(b"\n", 0, -1):
        detail = f"a part may have {PART_BYTES} bytes, or one larger resource"
        raise Refused(413, "too_large", detail, "send less", extra={"limit_bytes": PART_BYTES})
    for number, line in enumerate(body.split(b"\n"), start=1):
        try:
            if line:
                snapshot_change(json.decode_long(line))
        except ValueError as error:
            raise invalid(f"line {number}", str(error)[:200]) from None
    return body.decode()


async def commit_snapshot(store: Store, place: Place, body: CommitIn) -> dict[str, Any]:
    """Begin the epoch and apply all parts. The same commit again is answered alike. Raises Refused:
    409 `parts_differ` when a part is missing or another one."""
    snapshot = await store.read(partial(_snapshot, place=place))
    if snapshot["committed_us"] is None:
        applied = await store.read(partial(_applied, place=place, body=body))
        if applied is None:
            await store.read(partial(_check_parts, place=place, body=body))
            await store.write(partial(_start, place=place, body=body))
        for number in range((applied or 0) + 1, body.parts + 1):
            await store.write(partial(_apply_part, place=place, number=number))
    return await store.write(partial(_finish, place=place))


def _applied(tx: ReadTx, place: Place, body: CommitIn | None = None) -> int | None:
    """Up to which part it was applied; None: its parts were not checked yet. Raises Refused 409: `body` is
    another commit than the one that was begun."""
    sql = "SELECT sha256, body FROM site_snapshot_parts WHERE snapshot_id = ? AND number = ?"
    row = tx.one(sql, (place.snapshot_id, _COMMIT))
    if row is None:
        return None
    if body is not None and row["sha256"] != body.sha256:
        raise Refused(409, "parts_differ", "it is being applied with another sha256", "begin it again")
    return int(row["body"])


def _check_parts(tx: ReadTx, place: Place, body: CommitIn) -> None:
    digest, number = hashlib.sha256(), 0
    sql = "SELECT body FROM site_snapshot_parts WHERE snapshot_id = ? AND number = ?"
    for number in range(1, body.parts + 1):
        text = tx.value(sql, (place.snapshot_id, number))
        if text is None:
            break
        digest.update(text.encode())
    counted = "SELECT count(*) FROM site_snapshot_parts WHERE snapshot_id = ? AND number <> ?"
    count = tx.value(counted, (place.snapshot_id, _COMMIT))
    if count != body.parts or number != body.parts or digest.hexdigest() != body.sha256:
        detail = f"{count} parts are here, and they are not the {body.parts} of this sha256"
        raise Refused(409, "parts_differ", detail, "begin the snapshot again", extra={"parts": count})


def _start(tx: Tx, place: Place, body: CommitIn) -> None:
    """Make the epoch the current one before the first part changes a row, so that another copy of the box
    learns at once that its events no longer count. Its own box sends none before the commit is answered."""
    snapshot, site = _open_snapshot(tx, place), bound_site(tx, place.site_id, place.box_id)
    as_of_seq = snapshot["as_of_seq"]
    _check_epoch(tx, site, snapshot["epoch"], as_of_seq)
    current = epochs.current_epoch(tx, site)
    if current is None or current["epoch"] != snapshot["epoch"]:
        name, reason = snapshot["epoch"], snapshot["reason"]
        epochs.begin_epoch(tx, site, name, place.box_id, cursor=as_of_seq, reason=reason)
    tx.run(
        "INSERT INTO site_snapshot_parts (snapshot_id, number, sha256, body) VALUES (?, ?, ?, '0')"
        " ON CONFLICT (snapshot_id, number) DO NOTHING",  # the same commit, asked for twice at once
        (place.snapshot_id, _COMMIT, body.sha256),
    )


def _current(tx: ReadTx, place: Place, snapshot: Row) -> Row:
    """The snapshot's epoch. Raises Refused 409: it is no longer the current one."""
    epoch = epochs.current_epoch(tx, load_site(tx, place.site_id))
    if epoch is None or epoch["epoch"] != snapshot["epoch"]:
        raise epochs.superseded(tx, place.site_id, snapshot["epoch"])
    return epoch


def _apply_part(tx: Tx, place: Place, number: int) -> None:
    """Raises Refused: the epoch changed meanwhile."""
    snapshot = _open_snapshot(tx, place)
    epoch = _current(tx, place, snapshot)
    sql = "SELECT body FROM site_snapshot_parts WHERE snapshot_id = ? AND number = ?"
    text = tx.value(sql, (place.snapshot_id, number))
    changes: dict[tuple[str, str], tuple[int, Change]] = {}
    for line in str(text).split("\n"):
        if line:
            change = snapshot_change(json.decode_long(line.encode()))
            changes[change.kind, change.id] = (snapshot["as_of_seq"], change)
    for chunk in _chunks(sorted(changes)):
        apply_changes(tx, place.site_id, epoch["number"], {key: changes[key] for key in chunk})
    sql = "UPDATE site_snapshot_parts SET body = ? WHERE snapshot_id = ? AND number = ?"
    tx.run(sql, (str(number), place.snapshot_id, _COMMIT))


def _chunks(keys: Sequence[tuple[str, str]], size: int = 500) -> list[Sequence[tuple[str, str]]]:
    return [keys[at : at + size] for at in range(0, len(keys), size)]


def _finish(tx: Tx, place: Place) -> dict[str, Any]:
    snapshot = _snapshot(tx, place)
    as_of_seq = snapshot["as_of_seq"]
    if snapshot["committed_us"] is not None:
        return {"acked_through": as_of_seq, "epoch": snapshot["epoch"]}
    epoch = _current(tx, place, snapshot)
    epochs.move_epoch(tx, epoch, cursor=as_of_seq, sha256="", failures=0)
    missing = mark_missing(tx, place.site_id, epoch["number"], as_of_seq)
    if missing:
        reason = snapshot["reason"] or "no reason given"
        trouble = (
            f"the box lacks {missing} resources that were sent before ({reason}):"
            " they are kept, and listed by GET /fleet/v1/sites/{id}/resources?missing=1"
        )
        epochs.note_first_trouble(tx, place.site_id, trouble)
    tx.run("UPDATE site_snapshots SET committed_us = ? WHERE id = ?", (tx.now_us, snapshot["id"]))
    _drop_parts(tx, snapshot["id"])
    journal_site(tx, "site_snapshot_taken", place.site_id, missing=missing)
    return {"acked_through": as_of_seq, "epoch": snapshot["epoch"], "missing_at_box": missing}


def _drop_parts(tx: Tx, snapshot_id: str) -> None:
    tx.run("DELETE FROM site_snapshot_parts WHERE snapshot_id = ?", (snapshot_id,))


def _snapshot(tx: ReadTx, place: Place) -> Row:
    """Raises Refused 404: of another site or machine too."""
    sql = "SELECT * FROM site_snapshots WHERE id = ? AND site_id = ? AND box_id = ?"
    row = tx.one(sql, (place.snapshot_id, place.site_id, place.box_id))
    if row is None:
        raise not_found("snapshot", place.snapshot_id)
    return row


def _open_snapshot(tx: ReadTx, place: Place) -> Row:
    row = _snapshot(tx, place)
    if row["committed_us"] is not None:
        raise Refused(409, "committed", f"snapshot {place.snapshot_id} was committed", "send events")
    return row
