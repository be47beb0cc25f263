"""Transactions on uploads and their parts. Only this file writes `uploads` and `upload_parts`.

Of an upload one process at a time stores bytes or joins them: under its lease, which is checked in the
transaction that makes them count. A part's row is written before its object, so that every object that may be
there is known; it counts once it has a size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from appliance.cloud.uploads.machine import UPLOAD, UploadEvent, UploadState
from appliance.cloud.uploads.model import UploadMetadata, UploadsQuery, upload_resource
from appliance.cloud.uploads.owners import owner_for, owners_of
from appliance.domain import resource_changed
from appliance.kernel.clock import DAY_US
from appliance.kernel.errors import Refused, gone, not_found
from appliance.kernel.ids import new_uuid
from appliance.kernel.leases import Lease, check_lease, release_lease, take_lease
from appliance.kernel.operation import Answer, Caller
from appliance.kernel.paging import list_page
from appliance.kernel.tx import ReadTx, Row, Tx

KIND: Final = "upload"  # of leases
KEEP_US: Final = 60 * DAY_US  # an upload that gets no byte for so long is given up
ENDED_KEEP_US: Final = 30 * DAY_US  # rows of those that came to nothing
PARTS_MAX: Final = 100_000  # objects of one upload: 800 GB in parts of 8 MiB
SWEEP_MAX: Final = 100  # uploads in one transaction
_UNFINISHED: Final = (UploadState.RECEIVING, UploadState.JOINING)
_LOST: Final = (UploadState.FAILED, UploadState.EXPIRED, UploadState.DELETED)


@dataclass(frozen=True, slots=True)
class Part:
    """One object of an upload. `number`: 0 for none."""

    number: int
    object_key: str
    start_byte: int
    size_bytes: int


# -- by its sender -----------------------------------------------------------------------------------------


def create_upload(tx: Tx, caller: Caller, length: int, metadata: UploadMetadata, max_bytes: int) -> Answer:
    """A new one of `length` bytes; an empty file waits for the join at once. Raises Refused: 413 too large
    for itself, 507 with its owner's others, 422 for an event."""
    owner = owner_for(tx, caller, metadata)
    if length > max_bytes:
        detail = f"a file may have {max_bytes} bytes"
        raise Refused(413, "too_large", detail, "send less", extra={"limit_bytes": max_bytes})
    _require_room(tx, owner, length, max_bytes)
    row: dict[str, Any] = {
        "id": new_uuid(),
        "owner": owner,
        **metadata.model_dump(include={"kind", "filename", "event_id", "session_id", "clip_id"}),
        "channel_id": metadata.channel_id,
        "length": length,
        "received": 0,
        "state": UploadState.RECEIVING if length else UploadState.JOINING,
        "wanted_sha256": metadata.sha256,
        "sha256": None,
        "reason": "",
        "until_us": tx.now_us + KEEP_US,
        "created_by": caller.device,
        "created_us": tx.now_us,
        "updated_us": tx.now_us,
    }
    tx.create("uploads", row)
    return Answer(201, _journal(tx, "upload_created", row["id"]))


def _require_room(tx: ReadTx, owner: str, length: int, max_bytes: int) -> None:
    sql = (
        "SELECT CAST(coalesce(sum(length), 0) AS BIGINT) FROM uploads WHERE owner = ?"
        " AND state IN (?, ?) AND deleted_us IS NULL"
    )
    taken = tx.value(sql, (owner, *_UNFINISHED))
    if taken + length > max_bytes:
        detail = f"the uploads of {owner} that are not complete would have more than {max_bytes} bytes"
        hint = "finish or delete some of them first"
        raise Refused(507, "uploads_full", detail, hint, extra={"taken": taken, "limit_bytes": max_bytes})


def visible_upload(tx: ReadTx, caller: Caller, upload_id: str) -> Row:
    """Raises Refused 404, also for another's; 410: it was deleted or given up."""
    row = tx.one("SELECT * FROM uploads WHERE id = ?", (upload_id,))
    owners = owners_of(caller)
    if row is None or (owners is not None and row["owner"] not in owners):
        raise not_found("upload", upload_id)
    if row["deleted_us"] is not None:
        raise gone("upload", upload_id)
    return row


def list_uploads(tx: ReadTx, caller: Caller, query: UploadsQuery) -> dict[str, Any]:
    """What the caller sees, in the order in which it was begun."""
    owners = owners_of(caller)
    where: list[tuple[str, tuple[Any, ...]]] = []
    if owners is not None:
        marks = ", ".join("?" * len(owners)) or "NULL"
        where.append((f"owner IN ({marks})", tuple(owners)))
    for name in ("state", "event_id", "session_id"):
        if (value := getattr(query, name)) is not None:
            where.append((f"{name} = ?", (value,)))
    return list_page(
        tx,
        query,
        table="uploads",
        key="created_us",
        where=where,
        resource=lambda _, row: upload_resource(row),
    )


def delete_upload(tx: Tx, caller: Caller, upload_id: str, owner: str) -> None:
    """`owner`: this process, for the lease. Raises Refused: 409 it is being joined or complete, 423 a PATCH
    of it is under way."""
    row = visible_upload(tx, caller, upload_id)
    UPLOAD.next(UploadState(row["state"]), UploadEvent.DELETE)
    lease = take_lease(tx, KIND, upload_id, owner)
    if lease is None:
        raise locked(upload_id)
    release_lease(tx, lease)
    _end(tx, row, UploadEvent.DELETE, deleted_us=tx.now_us)


def locked(upload_id: str) -> Refused:
    detail = f"another request sends bytes of upload {upload_id}, or did within the last half minute"
    return Refused(423, "upload_locked", detail, "ask for its offset by HEAD, then send from there")


# -- bytes -------------------------------------------------------------------------------------------------


def begin_part(tx: Tx, lease: Lease, start_byte: int) -> Part:
    """The row of an object that is about to be made. Raises LeaseLost, Refused 409."""
    check_lease(tx, lease)
    row = _load(tx, lease.subject)
    if row["state"] != UploadState.RECEIVING:
        raise no_longer_receiving(row)
    sql = "SELECT max(number) FROM upload_parts WHERE upload_id = ?"
    number = (tx.value(sql, (row["id"],)) or 0) + 1
    if number > PARTS_MAX:
        detail = f"it came in more than {PARTS_MAX} pieces"
        raise Refused(409, "too_many_parts", detail, "begin a new upload, and send more in each PATCH")
    taken = "SELECT 1 FROM upload_parts WHERE upload_id = ? AND start_byte = ?"
    is_again = tx.value(taken, (row["id"], start_byte)) is not None
    key = f"uploads/{row['id']}/{start_byte}" + (f".{number}" if is_again else "")
    part = {"upload_id": row["id"], "number": number, "object_key": key, "start_byte": start_byte}
    tx.insert("upload_parts", {**part, "size_bytes": None})
    return Part(number, key, start_byte, 0)


def count_parts(tx: Tx, lease: Lease, parts: Sequence[Part]) -> int:
    """Let these parts, whose objects are durable, count; returns the new offset. Raises LeaseLost."""
    check_lease(tx, lease)
    row = _load(tx, lease.subject)
    received: int = row["received"]
    for part in parts:
        if part.start_byte != received:
            raise ValueError(f"part {part.number} begins at {part.start_byte}, not at {received}")
        sql = "UPDATE upload_parts SET size_bytes = ? WHERE upload_id = ? AND number = ?"
        tx.run(sql, (part.size_bytes, row["id"], part.number))
        received += part.size_bytes
    changes: dict[str, Any] = {"received": received, "until_us": tx.now_us + KEEP_US}
    is_full = received == row["length"]
    if is_full:
        changes["state"] = UPLOAD.next(UploadState(row["state"]), UploadEvent.FILL)
    tx.update("uploads", row["id"], changes)
    if is_full:
        _journal(tx, "upload_received", row["id"])
    return received


def no_longer_receiving(row: Row) -> Refused:
    detail = f"this upload is {row['state']}"
    return Refused(409, "upload_ended", detail, "begin a new one", extra={"state": row["state"]})


# -- the join ----------------------------------------------------------------------------------------------


def due_to_join(tx: ReadTx, limit: int) -> list[str]:
    """Uploads that have all their bytes and that no process joins, the oldest first."""
    sql = (
        "SELECT u.id FROM uploads u LEFT JOIN leases l ON l.kind = ? AND l.subject = u.id"
        " WHERE u.state = ? AND coalesce(l.until_us, 0) <= ? ORDER BY u.created_us, u.id LIMIT ?"
    )
    return [row["id"] for row in tx.all(sql, (KIND, UploadState.JOINING, tx.now_us, limit))]


def read_upload(tx: ReadTx, upload_id: str) -> tuple[Row, list[Part]]:
    """The row, and the parts that count, in the order of the file."""
    sql = (
        "SELECT number, object_key, start_byte, size_bytes FROM upload_parts"
        " WHERE upload_id = ? AND size_bytes IS NOT NULL ORDER BY start_byte, number"
    )
    return _load(tx, upload_id), [Part(**row) for row in tx.all(sql, (upload_id,))]


def complete_upload(tx: Tx, lease: Lease, sha256: str) -> None:
    """Its object exists now. Raises LeaseLost."""
    check_lease(tx, lease)
    row = _load(tx, lease.subject)
    if row["state"] == UploadState.JOINING:
        _end(tx, row, UploadEvent.JOIN, sha256=sha256)


def fail_upload(tx: Tx, lease: Lease, reason: str) -> None:
    """What came is not what was declared. Raises LeaseLost."""
    check_lease(tx, lease)
    row = _load(tx, lease.subject)
    if row["state"] == UploadState.JOINING:
        _end(tx, row, UploadEvent.FAIL, reason=reason)


# -- what is left over -------------------------------------------------------------------------------------


def expire_uploads(tx: Tx, owner: str) -> int:
    """Give up those that got no byte for KEEP_US. `owner`: of the lease, as always."""
    sql = (
        "SELECT * FROM uploads WHERE state = ? AND until_us <= ? AND deleted_us IS NULL"
        " ORDER BY until_us, id LIMIT ?"
    )
    rows = tx.all(sql, (UploadState.RECEIVING, tx.now_us, SWEEP_MAX))
    count = 0
    for row in rows:
        lease = take_lease(tx, KIND, row["id"], owner)
        if lease is not None:
            release_lease(tx, lease)
            _end(tx, row, UploadEvent.EXPIRE, deleted_us=tx.now_us)
            count += 1
    return count


def left_parts(tx: ReadTx, upload_id: str | None = None) -> list[tuple[str, list[Part]]]:
    """Uploads that have ended (or this one, if it has), each with the parts whose objects may be there."""
    where, values = ("", ()) if upload_id is None else (" AND u.id = ?", (upload_id,))
    sql = (
        "SELECT u.id FROM uploads u WHERE u.state NOT IN (?, ?)"
        " AND EXISTS (SELECT 1 FROM upload_parts p WHERE p.upload_id = u.id)"
        f"{where} ORDER BY u.id LIMIT ?"
    )
    ids = [row["id"] for row in tx.all(sql, (*_UNFINISHED, *values, SWEEP_MAX))]
    return [(upload_id, all_parts(tx, upload_id)) for upload_id in ids]


def all_parts(tx: ReadTx, upload_id: str) -> list[Part]:
    """Every part, also those that do not count."""
    sql = "SELECT * FROM upload_parts WHERE upload_id = ? ORDER BY number"
    return [
        Part(row["number"], row["object_key"], row["start_byte"], row["size_bytes"] or 0)
        for row in tx.all(sql, (upload_id,))
    ]


def forget_parts(tx: Tx, upload_id: str, parts: Sequence[Part]) -> None:
    """Their objects are gone."""
    for part in parts:
        sql = "DELETE FROM upload_parts WHERE upload_id = ? AND number = ?"
        tx.run(sql, (upload_id, part.number))


def prune_uploads(tx: Tx) -> int:
    """Delete rows of uploads that came to nothing ENDED_KEEP_US ago."""
    sql = (
        "SELECT id FROM uploads WHERE state IN (?, ?, ?) AND updated_us < ?"
        " AND NOT EXISTS (SELECT 1 FROM upload_parts p WHERE p.upload_id = uploads.id) ORDER BY id LIMIT ?"
    )
    rows = tx.all(sql, (*_LOST, tx.now_us - ENDED_KEEP_US, SWEEP_MAX))
    for row in rows:
        tx.run("DELETE FROM uploads WHERE id = ?", (row["id"],))
        tx.run("DELETE FROM leases WHERE kind = ? AND subject = ?", (KIND, row["id"]))
    return len(rows)


def _load(tx: ReadTx, upload_id: str) -> Row:
    row = tx.one("SELECT * FROM uploads WHERE id = ?", (upload_id,))
    if row is None:
        raise not_found("upload", upload_id)
    return row


def _end(tx: Tx, row: Row, event: UploadEvent, **changes: Any) -> None:
    state = UPLOAD.next(UploadState(row["state"]), event)
    tx.update("uploads", row["id"], {"state": state, **changes})
    words = {
        UploadEvent.JOIN: "upload_completed",
        UploadEvent.FAIL: "upload_failed",
        UploadEvent.EXPIRE: "upload_expired",
    }
    _journal(tx, words.get(event, "upload_deleted"), row["id"])
    resource_changed(tx, "upload", _load(tx, row["id"]), row, row["created_by"])


def _journal(tx: Tx, type_: str, upload_id: str) -> dict[str, Any]:
    """Append the whole upload; what other domains look for stands beside it."""
    resource = upload_resource(_load(tx, upload_id))
    named = {name: resource[name] for name in ("kind", "event_id", "session_id", "sha256")}
    body = {"upload_id": upload_id, **named, "bytes": resource["length"], "upload": resource}
    tx.append(type_, f"upload:{upload_id}", body)
    return resource
