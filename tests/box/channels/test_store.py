"""The closures' output: rows, one journal entry per change, none without a change."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import apsw
import pytest
from trio.testing import MockClock

from appliance.box.channels import store as channels
from appliance.box.channels.inputs import MAX_CHANNELS
from appliance.box.channels.machine import ChannelEvent
from appliance.box.channels.model import ChannelIn, ChannelPatch, Footage
from appliance.kernel import json
from appliance.kernel.errors import Refused
from appliance.kernel.operation import Caller
from appliance.kernel.store import Store
from appliance.kernel.tx import Tx
from tests.kit.box import sim_store, types

SECRET_URL = "srt://:8892?passphrase=very-secret-word"


@pytest.fixture
async def store(tmp_path: Path, autojump_clock: MockClock) -> AsyncIterator[Store]:
    async with sim_store(tmp_path) as opened:
        body = ChannelIn.model_validate({"id": "cam1", "name": "Cam 1"})
        await opened.write(lambda tx: channels.create_channel(tx, Caller(), body))
        yield opened


async def test_footage_is_reported_once_per_change(store: Store) -> None:  # V22
    steps: list[tuple[Footage, bool]] = [("on", True), ("on", False), ("stalled", True), ("none", True)]
    for footage, changed in steps:
        assert (
            await store.write(partial(channels.footage_changed, channel_id="cam1", footage=footage))
            is changed
        )
    assert types(store) == ["channel_created"] + ["channel_footage"] * 3
    event = json.decode((store.journal.recent(3) or [])[0].event)
    assert (event["channel_id"], event["footage"], event["channel"]["footage"]) == ("cam1", "none", "none")


async def test_footage_of_an_unknown_channel_is_ignored(store: Store) -> None:
    assert await store.write(lambda tx: channels.footage_changed(tx, "stranger", "on")) is False
    await store.write(lambda tx: channels.archive_channel(tx, Caller(), "cam1"))
    assert await store.write(lambda tx: channels.footage_changed(tx, "cam1", "on")) is False


async def test_an_edge_that_is_no_longer_legal_changes_nothing(store: Store) -> None:
    row = await store.write(lambda tx: channels.observe_channel(tx, "cam1", ChannelEvent.TIMEOUT, "late", {}))
    assert row is not None and row["status"] == "inactive"
    assert types(store) == ["channel_created"]
    assert (
        await store.write(lambda tx: channels.observe_channel(tx, "x", ChannelEvent.TIMEOUT, "", {})) is None
    )


async def test_a_transition_writes_the_last_reported_figures(store: Store) -> None:
    await store.write(lambda tx: channels.command_channel(tx, Caller(), "cam1", ChannelEvent.ACTIVATE))
    report = {"last_seen_us": 1_000_000, "resolution": "1920x1080"}
    await store.write(lambda tx: channels.observe_channel(tx, "cam1", ChannelEvent.TIMEOUT, "silent", report))
    event = json.decode((store.journal.recent(2) or [])[0].event)
    assert event["channel"]["last_seen_at"] == "1970-01-01T00:00:01.000000Z"
    assert event["channel"]["resolution"] == "1920x1080"


async def test_a_flush_never_moves_last_seen_back(store: Store) -> None:  # V04
    for last_seen_us in (50, 40):
        reports = {"cam1": {"last_seen_us": last_seen_us}}
        await store.write(partial(channels.flush_reports, reports=reports))
    row = await store.read(lambda tx: channels.load_channel(tx, "cam1"))
    assert (row["last_seen_us"], row["rev"]) == (50, 1)
    assert types(store) == ["channel_created"]


async def test_a_passphrase_reaches_neither_clients_nor_the_journal(store: Store) -> None:
    body = ChannelIn.model_validate({"id": "cam2", "name": "Cam 2", "input_url": SECRET_URL})
    answer = await store.write(lambda tx: channels.create_channel(tx, Caller(), body))
    assert answer.resource["input_url"] == "srt://:8892?passphrase=***"
    assert b"very-secret-word" not in b"".join(entry.event for entry in store.journal.recent(0) or [])
    row = await store.read(lambda tx: channels.load_channel(tx, "cam2"))
    assert row["input_url"] == SECRET_URL  # the recorder needs it


async def test_the_database_refuses_an_error_without_a_cause(store: Store) -> None:
    def wrong(tx: Tx) -> Any:
        return tx.run("UPDATE channels SET status = 'error' WHERE id = 'cam1'")

    with pytest.raises(apsw.ConstraintError):
        await store.write(wrong)


async def test_no_two_channels_listen_on_one_port(store: Store) -> None:
    def added(channel_id: str, url: str) -> Any:
        body = ChannelIn.model_validate({"id": channel_id, "name": channel_id, "input_url": url})
        return store.write(lambda tx: channels.create_channel(tx, Caller(), body))

    await added("a", "srt://:8891")
    await added("b", "srt://:8892")
    with pytest.raises(Refused) as refused:
        await added("c", "srt://127.0.0.1:8891?mode=listener")
    assert (refused.value.status, refused.value.code) == (422, "port_in_use")
    assert refused.value.errors[0].loc == "input_url" and "channel a" in refused.value.detail
    with pytest.raises(Refused, match="port_in_use"):
        patch = ChannelPatch.model_validate({"input_url": "srt://:8891"})
        await store.write(lambda tx: channels.change_channel(tx, Caller(), "b", patch))
    await store.write(lambda tx: channels.archive_channel(tx, Caller(), "a"))
    await added("c", "srt://:8891")


async def test_the_number_of_channels_is_limited(store: Store) -> None:
    def fill(tx: Tx) -> None:
        for number in range(MAX_CHANNELS - 1):
            row = {"id": f"c{number}", "name": "", "latency_ms": 0, "in_config": 0, "liveness": "footage"}
            channels.insert_channel(tx, row)

    await store.write(fill)
    body = ChannelIn.model_validate({"id": "last", "name": "Last"})
    with pytest.raises(Refused) as refused:
        await store.write(lambda tx: channels.create_channel(tx, Caller(), body))
    assert (refused.value.status, refused.value.code) == (409, "too_many_channels")
    await store.write(lambda tx: channels.archive_channel(tx, Caller(), "c0"))
    await store.write(lambda tx: channels.create_channel(tx, Caller(), body))
