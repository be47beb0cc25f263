"""The settings file's channels, applied to the database at start.

The file owns name and input_url of its channels: they are applied at each start. latency_ms and liveness are
applied when the file's value changes, so that a PATCH made during a game survives the restart. A channel that
needs no capture device is active from the start. So is one that no longer needs one, because its liveness has
become "footage" or MediaMTX its recorder, unless a request has activated or deactivated it before. A channel
that was removed from the file keeps all its data and becomes the database's own: it can then be changed and
deleted. Ids are never lost. An archived id is not used again: its old clips belong to another camera.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import structlog
import trio

from appliance.box.channels.machine import ChannelState
from appliance.box.channels.settings import ChannelSettings
from appliance.box.channels.store import insert_channel, journal_channel
from appliance.kernel.errors import Unavailable
from appliance.kernel.store import Store
from appliance.kernel.tx import Row, Tx

log = structlog.get_logger("channels")


@dataclass(slots=True)
class Applied:
    """Channel ids by the change made to them. `refused`: in the file, but archived before; named in
    /readyz."""

    created: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    released: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


def apply_config(
    tx: Tx, channels: Sequence[ChannelSettings], *, footage_from_outside: bool = False
) -> Applied:
    """Make the rows equal to the file. Run once at start, before the monitor and the recorder.

    `footage_from_outside`: another program records every channel (recorder.mode = "external").
    """
    applied = Applied()
    for channel in channels:
        needs_no_device = footage_from_outside or channel.lives_by == "footage"
        _apply(tx, channel, applied, needs_no_device=needs_no_device)
    listed = {channel.id for channel in channels}
    for row in tx.all("SELECT id FROM channels WHERE in_config = 1 ORDER BY id"):
        if row["id"] not in listed:
            tx.update("channels", row["id"], {"in_config": 0, "file_latency_ms": None, "file_liveness": None})
            journal_channel(tx, "channel_updated", row["id"])
            applied.released.append(row["id"])
    return applied


def _apply(tx: Tx, channel: ChannelSettings, applied: Applied, *, needs_no_device: bool) -> None:
    row = tx.one("SELECT * FROM channels WHERE id = ?", (channel.id,))
    if row is None:
        insert_channel(tx, {"id": channel.id, **_first(channel, is_on=needs_no_device)})
        journal_channel(tx, "channel_created", channel.id)
        applied.created.append(channel.id)
    elif row["archived_us"] is not None:
        applied.refused.append(channel.id)
    else:
        changes = _changes(channel, row)
        switch_on = needs_no_device and row["status"] == ChannelState.INACTIVE and row["switched_us"] is None
        if switch_on:
            changes["status"] = ChannelState.ACTIVE
        if changes:
            tx.update("channels", channel.id, changes)
            journal_channel(tx, "channel_updated", channel.id)
            applied.updated.append(channel.id)


def _first(channel: ChannelSettings, *, is_on: bool) -> dict[str, Any]:
    return {
        **_from_file(channel),
        "latency_ms": channel.latency_ms,
        "liveness": channel.lives_by,
        "status": ChannelState.ACTIVE if is_on else ChannelState.INACTIVE,
    }


def _from_file(channel: ChannelSettings) -> dict[str, Any]:
    return {
        "name": channel.shown_name,
        "input_url": channel.input_url,
        "in_config": 1,
        "file_latency_ms": channel.latency_ms if "latency_ms" in channel.model_fields_set else None,
        "file_liveness": channel.lives_by,
    }


def _changes(channel: ChannelSettings, row: Row) -> dict[str, Any]:
    wanted = _from_file(channel)
    if wanted["file_latency_ms"] not in (None, row["file_latency_ms"]):
        wanted["latency_ms"] = channel.latency_ms
    if row["file_liveness"] != channel.lives_by:
        wanted["liveness"] = channel.lives_by
    return {column: value for column, value in wanted.items() if row[column] != value}


@dataclass(slots=True)
class FileChannels:
    """`applied` None: the database could not be written yet, its channels are those of the last start."""

    applied: Applied | None = None


@asynccontextmanager
async def channels_of_the_file(
    store: Store, channels: Sequence[ChannelSettings], *, footage_from_outside: bool = False
) -> AsyncIterator[FileChannels]:
    """Apply the settings file's channels to the database; on a full disk, as soon as there is space."""
    apply = partial(apply_config, channels=channels, footage_from_outside=footage_from_outside)
    of_file = FileChannels()
    try:
        of_file.applied = await store.write(apply)
    except Unavailable as error:
        log.error("settings_not_applied", reason=error.detail, hint="free space on the state disk")

    async def later() -> None:
        of_file.applied = await store.write_retrying(apply)

    async with trio.open_nursery() as nursery:
        if of_file.applied is None:
            nursery.start_soon(later, name="channels of the file")
        yield of_file
        nursery.cancel_scope.cancel()
