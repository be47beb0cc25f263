"""Sends the webhook deliveries that are due, until cancelled. Every process of the service runs one.

Owns: the sends that are under way. Must not know: SQL, why a message was announced.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

import structlog
import trio

from appliance.cloud.deliveries.queue import Claim, Outcome, claim_due, next_look_us, prune, record
from appliance.kernel.clock import S_US
from appliance.kernel.errors import Unavailable
from appliance.kernel.follow import Follower, follow
from appliance.kernel.signal import Signal
from appliance.kernel.store import Store
from appliance.network.outbound import CallFailed, Outbound
from appliance.network.signature import sign

log = structlog.get_logger("deliveries")

TIMEOUT_S: Final = 15.0  # for one attempt: half of the shortest lease
AT_ONCE: Final = 8
PRUNE_S: Final = 3600.0
LOOK_S: Final = 5.0  # subscriptions whose lease another process has released are not in the journal


async def run_deliveries(
    store: Store,
    outbound: Outbound,
    retry_s: Sequence[float],
    owner: str,
    *,
    count: Callable[[Outcome], object] = lambda outcome: None,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """`owner`: this process, for its leases. `count` gets the outcome of every attempt. A send that is
    cancelled is repeated once its lease is over."""
    wake, under_way = Signal(), set[str]()  # subscriptions

    async def send(claim: Claim) -> None:
        try:
            outcome = await attempt(outbound, claim)
            count(outcome)
            await store.write_retrying(partial(record, claim=claim, outcome=outcome, retry_s=retry_s))
            if outcome.http_status is None:
                log.info("webhook_not_delivered", delivery=claim.delivery_id, reason=outcome.error)
        finally:
            under_way.discard(claim.lease.subject)
            wake.notify()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(_waking, follow(store.journal), wake)
        nursery.start_soon(_pruning, store)
        task_status.started()
        while True:
            seen = wake.count
            wait_s = LOOK_S
            if free := AT_ONCE - len(under_way):
                wait_s = await _next_look_s(store)
                if wait_s == 0:
                    take = partial(claim_due, owner=owner, limit=free)
                    again = partial(take, again_but=frozenset(under_way))
                    claims = await store.write_retrying(take, again)
                    under_way |= {claim.lease.subject for claim in claims}
                    for claim in claims:
                        nursery.start_soon(send, claim)
                    wait_s = LOOK_S if not claims else 0
            with trio.move_on_after(wait_s):
                await wake.wait_past(seen)


async def attempt(outbound: Outbound, claim: Claim) -> Outcome:
    """One POST. The answer's body is not read."""
    headers = sign(claim.held, claim.message_id, claim.started_us // S_US, claim.body)
    headers["content-type"] = "application/json"
    begun_s = trio.current_time()
    status: int | None = None
    error: str | None = f"no answer within {TIMEOUT_S:g} s"
    with trio.move_on_after(TIMEOUT_S):
        try:
            async with outbound.stream(
                "POST", claim.url, headers=headers, body=claim.body, redirects=0
            ) as answer:
                status, error = answer.status, None
        except CallFailed as failed:
            error = failed.detail
    return Outcome(status, error, round((trio.current_time() - begun_s) * S_US))


async def _next_look_s(store: Store) -> float:
    try:
        wait_us = await store.read(next_look_us)
    except Unavailable:
        return LOOK_S
    return LOOK_S if wait_us is None else min(LOOK_S, wait_us / S_US)


async def _waking(follower: Follower, wake: Signal) -> None:
    while True:
        await follower.wait_for(lambda entry: entry.type.startswith("delivery_"))
        wake.notify()


async def _pruning(store: Store) -> None:
    """Delete old deliveries regularly. Every process does so; rows that another has deleted are simply not
    found."""
    while True:
        while await store.write_retrying(prune):
            pass
        await trio.sleep(PRUNE_S)
