"""The actor that detects channels without a sign of life, and the handle that receives heartbeats.

Owns: the deadlines, and the reports since the last flush. A heartbeat only changes memory; an edge is one
transaction; last_seen_at and the reported figures are written together every 5 s. The store owns the rows:
the actor follows them by the journal, so it also sees changes made by other code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import trio

from appliance.box.channels import store
from appliance.box.channels.liveness import Beat, Edge, FootageAge, Watches
from appliance.box.channels.machine import columns_of, state_of
from appliance.kernel.clock import Clock, to_rfc3339
from appliance.kernel.errors import Unavailable
from appliance.kernel.follow import Follower, follow
from appliance.kernel.signal import Signal
from appliance.kernel.store import Store
from appliance.kernel.tx import Row

FLUSH_S = 5.0  # last_seen_at is right to 5 s after kill -9
LAST_FLUSH_S = 2.0  # seconds that stopping waits for the last flush


@dataclass(frozen=True, slots=True)
class MonitorHandle:
    """What the channel routes hold. Alive as long as `run_channel_monitor` runs."""

    interval_s: float
    _store: Store
    _clock: Clock
    _watches: Watches
    _wake: Signal

    async def heartbeat(self, channel_id: str, beat: Beat) -> str:
        """Process a heartbeat; returns the channel's status after it.

        Waits for the database only when the channel is new here or its state changes. Raises Refused 404 or
        410, and Unavailable when a change of state cannot be written.
        """
        if self._watches.get(channel_id) is None:
            self.learn(await self._store.read(lambda tx: store.load_channel(tx, channel_id)))
        edge = self._watches.heard(channel_id, beat, now_s=trio.current_time(), now_us=self._clock.now_us())
        if edge is not None:
            await write_edge(self._store, self, edge)
        watch = self._watches.get(channel_id)
        if watch is None:  # deleted during the wait
            await self._store.read(lambda tx: store.load_channel(tx, channel_id))
            return "inactive"
        return columns_of(watch.state)[0]

    def touch(self, channel_id: str) -> None:
        """Give the channel a full timeout from now, if it is active."""
        self._watches.touch(channel_id, now_s=trio.current_time())

    def learn(self, row: Mapping[str, Any]) -> None:
        """Apply a committed row, or a resource made of one, at once instead of by the journal."""
        state = state_of(row["status"], row["error_cause"])
        beat_us = row.get("heartbeat_us")  # a resource does not contain it: then it is known here
        if self._watches.learn(
            row["id"], state, row["liveness"], row["rev"], now_s=trio.current_time(), beat_us=beat_us
        ):
            self._wake.notify()
        watch = self._watches.get(row["id"])
        if watch is not None and row["rev"] >= watch.rev:
            watch.error_reason = row.get("error_reason")

    def statuses(self) -> dict[str, tuple[str, str | None]]:
        """(status, error_reason) of every channel at this moment."""
        watches = {each: self._watches.get(each) for each in sorted(self._watches.ids())}
        return {
            channel_id: (columns_of(watch.state)[0], watch.error_reason)
            for channel_id, watch in watches.items()
            if watch is not None
        }

    def forget(self, channel_id: str) -> None:
        """The channel was archived."""
        self._watches.forget(channel_id)

    def report(self, channel_id: str) -> dict[str, Any]:
        """Columns reported since the last flush; empty when there are none."""
        return self._watches.report(channel_id)

    def shown(self, resource: Mapping[str, Any]) -> dict[str, Any]:
        """The resource with the reports that are not written yet."""
        report = self.report(resource["id"])
        if not report:
            return dict(resource)
        report.pop("heartbeat_us", None)
        seen = to_rfc3339(report.pop("last_seen_us"))  # one format, UTC: compares as text
        return {**resource, **report, "last_seen_at": max(seen, resource["last_seen_at"] or "")}


async def write_edge(db: Store, monitor: MonitorHandle, edge: Edge) -> None:
    """One transition, one transaction. Raises Unavailable."""
    report = monitor.report(edge.channel_id)
    row: Row | None = await db.write(
        lambda tx: store.observe_channel(tx, edge.channel_id, edge.event, edge.reason, report)
    )
    if row is None:
        monitor.forget(edge.channel_id)
    else:
        monitor.learn(row)


async def run_channel_monitor(
    *,
    db: Store,
    clock: Clock,
    interval_s: float,
    timeout_s: float,
    footage_age_s: FootageAge,
    footage_from_outside: bool = False,
    task_status: trio.TaskStatus[MonitorHandle] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Run until cancelled; the last reports are flushed then.

    Start: `started(handle)` once every channel is known; active ones have a full timeout from then.
    `footage_age_s(channel_id)`: seconds since the channel's newest part was written, None without any.
    `footage_from_outside`: another program records; the liveness of a channel that never had a heartbeat is
    its footage. Raises: whatever the store raises except Unavailable, which is retried.
    """
    watches = Watches(timeout_s, footage_age_s, footage_from_outside=footage_from_outside)
    wake = Signal()
    handle = MonitorHandle(interval_s, db, clock, watches, wake)
    follower = follow(db.journal)
    await _follow_rows(db, handle)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_follow_journal, db, handle, follower, name="channels: journal")
        nursery.start_soon(_watch_deadlines, db, handle, name="channels: deadlines")
        nursery.start_soon(_flush_regularly, db, handle, name="channels: flush")
        task_status.started(handle)


async def _follow_journal(db: Store, handle: MonitorHandle, follower: Follower) -> None:
    while True:
        await follower.wait_for(lambda entry: entry.subject.startswith("channel:"))
        await _follow_rows(db, handle)


async def _follow_rows(db: Store, handle: MonitorHandle) -> None:
    rows = await db.read(store.all_channels)
    for gone in handle._watches.ids() - {row["id"] for row in rows}:
        handle.forget(gone)
    for row in rows:
        handle.learn(row)


async def _watch_deadlines(db: Store, handle: MonitorHandle) -> None:
    while True:
        seen = handle._wake.count
        for edge in handle._watches.due(now_s=trio.current_time()):
            try:
                await write_edge(db, handle, edge)
            except Unavailable:  # decided again a second later
                handle._watches.undo_timeout(edge, now_s=trio.current_time())
        with trio.move_on_at(handle._watches.next_deadline_s()):
            await handle._wake.wait_past(seen)


async def _flush_regularly(db: Store, handle: MonitorHandle) -> None:
    try:
        while True:
            await trio.sleep(FLUSH_S)
            await _flush(db, handle)
    finally:
        with trio.move_on_after(LAST_FLUSH_S, shield=True):
            await _flush(db, handle)


async def _flush(db: Store, handle: MonitorHandle) -> None:
    handle._watches.notice_footage(now_us=handle._clock.now_us())
    reports = handle._watches.take_dirty()
    if not reports:
        return
    try:
        await db.write(lambda tx: store.flush_reports(tx, reports))
    except Unavailable:
        handle._watches.put_back(reports)
