"""Choosing the next delivery for one process, and storing the outcome of an attempt.

Owns: one lease for each subscription, so that of all processes one sends to a receiver at a time, and a
slow receiver delays no other. The lease of a process that crashes ends by time; the message is then sent
again with the same webhook-id, so receivers must ignore a repeated one (as Standard Webhooks requires).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from appliance.cloud.deliveries.store import disable, end_delivery, end_without_token
from appliance.kernel.clock import DAY_US, S_US
from appliance.kernel.leases import Lease, LeaseLost, check_lease, own_lease, release_lease, take_lease
from appliance.kernel.tx import ReadTx, Tx

KIND = "webhook"
KEEP_US = 30 * DAY_US  # how long ended deliveries are kept: as long as journal entries
PRUNE_MAX = 500  # deliveries deleted in one transaction
GONE = 410
_ERROR_MAX = 300


@dataclass(frozen=True, slots=True)
class Claim:
    """A delivery that this process sends now. `held`: the secrets that sign it."""

    lease: Lease
    delivery_id: str
    message_id: str
    body: bytes
    url: str
    held: tuple[str, ...]
    number: int  # of this attempt, from 1
    started_us: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """`http_status`: None when the receiver did not answer; then `error` says why."""

    http_status: int | None
    error: str | None
    took_us: int


def claim_due(tx: Tx, owner: str, limit: int, again_but: Collection[str] | None = None) -> list[Claim]:
    """Up to `limit` deliveries that are due, one for each receiver, the longest overdue first. `again_but`:
    after a COMMIT that was not answered, the subscriptions to which this process sends now; what that COMMIT
    has claimed is then claimed again."""
    end_without_token(tx)
    claims: list[Claim] = []
    rows = tx.all(
        "SELECT subscription_id FROM deliveries WHERE status = 'pending' AND due_us <= ?"
        " GROUP BY subscription_id ORDER BY min(due_us), subscription_id",
        (tx.now_us,),
    )
    for row in rows:
        if len(claims) == limit:
            break
        lease = take_lease(tx, KIND, row["subscription_id"], owner)
        if lease is None and again_but is not None and row["subscription_id"] not in again_but:
            lease = own_lease(tx, KIND, row["subscription_id"], owner)
        if lease is not None:
            claims.append(_claim(tx, lease))
    return claims


def _claim(tx: ReadTx, lease: Lease) -> Claim:
    row = tx.one(
        "SELECT d.id, d.message_id, d.attempts, m.body,"
        " s.url, s.secret, s.previous_secret, s.previous_until_us"
        " FROM deliveries d JOIN messages m ON m.id = d.message_id"
        " JOIN subscriptions s ON s.id = d.subscription_id"
        " WHERE d.subscription_id = ? AND d.status = 'pending' AND d.due_us <= ?"
        " ORDER BY d.due_us, d.id LIMIT 1",
        (lease.subject, tx.now_us),
    )
    assert row is not None  # this transaction has just read it as due
    is_rotating = row["previous_until_us"] is not None and tx.now_us < row["previous_until_us"]
    held = (row["secret"], row["previous_secret"]) if is_rotating else (row["secret"],)
    return Claim(
        lease,
        row["id"],
        row["message_id"],
        row["body"].encode(),
        row["url"],
        held,
        row["attempts"] + 1,
        tx.now_us,
    )


def next_look_us(tx: ReadTx) -> int | None:
    """Microseconds until a delivery can be claimed, by the present rows; None: none is pending."""
    rows = tx.all(
        "SELECT min(d.due_us) AS due_us, max(coalesce(l.until_us, 0)) AS until_us FROM deliveries d"
        " LEFT JOIN leases l ON l.kind = ? AND l.subject = d.subscription_id"
        " WHERE d.status = 'pending' GROUP BY d.subscription_id",
        (KIND,),
    )
    return min((max(row["due_us"], row["until_us"], tx.now_us) - tx.now_us for row in rows), default=None)


def record(tx: Tx, claim: Claim, outcome: Outcome, retry_s: Sequence[float]) -> bool:
    """Store the attempt and the delivery's new state. False: another process has taken the lease, the
    delivery was cancelled meanwhile, or this attempt is stored already (by a COMMIT that was not answered);
    then only the lease is released."""
    try:
        check_lease(tx, claim.lease)
    except LeaseLost:
        return False
    release_lease(tx, claim.lease)
    sql = "SELECT status, attempts, subscription_id FROM deliveries WHERE id = ?"
    row = tx.one(sql, (claim.delivery_id,))
    if row is None or row["status"] != "pending" or row["attempts"] != claim.number - 1:
        return False
    error = _error(outcome)
    tx.insert(
        "delivery_attempts",
        {
            "delivery_id": claim.delivery_id,
            "number": claim.number,
            "started_us": claim.started_us,
            "took_us": outcome.took_us,
            "http_status": outcome.http_status,
            "error": error,
        },
    )
    changes: dict[str, Any] = {"attempts": claim.number, "error": error}
    if error is None:
        end_delivery(tx, claim.delivery_id, {**changes, "status": "delivered"})
    elif outcome.http_status == GONE:
        end_delivery(tx, claim.delivery_id, {**changes, "status": "failed"})
        disable(tx, row["subscription_id"])
    elif claim.number > len(retry_s):
        end_delivery(tx, claim.delivery_id, {**changes, "status": "failed"})
    else:
        due_us = tx.now_us + round(retry_s[claim.number - 1] * S_US)
        tx.update("deliveries", claim.delivery_id, {**changes, "due_us": due_us})
    return True


def prune(tx: Tx) -> int:
    """Delete deliveries that ended more than KEEP_US ago with their attempts, and messages without
    deliveries; returns how many deliveries and messages. Call it again while that is not 0."""
    before_us = tx.now_us - KEEP_US
    old = tx.all(
        "SELECT id FROM deliveries WHERE status <> 'pending' AND created_us < ? AND updated_us < ?"
        " ORDER BY created_us, id LIMIT ?",
        (before_us, before_us, PRUNE_MAX),
    )
    for row in old:
        tx.run("DELETE FROM delivery_attempts WHERE delivery_id = ?", (row["id"],))
        tx.run("DELETE FROM deliveries WHERE id = ?", (row["id"],))
    unused = tx.all(
        "SELECT m.id FROM messages m WHERE m.created_us < ?"
        " AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.message_id = m.id) ORDER BY m.id LIMIT ?",
        (before_us, PRUNE_MAX),
    )
    for row in unused:
        tx.run("DELETE FROM messages WHERE id = ?", (row["id"],))
    return len(old) + len(unused)


def _error(outcome: Outcome) -> str | None:
    status = outcome.http_status
    if status is None:
        return (outcome.error or "no answer")[:_ERROR_MAX]
    if 200 <= status < 300:
        return None
    return f"the receiver answered {status}" + (": redirects are not followed" if 300 <= status < 400 else "")
