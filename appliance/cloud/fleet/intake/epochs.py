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


def superseded(tx: ReadTx, site_id: str, epoch: str, *, may_begin: bool = False) -> Refused:
    """409: the epoch is not the current one. `is_known`: it was, and ended; otherwise the box may begin it
    with a snapshot. `may_begin`: an admin has let the site's next machine begin a new one."""
    is_known = find_epoch(tx, site_id, epoch) is not None
    hint = _begun_with(is_known, may_begin, site_id)
    detail = f"epoch {epoch} is not the current one of site {site_id}"
    extra = {"is_known": is_known, "may_begin": may_begin}
    return Refused(409, "epoch_superseded", detail, hint, extra=extra)


def _begun_with(is_known: bool, may_begin: bool, site_id: str) -> str:
    """What the box, or a person, does next."""
    if not is_known:
        return "begin it with a snapshot"
    if may_begin:
        return "take a new epoch and begin it with a snapshot"
    return (
        "a later state of this box was sent: if a copy of it runs, stop that; then an admin lets this one"
        f" begin anew: POST /fleet/v1/sites/{site_id}/replace-box with the box_id of this machine"
    )


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


def note_first_trouble(tx: Tx, site_id: str, trouble: str) -> bool:
    """As `note_trouble`, unless a trouble is shown already: what is refused at each request is written
    once."""
    return tx.run("UPDATE sites SET trouble = ? WHERE id = ? AND trouble = ''", (trouble, site_id)) > 0
