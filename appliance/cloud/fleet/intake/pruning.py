"""Deleting what boxes sent long ago: entries of their journals, never the resources that they made.

Owns: the rule. A site's cursor stays where it is, and the entry at it stays too: what a box sends again is
known by the cursor. Every process does this; what another has deleted is simply not found. Must not know:
requests.
"""

from __future__ import annotations

from functools import partial
from typing import Final

import structlog
import trio

from appliance.kernel.clock import DAY_US, trusted_now
from appliance.kernel.errors import Unavailable
from appliance.kernel.store import Store
from appliance.kernel.tx import ReadTx, Tx

log = structlog.get_logger("fleet")

EVERY_S: Final = 3600.0
BATCH: Final = 200  # rows of one transaction


async def run_pruning(
    *, store: Store, days: int, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    """Once an hour, until cancelled. `days`: [fleet] events_days."""
    task_status.started()
    looked_s = trio.current_time()
    while True:
        elapsed_s = trio.current_time() - looked_s
        try:
            now_us = await store.write(partial(trusted_now, purpose="fleet_pruning", elapsed_s=elapsed_s))
            looked_s += elapsed_s
            if count := await prune(store, now_us - days * DAY_US):
                log.info("site_events_pruned", entries=count)
        except Unavailable as error:
            log.warning("site_events_not_pruned", reason=error.detail)
        await trio.sleep(EVERY_S)


async def prune(store: Store, before_us: int) -> int:
    """Delete the entries of every site that came before `before_us` (database time), oldest first; how many.
    Raises Unavailable."""
    total = 0
    for site_id in await store.read(_sites):
        while count := await store.write(partial(_prune_site, site_id=site_id, before_us=before_us)):
            total += count
    return total


def _sites(tx: ReadTx) -> list[str]:
    return [row["id"] for row in tx.all("SELECT id FROM sites ORDER BY id")]


def _prune_site(tx: Tx, site_id: str, before_us: int) -> int:
    """The first entries of the site, as far as they are too old. They came in the order of their key."""
    rows = tx.all(
        "SELECT epoch_number, seq, taken_us FROM site_events WHERE site_id = ?"
        f" ORDER BY epoch_number, seq LIMIT {BATCH + 1}",
        (site_id,),
    )
    due = [row for row in rows[:-1][:BATCH] if row["taken_us"] < before_us]  # never the newest one
    if not due:
        return 0
    last = (due[-1]["epoch_number"], due[-1]["seq"])
    sql = "DELETE FROM site_events WHERE site_id = ? AND (epoch_number, seq) <= (?, ?) AND taken_us < ?"
    return tx.run(sql, (site_id, *last, before_us))
