"""Which channels the box records itself."""

from __future__ import annotations

from pathlib import Path

from appliance.box.recorder.domain import recorded_inputs
from tests.kit.box import add_channel, sim_store


async def test_channels_with_an_input_that_are_not_archived_are_recorded(tmp_path: Path) -> None:
    async with sim_store(tmp_path) as store:
        for channel_id in ("cam1", "cam2", "cam3"):
            await store.write(lambda tx, name=channel_id: add_channel(tx, name))  # type: ignore[misc]
        await store.write(
            lambda tx: tx.run("UPDATE channels SET input_url = 'srt://:8891' WHERE id <> 'cam2'")
        )
        await store.write(lambda tx: tx.run("UPDATE channels SET archived_us = 1 WHERE id = 'cam3'"))
        assert await store.read(recorded_inputs) == {"cam1": "srt://:8891"}
