"""The record of the domain channels, for box/domains.py."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance.box.channels.contradictions import contradictions
from appliance.box.channels.settings import ChannelSettings, HeartbeatSettings
from appliance.box.permissions import PAIRED, REPORT, RUN
from appliance.domain import Domain, Resources
from appliance.kernel.tx import ReadTx, Row, Tx

if TYPE_CHECKING:
    from appliance.box.channels.model import Footage
    from appliance.box.domains import Services


def _resource(tx: ReadTx, row: Row) -> dict[str, Any]:
    from appliance.box.channels.model import channel_resource  # here: the small commands do not load it

    return channel_resource(row)


def _on_footage(tx: Tx, channel_id: str, footage: Footage) -> None:
    from appliance.box.channels.store import footage_changed

    footage_changed(tx, channel_id, footage)


@asynccontextmanager
async def _prepare(box: Services) -> AsyncIterator[None]:
    """The channels of the settings file are rows before the recorder and the index read them."""
    from appliance.box.channels.configured import channels_of_the_file
    from appliance.box.channels.health import settings_part

    external = box.settings.recorder.mode == "external"
    async with channels_of_the_file(
        box.store, box.settings.channels, footage_from_outside=external
    ) as of_file:
        box.board.add("settings", lambda: settings_part(of_file.applied))
        yield


@asynccontextmanager
async def _run(box: Services) -> AsyncIterator[None]:
    """Detect channels without a sign of life."""
    from appliance.box.channels.http import channel_routes
    from appliance.box.channels.monitor import run_channel_monitor
    from appliance.kernel.actor import running

    heartbeat = box.settings.section(HeartbeatSettings)
    async with running(
        "channels",
        run_channel_monitor,
        db=box.store,
        clock=box.clock,
        interval_s=heartbeat.interval_s,
        timeout_s=heartbeat.timeout_s,
        footage_age_s=box.recordings.newest_part_age_s,
        footage_from_outside=box.settings.recorder.mode == "external",
    ) as box.monitor:
        box.routes.append(channel_routes(box.monitor, box.clock, box.settings.recorder.input_networks))
        yield


DOMAIN: Domain[Services] = Domain(
    name="channels",
    schema=Path(__file__).parent / "schema",
    sections={"heartbeat": HeartbeatSettings},
    section_lists={"channels": ChannelSettings},
    contradictions=contradictions,
    resources=[
        Resources(
            "channel",
            "channels",
            "id",
            _resource,
            of_session=False,
            present="archived_us IS NULL",
            is_checked=False,
        )
    ],
    on_footage=_on_footage,
    prepare=_prepare,
    access={
        "GET /channels": PAIRED,
        "GET /channels/{channel_id}": PAIRED,
        "POST /channels": RUN,
        "PATCH /channels/{channel_id}": RUN,
        "DELETE /channels/{channel_id}": RUN,
        "POST /channels/{channel_id}/activate": RUN,
        "POST /channels/{channel_id}/deactivate": RUN,
        "POST /channels/{channel_id}/heartbeat": REPORT,
        "POST /channels/{channel_id}/error": REPORT,
    },
    run=_run,
)
