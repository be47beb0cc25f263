"""Gives waiting jobs to free loggers as soon as there are both, and does what time asks for. Every process
of the service runs one.

Owns: when to look. Must not know: SQL, who gets what.
"""

from __future__ import annotations

from functools import partial
from typing import Final

import trio

from appliance.cloud.breakdowns.queue.assign import distribute, has_work
from appliance.cloud.breakdowns.queue.clocks import (
    expire_leases,
    next_look_us,
    report_awaiting,
    sound_alarms,
)
from appliance.kernel.clock import S_US
from appliance.kernel.errors import Unavailable
from appliance.kernel.follow import follow
from appliance.kernel.journal import Entry
from appliance.kernel.store import Store

LOOK_S: Final = 30.0  # what heartbeats have moved is not in the journal
_WAKING: Final = ("job_", "logger_", "office_", "marking_changed", "breakdown_type_")


async def run_queue(
    store: Store,
    lease_s: float,
    awaiting_h: float,
    *,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Until cancelled. `awaiting_h`: hours after which an event without a usable video is reported."""
    follower = follow(store.journal)
    task_status.started()
    while True:
        wait_s = LOOK_S
        try:
            wait_s = min(LOOK_S, await look(store, lease_s, awaiting_h))
        except Unavailable:
            pass  # the part `store` of /readyz reports it
        with trio.move_on_after(wait_s):
            await follower.wait_for(_matters)


async def look(store: Store, lease_s: float, awaiting_h: float) -> float:
    """Do everything that is due; returns in how many seconds something will be. Raises Unavailable."""
    wait_us = await store.read(lambda tx: next_look_us(tx, awaiting_h))
    if wait_us == 0:
        for step in (expire_leases, sound_alarms, partial(report_awaiting, awaiting_h=awaiting_h)):
            while await store.write(step):
                pass
    if await store.read(has_work):
        while await store.write(lambda tx: distribute(tx, lease_s)):
            pass
    wait_us = await store.read(lambda tx: next_look_us(tx, awaiting_h))
    return LOOK_S if wait_us is None else max(wait_us / S_US, 0.05)


def _matters(entry: Entry) -> bool:
    return entry.type.startswith(_WAKING)
