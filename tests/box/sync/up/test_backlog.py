"""What is still to be sent, estimated."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from appliance.box.sync.up.backlog import Backlog, measure
from appliance.kernel.tx import Tx
from tests.kit.box import sim_store
from tests.kit.clock import HandClock


def _append(tx: Tx) -> None:
    for _ in range(400):
        tx.append("x", "y", {"text": "x" * 89})


async def test_entries_bytes_and_the_oldest(tmp_path: Path) -> None:
    clock = HandClock()
    async with sim_store(tmp_path, clock) as store:
        assert await store.read(partial(measure, acked=0)) == Backlog()
        first_us = clock.now_us()
        await store.write(lambda tx: tx.append("x", "y", {"text": "x" * 89}))  # 100 bytes
        clock.advance(60)
        await store.write(_append)
        backlog = await store.read(partial(measure, acked=0))
        assert (backlog.entries, backlog.oldest_us) == (401, first_us)
        assert backlog.bytes == 401 * 100
        later = await store.read(partial(measure, acked=1))
        assert later.oldest_us == clock.now_us() and later.entries == 400
        assert (await store.read(partial(measure, acked=401))) == Backlog()
