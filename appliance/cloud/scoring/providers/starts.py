"""The time between two requests to a provider, over all processes: a row with the start of the last one.

A request may start when its row could be changed: of all processes one at a time can, and never sooner than
`rate_s` after the one before. A process that ends holds nothing back. Nothing waits after the last request.
Times are the database's.
"""

from __future__ import annotations

from functools import partial

import trio

from appliance.kernel.clock import S_US
from appliance.kernel.store import Store
from appliance.kernel.tx import Tx


def start_request(tx: Tx, provider: str, rate_us: int) -> int:
    """0: the request may start, and this is its start. Otherwise microseconds until another attempt."""
    last_us = tx.value("SELECT started_us FROM provider_starts WHERE provider = ?", (provider,))
    if last_us is not None and tx.now_us < last_us + rate_us:
        return int(last_us) + rate_us - tx.now_us
    tx.run(
        "INSERT INTO provider_starts (provider, started_us) VALUES (?, ?)"
        " ON CONFLICT (provider) DO UPDATE SET started_us = excluded.started_us",
        (provider, tx.now_us),
    )
    return 0


async def wait_for_start(store: Store, provider: str, rate_s: float) -> None:
    """Return once a request to the provider may start. Raises Unavailable."""
    if rate_s <= 0:
        await trio.lowlevel.checkpoint()
        return
    start = partial(start_request, provider=provider, rate_us=round(rate_s * S_US))
    while True:
        wait_us = await store.write(start)
        if not wait_us:
            return
        await trio.sleep(wait_us / S_US)  # another process may be first then
