"""One epoch of a site is current; figures and lists of what was taken."""

from __future__ import annotations

from functools import partial

from appliance.cloud.fleet.intake import epochs
from appliance.cloud.fleet.intake.counts import IntakeCounts
from appliance.cloud.fleet.intake.http import BATCH
from appliance.cloud.fleet.intake.reading import JournalQuery, read_journal
from appliance.cloud.fleet.intake.take import Taken
from appliance.cloud.fleet.sites import bound_site, load_site
from appliance.kernel.operation import Caller
from appliance.kernel.store import Store
from appliance.kernel.tx import Row, Tx
from appliance.ops.metrics import Metrics
from tests.cloud.fleet.sending import BOX, changed, send


def begin(tx: Tx, epoch: str) -> Row:
    site = bound_site(tx, "north", BOX)
    return epochs.begin_epoch(tx, site, epoch, BOX, cursor=4, reason="a test")


async def test_a_later_one_ends_the_one_before(store: Store) -> None:
    for epoch in ("e1", "e2"):
        await store.write(partial(begin, epoch=epoch))
    site = await store.read(partial(load_site, site_id="north"))
    current = await store.read(partial(epochs.current_epoch, site=site))
    assert current is not None and (current["number"], current["epoch"], current["ended_us"]) == (
        2,
        "e2",
        None,
    )
    first = await store.read(partial(epochs.find_epoch, site_id="north", epoch="e1"))
    assert first is not None and first["ended_us"] is not None
    for epoch, is_known in (("e1", True), ("e9", False)):
        refused = await store.read(partial(epochs.superseded, site_id="north", epoch=epoch))
        assert refused.extra["is_known"] is is_known


async def test_trouble_is_news_once(store: Store) -> None:
    await store.write(partial(begin, epoch="e1"))
    assert await store.write(partial(epochs.note_trouble, site_id="north", trouble="x"))
    assert not await store.write(partial(epochs.note_trouble, site_id="north", trouble="x"))


async def test_the_journal_of_a_site_goes_over_its_epochs(store: Store) -> None:
    await send(store, [changed(1, "clip", "c1"), changed(2, "clip", "c1")])
    await store.write(partial(begin, epoch="e2"))
    await send(store, [changed(5, "clip", "c1", epoch="e2")], epoch="e2")
    page = await store.read(partial(read_journal, Caller(role="admin"), "north", JournalQuery()))
    assert [(each["epoch_number"], each["seq"]) for each in page["items"]] == [(1, 1), (1, 2), (2, 5)]


def test_the_figures() -> None:
    metrics = Metrics()
    counts = IntakeCounts(metrics)
    counts.took(Taken(5, [{"id": "e1:1"}], None, 3, 2))
    text = metrics.render().decode()
    for outcome, count in (("taken", 2), ("known", 2), ("parked", 1)):
        assert f'fleet_events_total{{outcome="{outcome}"}} {count}.0' in text
    assert BATCH == "application/cloudevents-batch+json"
