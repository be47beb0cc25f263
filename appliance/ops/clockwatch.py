"""The actor that detects a step of the wall clock, and lets box time follow it when no session runs.

Owns: `boot_id` and `clock_offset_us` in `meta`, and the event `clock_step`. Box time itself never steps
during a session.
"""

from __future__ import annotations

from functools import partial

import structlog
import trio

from appliance.kernel.clock import STEP_US, BoxClock
from appliance.kernel.errors import Unavailable
from appliance.kernel.store import Store
from appliance.kernel.tx import ReadTx, Tx

log = structlog.get_logger("clock")

LOOK_S = 1.0


async def adopt_clock(store: Store, clock: BoxClock) -> bool:
    """Use this boot's stored offset, or store the one just taken. Call before anything else uses the clock.

    Returns whether the machine was rebooted since the box last ran: by a person, or by a power cut.
    """

    known = await store.read(_known)
    if known.get("boot_id") == clock.boot_id and "clock_offset_us" in known:
        clock.offset_us = int(known["clock_offset_us"])
        return False
    try:
        await store.write(lambda tx: _keep(tx, clock.boot_id, clock.offset_us))
    # a full disk does not prevent a start; only a later start in this boot takes another offset
    except Unavailable as error:
        log.warning("clock_offset_not_kept", reason=error.detail)
        return True
    return "boot_id" in known


def _known(tx: ReadTx) -> dict[str, str]:
    return {row["key"]: row["value"] for row in tx.all("SELECT key, value FROM meta")}


async def run_clock_watch(
    *,
    store: Store,
    clock: BoxClock,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Check once a second. Start: at once. Stop: cancel. A step that cannot be written is retried."""
    reported_us = 0
    task_status.started()
    while True:
        step_us = clock.step_us()
        if abs(step_us) > STEP_US:
            is_news = abs(step_us - reported_us) > STEP_US
            stepped = partial(_stepped, clock=clock, by_us=step_us, is_news=is_news)
            followed = await store.write_retrying(
                stepped, partial(_stepped_again, stepped=stepped, head=store.journal.head)
            )
            reported_us = 0 if followed else step_us
            if followed:
                clock.offset_us += step_us
                log.warning("box_time_followed", by_s=step_us / 1e6)
            elif is_news:
                log.error("wall_clock_stepped", by_s=step_us / 1e6)
        else:
            reported_us = 0
        await trio.sleep(LOOK_S)


def _stepped(tx: Tx, clock: BoxClock, by_us: int, is_news: bool) -> bool:
    """Journal a new step; True when box time may follow it, which is then already stored."""
    if is_news:
        tx.append("clock_step", "clock", {"by_s": by_us / 1e6})
    running = tx.value(
        "SELECT 1 FROM sessions WHERE status IN ('active', 'paused') AND deleted_us IS NULL LIMIT 1"
    )
    if running:
        return False
    _keep(tx, clock.boot_id, clock.offset_us + by_us)
    return True


def _stepped_again(tx: Tx, stepped: partial[bool], head: int) -> bool:
    """`stepped` after a COMMIT that was not answered: the step is not journaled twice. `head`: of the journal
    before."""
    sql = "SELECT 1 FROM journal WHERE seq > ? AND type = 'clock_step' LIMIT 1"
    return stepped(tx) if tx.value(sql, (head,)) is None else stepped(tx, is_news=False)


def _keep(tx: Tx, boot_id: str, offset_us: int) -> None:
    for key, value in (("boot_id", boot_id), ("clock_offset_us", str(offset_us))):
        tx.run(
            "INSERT INTO meta (key, value) VALUES (?, ?)"
            " ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            (key, value),
        )
