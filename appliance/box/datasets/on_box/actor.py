"""The actor that performs dataset runs, one after the other.

Owns: the queue, which is rows, and going on after a restart. What a run needs is loaded when there is one.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import structlog
import trio

from appliance.box.datasets.on_box import store as rows
from appliance.kernel.clock import Clock
from appliance.kernel.follow import follow
from appliance.kernel.store import Store

if TYPE_CHECKING:
    from appliance.box.datasets.on_box.performing import Wiring

log = structlog.get_logger("datasets")


async def run_datasets(
    *,
    store: Store,
    clock: Clock,
    wiring: Callable[[], Wiring],
    hold: trio.Event | None = None,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Perform runs until cancelled. `wiring` is called when there is a run: it loads what a run needs.

    Start: at once; a run that a restart has interrupted goes on, and cuts only what does not stand. Stop:
    cancel; the unit under way is ended. Raises: StoreBroken.
    """
    task_status.started()
    if hold is not None:
        await hold.wait()
    follower = follow(store.journal)
    while True:
        row = await store.read(rows.next_run)
        if row is None:
            await follower.wait_for(lambda entry: entry.type == "dataset_run_created")
            continue
        await _perform(store, clock, wiring, row["id"])


async def _perform(store: Store, clock: Clock, wiring: Callable[[], Wiring], run_id: str) -> None:
    """The run, or the reason why it cannot begin: settings, roots that cannot be reached."""
    from appliance.box.datasets.on_box.performing import CANNOT_BEGIN, perform, write_anyway

    try:
        row = await store.read(lambda tx: rows.row_of(tx, run_id))
        await perform(store, clock, wiring(), row)
    except CANNOT_BEGIN as error:
        log.error("run_failed", run_id=run_id, reason=str(error))
        problem = str(error)[:500]
        await write_anyway(store, partial(rows.end_run, run_id=run_id, status="failed", problem=problem))
