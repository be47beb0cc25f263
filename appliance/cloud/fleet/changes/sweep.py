"""Time passes: events come into the window of what boxes keep, and leave it.

Every process looks; what another has done already is not there any more.
"""

from __future__ import annotations

from functools import partial
from typing import Final

import structlog
import trio

from appliance.cloud.fleet.changes.scope import forget_removed, refresh, sites_to_refresh
from appliance.kernel.errors import Unavailable
from appliance.kernel.store import Store

log = structlog.get_logger("fleet")

EVERY_S: Final = 600.0


async def run_sweep(*, store: Store, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
    """Sweep now and every ten minutes, until cancelled."""
    task_status.started()
    while True:
        try:
            await sweep(store)
        except Unavailable as error:
            log.warning("scope_not_swept", reason=error.detail)
        await trio.sleep(EVERY_S)


async def sweep(store: Store) -> None:
    """Bring every site's scope up to date, and forget tombstones. Raises Unavailable."""
    for site_id in await store.read(sites_to_refresh):
        await store.write(partial(refresh, site_id=site_id))
    while await store.write(forget_removed):
        pass
