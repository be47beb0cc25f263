"""Transactions that change channels, and reading them. Only this file writes `channels`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from appliance.box.channels.inputs import MAX_CHANNEL_IDS, MAX_CHANNELS, default_liveness, input_port_of
from appliance.box.channels.machine import CHANNEL, ChannelEvent, ChannelState, columns_of, state_of
from appliance.box.channels.model import (
    ChannelIn,
    ChannelPatch,
    ChannelQuery,
    FaultIn,
    Footage,
    channel_resource,
)
from appliance.kernel.errors import FieldError, Refused, invalid
from appliance.kernel.machine import ILLEGAL
from appliance.kernel.operation import Answer, Caller, check_rev, fingerprint
from appliance.kernel.paging import list_page
from appliance.kernel.rows import known_row, load_row
from appliance.kernel.tx import ReadTx, Row, Tx

FILE_OWNED = ("name", "input_url")


def load_channel(tx: ReadTx, channel_id: str) -> Row:
    """The row. Raises Refused 404, or 410 for one that was archived."""
    return load_row(tx, "channel", channel_id, gone="archived_us")


def has_channel(tx: ReadTx, channel_id: str) -> bool:
    """Whether there is one with this id that is not archived."""
    return tx.value("SELECT 1 FROM channels WHERE id = ? AND archived_us IS NULL", (channel_id,)) is not None


def get_channel(tx: ReadTx, channel_id: str) -> dict[str, Any]:
    return channel_resource(load_channel(tx, channel_id))


def list_channels(tx: ReadTx, query: ChannelQuery) -> dict[str, Any]:
    where: list[tuple[str, tuple[Any, ...]]] = []
    if query.status is not None:
        where.append(("status = ?", (query.status,)))
    return list_page(
        tx,
        query,
        table="channels",
        key="created_us",
        where=where,
        resource=lambda _, row: channel_resource(row),
        gone="archived_us",
    )


def all_channels(tx: ReadTx) -> list[Row]:
    """Rows of every channel that is not archived, in list order."""
    return tx.all("SELECT * FROM channels WHERE archived_us IS NULL ORDER BY created_us, id")


def create_channel(tx: Tx, caller: Caller, body: ChannelIn) -> Answer:
    """A new inactive channel, or the existing one for the same id and body."""
    request_hash = fingerprint(body.model_dump_json())
    known = known_row(tx, "channel", body.id, request_hash, gone="archived_us")
    if known is not None:
        return Answer(200, channel_resource(known))
    _refuse_too_many(tx)
    _refuse_port_in_use(tx, body.id, body.input_url)
    liveness = body.liveness or default_liveness(body.input_url)
    fields = body.model_dump(include={"id", "name", "input_url", "latency_ms"})
    insert_channel(tx, {**fields, "liveness": liveness, "in_config": 0, "request_hash": request_hash})
    return Answer(201, journal_channel(tx, "channel_created", body.id))


def insert_channel(tx: Tx, fields: Mapping[str, Any]) -> None:
    """Insert a row with these columns; inactive unless they say otherwise."""
    defaults = {"status": ChannelState.INACTIVE, "created_us": tx.now_us, "updated_us": tx.now_us}
    tx.create("channels", {**defaults, **fields})


def change_channel(tx: Tx, caller: Caller, channel_id: str, body: ChannelPatch) -> Answer:
    """Change the fields sent. Name and input_url of a channel in the settings file are refused."""
    row = load_channel(tx, channel_id)
    check_rev(caller, "channel", row["rev"])
    sent = body.model_dump(exclude_unset=True)
    if row["in_config"]:
        _refuse_file_owned(channel_id, [name for name in FILE_OWNED if name in sent])
    changes = {
        column: value
        for column, value in sent.items()
        if value != row[column] and (value is not None or column == "input_url")
    }
    if not changes:
        return Answer(200, channel_resource(row))
    if "input_url" in changes:
        _refuse_port_in_use(tx, channel_id, changes["input_url"])
    tx.update("channels", channel_id, changes)
    return Answer(200, journal_channel(tx, "channel_updated", channel_id))


def _refuse_too_many(tx: ReadTx) -> None:
    counts = tx.one("SELECT count(*) AS ids, sum(archived_us IS NULL) AS channels FROM channels")
    assert counts is not None
    if (counts["channels"] or 0) >= MAX_CHANNELS:
        raise Refused(
            409, "too_many_channels", f"there are {MAX_CHANNELS} channels already", "delete unused channels"
        )
    if counts["ids"] >= MAX_CHANNEL_IDS:
        raise Refused(
            409,
            "too_many_channels",
            f"{MAX_CHANNEL_IDS} channel ids have been used, deleted ones included",
            "change a channel that is not used any more instead of adding one",
        )


def _refuse_port_in_use(tx: ReadTx, channel_id: str, input_url: str | None) -> None:
    """Two channels cannot listen on one port: the second would never be recorded."""
    wanted = input_port_of(input_url)
    if wanted is None:
        return
    for row in all_channels(tx):
        other = input_port_of(row["input_url"])
        if row["id"] != channel_id and other is not None and wanted.clashes_with(other):
            detail = f"port {wanted.port} is listened on by channel {row['id']} already"
            raise invalid("input_url", f"{detail}; use another port", "port_in_use")


def _refuse_file_owned(channel_id: str, names: list[str]) -> None:
    if names:
        raise Refused(
            409,
            "in_config",
            f"{' and '.join(names)} of channel {channel_id} come from the settings file",
            "change the [[channels]] block of the file and restart",
            [FieldError(name, "comes from the settings file") for name in names],
        )


def archive_channel(tx: Tx, caller: Caller, channel_id: str) -> Answer:
    """DELETE: archive the channel; its clips and recordings stay, its id is never used again."""
    row = load_channel(tx, channel_id)
    check_rev(caller, "channel", row["rev"])
    if row["in_config"]:
        raise Refused(
            409,
            "in_config",
            f"channel {channel_id} comes from the settings file",
            "take its [[channels]] block out of the file, restart, then delete it",
        )
    tx.update("channels", channel_id, {"archived_us": tx.now_us, "status": "inactive", "error_cause": None})
    tx.append("channel_deleted", f"channel:{channel_id}", {"channel_id": channel_id})
    return Answer(200, {"id": channel_id, "deleted": True})


def command_channel(
    tx: Tx, caller: Caller, channel_id: str, event: ChannelEvent, reason: str | None = None
) -> Answer:
    """A transition requested by a caller. Raises Refused 409 for an illegal one."""
    row = load_channel(tx, channel_id)
    check_rev(caller, "channel", row["rev"])
    return Answer(200, channel_resource(_move(tx, row, event, reason, {})))


def report_fault(tx: Tx, caller: Caller, channel_id: str, body: FaultIn) -> Answer:
    """Report a fault: recoverable (error), or fatal (capture has stopped: inactive)."""
    event = ChannelEvent.FATAL_FAULT if body.fatal else ChannelEvent.FAULT
    return command_channel(tx, caller, channel_id, event, body.reason)


def observe_channel(
    tx: Tx, channel_id: str, event: ChannelEvent, reason: str, report: Mapping[str, Any]
) -> Row | None:
    """A transition that the monitor detected, with the latest report. If it is no longer legal, nothing
    happens.

    Returns the row after it; None when the channel is gone.
    """
    row = tx.one("SELECT * FROM channels WHERE id = ? AND archived_us IS NULL", (channel_id,))
    if row is None:
        return None
    if CHANNEL.table[state_of(row["status"], row["error_cause"])][event] is ILLEGAL:
        return row
    return _move(tx, row, event, reason, report)


def _move(tx: Tx, row: Row, event: ChannelEvent, reason: str | None, report: Mapping[str, Any]) -> Row:
    """One transition: the row, and one channel_status. A cell that stays in its row is no transition."""
    before = state_of(row["status"], row["error_cause"])
    after = CHANNEL.next(before, event)
    keeps_reason = event in (ChannelEvent.TIMEOUT, ChannelEvent.FAULT, ChannelEvent.FATAL_FAULT)
    error_reason = reason if keeps_reason else None
    if after is before and (event is not ChannelEvent.FAULT or error_reason == row["error_reason"]):
        return row
    status, cause = columns_of(after)
    changes = {"status": status, "error_cause": cause, "error_reason": error_reason, **report}
    if event in (ChannelEvent.ACTIVATE, ChannelEvent.DEACTIVATE, ChannelEvent.FATAL_FAULT):
        changes["switched_us"] = tx.now_us
    tx.update("channels", row["id"], changes)
    if after is before:  # another fault while in error: no transition, but the reason is shown to people
        journal_channel(tx, "channel_updated", row["id"])
    else:
        journal_channel(tx, "channel_status", row["id"], status=status, reason=reason or str(event))
    return load_channel(tx, row["id"])


def footage_changed(tx: Tx, channel_id: str, footage: Footage) -> bool:
    """Store the index's present footage state of a channel. One channel_footage event per change.

    False: nothing changed, or there is no such channel (a folder of an archived one).
    """
    row = tx.one("SELECT footage FROM channels WHERE id = ? AND archived_us IS NULL", (channel_id,))
    if row is None or row["footage"] == footage:
        return False
    tx.update("channels", channel_id, {"footage": footage})
    journal_channel(tx, "channel_footage", channel_id, footage=footage)
    return True


def flush_reports(tx: Tx, reports: Mapping[str, Mapping[str, Any]]) -> None:
    """Write the reports of heartbeats: no revision, no journal entry, last_seen never backwards.

    `reports`: channel id -> columns, as `Watches.take_dirty` returns them.
    """
    for channel_id, columns in reports.items():
        sets = ", ".join(f"{name} = ?" for name in columns if name != "last_seen_us")
        tx.run(
            f"UPDATE channels SET {sets}{', ' if sets else ''}"
            " last_seen_us = max(coalesce(last_seen_us, 0), ?) WHERE id = ?",
            (
                *(value for name, value in columns.items() if name != "last_seen_us"),
                columns["last_seen_us"],
                channel_id,
            ),
        )


def journal_channel(tx: Tx, type_: str, channel_id: str, **keys: Any) -> dict[str, Any]:
    """Append the channel's present state; `keys` are top-level fields of the event."""
    resource = get_channel(tx, channel_id)
    tx.append(type_, f"channel:{channel_id}", {"channel_id": channel_id, **keys, "channel": resource})
    return resource
