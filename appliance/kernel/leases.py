"""Leases: what only one process may do at a time, as rows with an owner, an end and a token.

Owns: taking, renewing and checking. A process that stops in the middle of its work loses the lease after its
time, and another takes it with a higher token; what the first one does afterwards must not count. So the
closure that stores a result calls `check_lease`, and whatever is sent outside carries kind, subject and token
as its idempotency key. All times are the database's. Must not know: what is done under a lease.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial

import structlog
import trio

from appliance.kernel.errors import Unavailable
from appliance.kernel.store import Store
from appliance.kernel.tx import ReadTx, Tx

log = structlog.get_logger("leases")

LEAST_S = 30.0  # seconds; processes pause for garbage, disks and networks
PARTS = 3  # renewed after a third of its time: two more attempts before it ends


class LeaseLost(Exception):
    """Another process has taken the lease, or may have: what was done under it must not count."""


@dataclass(frozen=True, slots=True)
class Lease:
    """A lease as it was taken or renewed. `until_us`: the database's time of its end."""

    kind: str
    subject: str
    owner: str
    token: int
    until_us: int

    @property
    def key(self) -> str:
        """The idempotency key of requests to other systems: the same for every attempt under this token."""
        return f"{self.kind}:{self.subject}:{self.token}"


def take_lease(tx: Tx, kind: str, subject: str, owner: str, *, for_s: float = LEAST_S) -> Lease | None:
    """The lease with a new token; None while any owner has it, this one included."""
    if for_s < LEAST_S:
        raise ValueError(f"a lease lasts at least {LEAST_S} s")
    row = tx.one("SELECT token, until_us FROM leases WHERE kind = ? AND subject = ?", (kind, subject))
    if row is not None and row["until_us"] > tx.now_us:
        return None
    lease = Lease(kind, subject, owner, 1 if row is None else row["token"] + 1, _end(tx, for_s))
    tx.run(
        "INSERT INTO leases (kind, subject, owner, token, until_us) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (kind, subject) DO UPDATE"
        " SET owner = excluded.owner, token = excluded.token, until_us = excluded.until_us",
        (kind, subject, owner, lease.token, lease.until_us),
    )
    return lease


def own_lease(tx: ReadTx, kind: str, subject: str, owner: str) -> Lease | None:
    """The lease that this owner has now, as after a COMMIT that was not answered; None: it has none."""
    sql = "SELECT token, until_us FROM leases WHERE kind = ? AND subject = ? AND owner = ? AND until_us > ?"
    row = tx.one(sql, (kind, subject, owner, tx.now_us))
    return None if row is None else Lease(kind, subject, owner, row["token"], row["until_us"])


def check_lease(tx: ReadTx, lease: Lease) -> None:
    """Raises LeaseLost when the token has changed. A lease that has ended is still valid until another
    process
    takes it."""
    sql = "SELECT token FROM leases WHERE kind = ? AND subject = ?"
    if tx.value(sql, (lease.kind, lease.subject)) != lease.token:
        raise LeaseLost(f"the lease of {lease.kind} {lease.subject} was taken by another process")


def renew_lease(tx: Tx, lease: Lease, *, for_s: float = LEAST_S) -> Lease:
    """The lease with a later end. Raises LeaseLost."""
    check_lease(tx, lease)
    renewed = replace(lease, until_us=max(lease.until_us, _end(tx, for_s)))
    tx.run(
        "UPDATE leases SET until_us = ? WHERE kind = ? AND subject = ?",
        (renewed.until_us, lease.kind, lease.subject),
    )
    return renewed


def release_lease(tx: Tx, lease: Lease) -> None:
    """Let others take it at once; nothing happens when they have already. The row stays, for its token."""
    tx.run(
        "UPDATE leases SET until_us = 0 WHERE kind = ? AND subject = ? AND token = ?",
        (lease.kind, lease.subject, lease.token),
    )


def _end(tx: Tx, for_s: float) -> int:
    return tx.now_us + round(for_s * 1e6)


@asynccontextmanager
async def holding_lease(
    store: Store, kind: str, subject: str, owner: str, *, for_s: float = LEAST_S
) -> AsyncIterator[Lease | None]:
    """Take the lease and renew it until the block ends, then release it; None when another has it.

    When it is lost, or could not be renewed in time, the block is cancelled and LeaseLost is raised.
    """
    asked_s = trio.current_time()
    lease = await store.write(lambda tx: take_lease(tx, kind, subject, owner, for_s=for_s))
    if lease is None:
        yield None
        return
    async with keeping_lease(store, lease, asked_s, for_s=for_s):
        yield lease


@asynccontextmanager
async def keeping_lease(
    store: Store, lease: Lease, asked_s: float, *, for_s: float = LEAST_S
) -> AsyncIterator[None]:
    """Renew a lease that was taken in a transaction of the caller's, until the block ends; then release it.
    `asked_s`: trio's time before that transaction. As `holding_lease` otherwise."""
    is_done = False
    try:
        async with trio.open_nursery() as nursery:
            scope = nursery.cancel_scope
            scope.deadline = asked_s + for_s  # ends the block also while a renewal waits for the database
            nursery.start_soon(_renew, store, lease, for_s, scope)
            yield
            is_done = not scope.cancel_called
            scope.cancel()
    finally:
        await _release(store, lease)
    if not is_done:
        raise LeaseLost(f"the lease of {lease.kind} {lease.subject} was lost")


async def _renew(store: Store, lease: Lease, for_s: float, scope: trio.CancelScope) -> None:
    """Renew until cancelled; cancels `scope` once the lease is lost or cannot be renewed in time. The scope's
    deadline is the lease's end, counted from before it was renewed: by this process's clock never later than
    by the database's."""
    while True:
        await trio.sleep(for_s / PARTS)
        asked_s = trio.current_time()
        try:
            await store.write(partial(renew_lease, lease=lease, for_s=for_s))
        except LeaseLost:
            scope.cancel()
        except Unavailable as error:
            log.warning("lease_not_renewed", kind=lease.kind, subject=lease.subject, reason=error.detail)
            if trio.current_time() + for_s / PARTS >= scope.deadline:
                scope.cancel()
        else:
            scope.deadline = asked_s + for_s


async def _release(store: Store, lease: Lease) -> None:
    with trio.CancelScope(shield=True):
        try:
            await store.write(partial(release_lease, lease=lease))
        except Unavailable as error:  # the lease ends by itself at its time
            log.warning("lease_not_released", kind=lease.kind, subject=lease.subject, reason=error.detail)
