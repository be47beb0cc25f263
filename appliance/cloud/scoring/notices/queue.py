"""Which message is sent next by one process, and what the outcome of an attempt changes. One lease for each
receiver: of all processes one sends to it at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from appliance.kernel.clock import DAY_US, S_US
from appliance.kernel.leases import Lease, LeaseLost, check_lease, release_lease, take_lease
from appliance.kernel.tx import ReadTx, Tx

KIND: Final = "notice"
RETRY_S: Final = (5, 60, 300, 1800, 7200, 28800)
KEEP_US: Final = 30 * DAY_US
_PRUNE_MAX: Final = 500


@dataclass(frozen=True, slots=True)
class Claim:
    """A message that this process sends now. `number`: of the attempt, from 1."""

    lease: Lease
    notice_id: str
    receiver: str
    body: bytes
    number: int


def claim(tx: Tx, receiver: str, owner: str) -> Claim | None:
    """The oldest message to the receiver that is due; None: none is, or another process sends."""
    row = tx.one(
        "SELECT * FROM notices WHERE status = 'pending' AND receiver = ? AND due_us <= ?"
        " ORDER BY due_us, id LIMIT 1",
        (receiver, tx.now_us),
    )
    lease = take_lease(tx, KIND, receiver, owner) if row is not None else None
    if row is None or lease is None:
        return None
    return Claim(lease, row["id"], receiver, row["body"].encode(), row["attempts"] + 1)


def record(tx: Tx, claimed: Claim, error: str | None) -> bool:
    """Store how the attempt ended; `error` None: delivered. False: another process has taken the lease, or it
    is stored already."""
    try:
        check_lease(tx, claimed.lease)
    except LeaseLost:
        return False
    release_lease(tx, claimed.lease)
    row = tx.one("SELECT * FROM notices WHERE id = ?", (claimed.notice_id,))
    if row is None or row["status"] != "pending" or row["attempts"] != claimed.number - 1:
        return False
    changes: dict[str, object] = {"attempts": claimed.number, "error": error}
    if error is None:
        changes["status"] = "delivered"
    elif claimed.number > len(RETRY_S):
        changes["status"] = "failed"
    else:
        changes["due_us"] = tx.now_us + RETRY_S[claimed.number - 1] * S_US
    tx.update("notices", claimed.notice_id, changes)
    return True


def next_look_us(tx: ReadTx, receiver: str) -> int | None:
    """Microseconds until a message to the receiver can be claimed; None: none is pending."""
    sql = "SELECT min(due_us) FROM notices WHERE status = 'pending' AND receiver = ?"
    due_us = tx.value(sql, (receiver,))
    until_us = tx.value("SELECT until_us FROM leases WHERE kind = ? AND subject = ?", (KIND, receiver))
    return None if due_us is None else max(0, due_us - tx.now_us, (until_us or 0) - tx.now_us)


def prune(tx: Tx) -> int:
    """Delete messages that ended long ago; returns how many. Call it again while that is not 0."""
    sql = (
        "SELECT id FROM notices WHERE status <> 'pending' AND updated_us < ? ORDER BY updated_us, id LIMIT ?"
    )
    old = tx.all(sql, (tx.now_us - KEEP_US, _PRUNE_MAX))
    for row in old:
        tx.run("DELETE FROM notices WHERE id = ?", (row["id"],))
    return len(old)
