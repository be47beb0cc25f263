"""Sends the messages that are due to Slack and Sentry, until cancelled. Every process runs one.

A message that cannot be sent never affects the execution that it is about.
"""

from __future__ import annotations

from functools import partial
from typing import Final

import structlog
import trio

from appliance.cloud.scoring.notices.messages import Receivers
from appliance.cloud.scoring.notices.queue import Claim, claim, next_look_us, prune, record
from appliance.kernel.clock import S_US
from appliance.kernel.errors import Unavailable
from appliance.kernel.follow import Follower, follow
from appliance.kernel.signal import Signal
from appliance.kernel.store import Store
from appliance.network.outbound import CallFailed, Outbound

log = structlog.get_logger("notices")

TIMEOUT_S: Final = 15.0
LOOK_S: Final = 5.0
PRUNE_S: Final = 3600.0


async def run_notices(
    store: Store,
    outbound: Outbound,
    receivers: Receivers,
    owner: str,
    *,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """A receiver that is slow delays no other."""
    targets: dict[str, tuple[str, dict[str, str]]] = {}
    if receivers.webhook_url:
        targets["slack"] = receivers.webhook_url, {"content-type": "application/json"}
    if receivers.dsn is not None:
        targets["sentry"] = receivers.dsn.url, receivers.dsn.headers
    wake = Signal()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_waking, follow(store.journal), wake)
        nursery.start_soon(_pruning, store)
        for receiver, (url, headers) in targets.items():
            nursery.start_soon(_send_all, store, outbound, receiver, url, headers, owner, wake)
        task_status.started()


async def _send_all(
    store: Store,
    outbound: Outbound,
    receiver: str,
    url: str,
    headers: dict[str, str],
    owner: str,
    wake: Signal,
) -> None:
    while True:
        seen = wake.count
        claimed = await store.write_retrying(partial(claim, receiver=receiver, owner=owner))
        if claimed is not None:
            error = await _send(outbound, claimed, url, headers)
            await store.write_retrying(partial(record, claimed=claimed, error=error))
            if error is not None:
                log.warning("notice_not_delivered", receiver=receiver, attempt=claimed.number, reason=error)
            continue
        with trio.move_on_after(await _next_look_s(store, receiver)):
            await wake.wait_past(seen)


async def _send(outbound: Outbound, claimed: Claim, url: str, headers: dict[str, str]) -> str | None:
    """None: delivered. The error names no path: the webhook's is its secret."""
    try:
        answer = await outbound.call(
            "POST", url, headers=headers, body=claimed.body, timeout_s=TIMEOUT_S, max_bytes=65536, redirects=0
        )
    except CallFailed as failed:
        return failed.detail
    is_taken = 200 <= answer.status < 300
    return None if is_taken else f"{claimed.receiver} answered {answer.status}"


async def _next_look_s(store: Store, receiver: str) -> float:
    """Leases that another process has released are not in the journal: a look every few seconds."""
    try:
        wait_us = await store.read(partial(next_look_us, receiver=receiver))
    except Unavailable:
        return LOOK_S
    return LOOK_S if wait_us is None else min(LOOK_S, max(0.05, wait_us / S_US))


async def _waking(follower: Follower, wake: Signal) -> None:
    while True:
        await follower.wait_for(lambda entry: entry.type == "notice_queued")
        wake.notify()


async def _pruning(store: Store) -> None:
    while True:
        while await store.write_retrying(prune):
            pass
        await trio.sleep(PRUNE_S)
