"""The record of the domain recorder: the embedded recorder, for box/domains.py."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from appliance.box.recorder.settings import RecorderSettings
from appliance.domain import Domain

if TYPE_CHECKING:
    from appliance.box.domains import Services
    from appliance.kernel.tx import ReadTx


def recorded_inputs(tx: ReadTx) -> dict[str, str]:
    """Channels that this daemon records: id -> input_url."""
    rows = tx.all("SELECT id, input_url FROM channels WHERE input_url IS NOT NULL AND archived_us IS NULL")
    return {row["id"]: row["input_url"] for row in rows}


@asynccontextmanager
async def _run(box: Services) -> AsyncIterator[None]:
    """Record every channel that has an input_url; nothing in external mode."""
    from appliance.box.recorder.embedded import run_embedded_recorder
    from appliance.box.recorder.health import inputs_part, recorder_part
    from appliance.kernel.actor import running
    from appliance.kernel.follow import calling_on_entries

    recorder = box.settings.section(RecorderSettings)
    if recorder.mode == "external":
        yield
        return
    async with running(
        "recorder",
        run_embedded_recorder,
        channels=await box.store.read(recorded_inputs),
        recordings_dir=box.settings.storage.recordings_dir,
        part_s=recorder.part_s,
        segment_s=recorder.segment_s,
        clock=box.clock,
        networks=recorder.input_networks,
    ) as handle:

        async def want() -> None:
            handle.want(await box.store.read(recorded_inputs))

        box.recorder = handle
        box.board.add("recorder", lambda: recorder_part(handle))
        box.board.add("inputs", lambda: inputs_part(handle))
        async with calling_on_entries(box.store.journal, "channel_", want):
            yield


DOMAIN: Domain[Services] = Domain(
    name="recorder",
    sections={"recorder": RecorderSettings},
    run=_run,
)
