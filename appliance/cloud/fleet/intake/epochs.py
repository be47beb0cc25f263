"""The epochs of a site: one is current, and has the cursor up to which its box's journal was taken.

Only this file writes `site_epochs`, and the fields of `sites` that say how far its box is.
"""

from __future__ import annotations

from typing import Any

from appliance.kernel.errors import Refused
from appliance.kernel.tx import ReadTx, Row, Tx


def current_epoch(tx: ReadTx, site: Row) -> Row | None:
    """The row; None: nothing was sent yet."""
    sql = "SELECT * FROM site_epochs WHERE site_id = ? AND number = ?"
    return tx.one(sql, (site["id"], site["epoch_number"]))


def find_epoch(tx: ReadTx, site_id: str, epoch: str) -> Row | None:
    return tx.one("SELECT * FROM site_epochs WHERE site_id = ? AND epoch = ?", (site_id, epoch))


def superseded(tx: ReadTx, site_id: str, epoch: str) -> Refused:
    """409: the epoch is not the current one. `is_known`: it was, and ended; otherwise the box may begin it
    with a snapshot."""
    is_known = find_epoch(tx, site_id, epoch) is not None
    hint = (
        "another copy of this box has taken over: stop one of them, then let an admin replace the box"
        if is_known
        else "begin it with a snapshot"
    )
    detail = f"epoch {epoch} is not the current one of site {site_id}"
    return Refused(409, "epoch_superseded", detail, hint, extra={"is_known": is_known})


def begin_epoch(tx: Tx, site: Row, epoch: str, box_id: str, *, cursor: int, reason: str) -> Row:
    """Make it the current one; entries past `cursor` are taken as events."""
    number = site["epoch_number"] + 1
    tx.run(
        "UPDATE site_epochs SET ended_us = ? WHERE site_id = ? AND ended_us IS NULL", (tx.now_us, site["id"])
    )
    row: dict[str, Any] = {
        "site_id": site["id"],
        "number": number,
        "epoch": epoch,
        "box_id": box_id,
        "cursor": cursor,
        "cursor_sha256": "",
        "from_seq": cursor,
        "failures": 0,
        "reason": reason,
        "began_us": tx.now_us,
        "ended_us": None,
    }
    tx.insert("site_epochs", row)
    tx.update("sites", site["id"], {"epoch_number": number})
    return row


def move_epoch(tx: Tx, row: Row, *, cursor: int, sha256: str, failures: int) -> None:
    """Everything up to `cursor` was taken."""
    tx.run(
        "UPDATE site_epochs SET cursor = ?, cursor_sha256 = ?, failures = ? WHERE site_id = ? AND number = ?",
        (cursor, sha256, failures, row["site_id"], row["number"]),
    )


def note_heard(tx: Tx, site_id: str, backlog: int, version: str) -> None:
    """Its box was heard now. Not journaled: it happens with every request."""
    tx.run(
        "UPDATE sites SET seen_us = ?, backlog = ?, box_version = ? WHERE id = ?",
        (tx.now_us, backlog, version, site_id),
    )


def note_trouble(tx: Tx, site_id: str, trouble: str) -> bool:
    """What a person should know; True when that is news."""
    return (
        tx.run("UPDATE sites SET trouble = ? WHERE id = ? AND trouble <> ?", (trouble, site_id, trouble)) > 0
    )
