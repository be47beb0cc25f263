"""What boxes sent long ago is deleted; what it made, and how far they are, stays. On both databases."""

from __future__ import annotations

from functools import partial

import pytest
import trio

from appliance.cloud.fleet.intake import pruning
from appliance.cloud.fleet.intake.pruning import prune, run_pruning
from appliance.cloud.fleet.intake.reading import JournalQuery, read_journal
from appliance.kernel.clock import DAY_US
from appliance.kernel.operation import Caller
from appliance.kernel.store import Store
from appliance.kernel.tx import Tx
from tests.cloud.fleet.sending import Stored, changed, send, sha256_of, stored

BEFORE_US = 10**15


async def of(store: Store, site: str = "north") -> Stored:
    return await store.read(partial(stored, site=site))


def _older(site: str, up_to: int) -> object:
    """As if the first entries had come long ago."""

    def closure(tx: Tx) -> None:
        sql = "UPDATE site_events SET taken_us = ? WHERE site_id = ? AND seq <= ?"
        tx.run(sql, (BEFORE_US - 1, site, up_to))

    return closure


async def test_old_entries_go_and_resources_and_cursor_stay(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pruning, "BATCH", 2)
    await send(store, [changed(seq, "clip", f"c{seq}") for seq in range(1, 8)])
    await send(store, [changed(seq, "clip", f"c{seq}", site="south") for seq in range(1, 3)], site="south")
    before = await of(store)
    await store.write(_older("north", 5))  # type: ignore[arg-type]
    assert await prune(store, BEFORE_US) == 5
    after = await of(store)
    assert [each["seq"] for each in after.events] == [6, 7]
    assert (after.resources, after.cursor) == (before.resources, before.cursor)
    assert len((await of(store, "south")).events) == 2 and await prune(store, BEFORE_US) == 0
    page = await store.read(partial(read_journal, Caller(role="admin"), "north", JournalQuery()))
    assert page["oldest"] == {"epoch_number": 1, "seq": 6}
    again = await send(store, [changed(seq, "clip", f"c{seq}") for seq in range(3, 9)])
    assert (again.acked_through, again.taken, again.known) == (8, 1, 5)


async def test_the_newest_entry_of_a_site_stays_so_that_another_journal_is_noticed(store: Store) -> None:
    await send(store, [changed(seq, "clip", "c1") for seq in range(1, 4)])
    await store.write(_older("north", 3))  # type: ignore[arg-type]
    assert await prune(store, BEFORE_US) == 2
    assert [each["seq"] for each in (await of(store)).events] == [3]
    with pytest.raises(Exception, match="diverged"):
        await send(store, [], after=(3, sha256_of("another")))


async def test_it_runs_by_the_setting(store: Store) -> None:
    await send(store, [changed(seq, "clip", "c1") for seq in range(1, 4)])
    now_us = await store.read(lambda tx: tx.now_us)
    old = "UPDATE site_events SET taken_us = ? WHERE seq = 1"
    await store.write(lambda tx: tx.run(old, (now_us - 401 * DAY_US,)))
    async with trio.open_nursery() as nursery:
        await nursery.start(partial(run_pruning, store=store, days=400))
        with trio.fail_after(10):
            while len((await of(store)).events) == 3:  # noqa: ASYNC110
                await trio.sleep(0.01)
        nursery.cancel_scope.cancel()
    assert [each["seq"] for each in (await of(store)).events] == [2, 3]
