"""Rows by id: live, deleted, or made by an earlier request with this id.

Tables are named `<kind>s`; a deleted row stays, with the time in `gone` (a column).
"""

from __future__ import annotations

from appliance.kernel.clock import DAY_US
from appliance.kernel.errors import gone as deleted
from appliance.kernel.errors import id_reused, not_found
from appliance.kernel.tx import ReadTx, Row

UNDO_US = DAY_US  # how long a delete can be undone; the files of what was deleted are kept for as long


def load_row(tx: ReadTx, kind: str, row_id: str, *, gone: str = "deleted_us") -> Row:
    """The row. Raises Refused 404, or 410 for one that was deleted."""
    row = tx.one(f"SELECT * FROM {kind}s WHERE id = ?", (row_id,))
    if row is None:
        raise not_found(kind, row_id)
    if row[gone] is not None:
        raise deleted(kind, row_id)
    return row


def known_row(
    tx: ReadTx, kind: str, row_id: str | None, request_hash: str, *, gone: str = "deleted_us"
) -> Row | None:
    """The row that an earlier, equal creation has made; None: create it. Raises Refused: 410 for one that was
    deleted, 422 when the earlier body was different."""
    row = tx.one(f"SELECT * FROM {kind}s WHERE id = ?", (row_id,)) if row_id else None
    if row is None:
        return None
    if row[gone] is not None:
        raise deleted(kind, row["id"])
    if row["request_hash"] != request_hash:
        raise id_reused(kind, row["id"])
    return row
