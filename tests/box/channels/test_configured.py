"""The settings file's channels are merged with the database's at every start."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from trio.testing import MockClock

from appliance.box.channels import store as channels
from appliance.box.channels.configured import Applied, apply_config
from appliance.box.channels.machine import ChannelEvent
from appliance.box.channels.model import ChannelIn, ChannelPatch
from appliance.box.channels.settings import ChannelSettings
from appliance.kernel.errors import Refused
from appliance.kernel.operation import Caller
from appliance.kernel.store import Store
from tests.kit.box import sim_store, types


@pytest.fixture
async def store(tmp_path: Path, autojump_clock: MockClock) -> AsyncIterator[Store]:
    async with sim_store(tmp_path) as opened:
        yield opened


async def start(store: Store, *blocks: dict[str, Any], outside: bool = False) -> Applied:
    """One start of the box with these [[channels]] blocks; `outside`: with MediaMTX as the recorder."""
    listed = [ChannelSettings(**block) for block in blocks]
    return await store.write(lambda tx: apply_config(tx, listed, footage_from_outside=outside))


async def row(store: Store, channel_id: str = "cam1") -> dict[str, Any]:
    return await store.read(lambda tx: channels.load_channel(tx, channel_id))


async def patch(store: Store, **fields: Any) -> None:
    await store.write(lambda tx: channels.change_channel(tx, Caller(), "cam1", ChannelPatch(**fields)))


async def test_a_first_start_makes_the_channels_and_a_second_changes_nothing(store: Store) -> None:
    blocks = ({"id": "cam1", "name": "Sideline", "latency_ms": 80}, {"id": "cam2", "input_url": "synthetic:"})
    assert (await start(store, *blocks)).created == ["cam1", "cam2"]
    assert await start(store, *blocks) == Applied()
    assert types(store) == ["channel_created", "channel_created"]
    first, second = await row(store), await row(store, "cam2")
    assert (first["name"], first["latency_ms"], first["in_config"], first["status"]) == (
        "Sideline",
        80,
        1,
        "inactive",
    )
    assert (second["name"], second["liveness"]) == ("cam2", "footage")
    assert second["status"] == "active"  # nothing else would activate a channel the box records itself


async def test_the_file_owns_name_and_input(store: Store) -> None:
    await start(store, {"id": "cam1", "name": "Old"})
    assert (await start(store, {"id": "cam1", "name": "New", "input_url": "srt://:8891"})).updated == ["cam1"]
    changed = await row(store)
    assert (changed["name"], changed["input_url"], changed["liveness"]) == ("New", "srt://:8891", "footage")
    for fields in ({"name": "Mine"}, {"input_url": None}):
        with pytest.raises(Refused) as refused:
            await patch(store, **fields)
        assert (refused.value.status, refused.value.code) == (409, "in_config")
        assert [each.loc for each in refused.value.errors] == list(fields)
    with pytest.raises(Refused) as refused:
        await store.write(lambda tx: channels.archive_channel(tx, Caller(), "cam1"))
    assert (refused.value.status, refused.value.code) == (409, "in_config")


async def test_a_latency_set_during_a_game_survives_restarts_until_the_file_changes(
    store: Store,
) -> None:
    await start(store, {"id": "cam1", "latency_ms": 80})
    await patch(store, latency_ms=120, liveness="footage")
    await start(store, {"id": "cam1", "latency_ms": 80})
    assert ((await row(store))["latency_ms"], (await row(store))["liveness"]) == (120, "footage")
    await start(store, {"id": "cam1", "latency_ms": 90})
    assert (await row(store))["latency_ms"] == 90
    await start(store, {"id": "cam1"})
    assert (await row(store))["latency_ms"] == 90


async def test_a_channel_that_left_the_file_keeps_everything_and_is_free(store: Store) -> None:
    await start(store, {"id": "cam1", "name": "Sideline", "latency_ms": 80})
    await store.write(lambda tx: channels.command_channel(tx, Caller(), "cam1", ChannelEvent.ACTIVATE))
    assert (await start(store)).released == ["cam1"]
    stored = await row(store)
    assert (stored["in_config"], stored["name"], stored["status"]) == (0, "Sideline", "active")
    await patch(store, name="Mine")
    assert (await start(store, {"id": "cam1", "name": "Sideline"})).updated == ["cam1"]
    assert ((await row(store))["in_config"], (await row(store))["name"]) == (1, "Sideline")


async def test_the_file_takes_over_a_channel_made_by_hand_with_its_latency(store: Store) -> None:
    body = ChannelIn.model_validate({"id": "cam1", "name": "By hand", "latency_ms": 200})
    await store.write(lambda tx: channels.create_channel(tx, Caller(), body))
    await start(store, {"id": "cam1", "name": "Sideline"})
    taken = await row(store)
    assert (taken["name"], taken["latency_ms"], taken["in_config"]) == ("Sideline", 200, 1)


async def test_an_archived_id_is_not_revived_and_does_not_stop_the_box(store: Store) -> None:
    await start(store, {"id": "cam1"})
    await start(store)
    await store.write(lambda tx: channels.archive_channel(tx, Caller(), "cam1"))
    applied = await start(store, {"id": "cam1"}, {"id": "cam2"})
    assert (applied.refused, applied.created) == (["cam1"], ["cam2"])
    with pytest.raises(Refused):
        await row(store)


def test_an_input_the_recorder_cannot_take_stops_the_start() -> None:
    with pytest.raises(ValidationError, match="rtsp: is not known"):
        ChannelSettings(id="cam1", input_url="rtsp://camera/1")


async def test_a_channel_that_mediamtx_records_is_on_from_the_start(store: Store) -> None:
    await start(store, {"id": "cam1"}, outside=True)
    assert (await row(store))["status"] == "active"
    assert (await row(store))["liveness"] == "heartbeat", "the default; footage counts until one"


@pytest.mark.parametrize("later", [{"outside": True}, {"liveness": "footage"}, {"input_url": "srt://:8891"}])
async def test_a_channel_never_switched_is_active_once_it_needs_no_device(
    store: Store, later: dict[str, Any]
) -> None:
    await start(store, {"id": "cam1"})
    assert (await row(store))["status"] == "inactive"
    outside = later.pop("outside", False)
    assert (await start(store, {"id": "cam1", **later}, outside=outside)).updated == ["cam1"]
    assert (await row(store))["status"] == "active"
    assert await start(store, {"id": "cam1", **later}, outside=outside) == Applied()


@pytest.mark.parametrize("event", [ChannelEvent.DEACTIVATE, ChannelEvent.FATAL_FAULT])
async def test_a_channel_that_was_switched_off_stays_off(store: Store, event: ChannelEvent) -> None:
    await start(store, {"id": "cam1"}, outside=True)
    await store.write(lambda tx: channels.command_channel(tx, Caller(), "cam1", event))
    assert await start(store, {"id": "cam1"}, outside=True) == Applied()
    assert (await row(store))["status"] == "inactive"
