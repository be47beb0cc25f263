"""The index's footage states become channel rows through the record."""

from __future__ import annotations

from pathlib import Path

from appliance.box.channels.domain import DOMAIN
from appliance.box.recordings.domain import followed_channels, journal_fact
from appliance.box.recordings.model import FootageChanged
from tests.kit.box import add_channel, sim_store, types


async def test_footage_that_comes_is_in_the_channels_row(tmp_path: Path) -> None:
    async with sim_store(tmp_path) as store:
        await store.write(lambda tx: add_channel(tx, "cam1", latency_ms=40))
        await store.write(lambda tx: journal_fact(tx, FootageChanged("cam1", "on")))
        (resources,) = DOMAIN.resources
        row = await store.read(lambda tx: tx.one("SELECT * FROM channels"))
        assert row is not None
        shown = await store.read(lambda tx: resources.resource(tx, row))
        assert (shown["id"], shown["footage"]) == ("cam1", "on")
        assert types(store) == ["channel_footage"]
        assert await store.read(followed_channels) == {"cam1": 40}
