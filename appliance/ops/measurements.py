"""The actor that measures what health and metrics show: disk, database, loop, clock.

Owns: the newest figures. Checks every second what costs nothing, and every five the disks, in a thread: a
dead disk may block statvfs, and then only this figure becomes old.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import trio

from appliance.kernel.errors import Unavailable
from appliance.kernel.follow import all_cursors
from appliance.kernel.sqlite.engine import file_of
from appliance.kernel.store import Store
from appliance.kernel.threads import in_thread
from appliance.kernel.tx import Tx
from appliance.ops.health import (
    PROBE_BAD_S,
    Board,
    DiskSpace,
    HealthPart,
    disk_part,
    journal_part,
    loop_part,
    store_part,
)
from appliance.ops.loopwatch import LoopWatch
from appliance.ops.metrics import Metrics

LOOK_S = 1.0
DISK_S = 5.0
LAG_MAX_S = 2.0


@dataclass(slots=True)
class Measurements:
    """The newest figures. Written by `run_measurements` alone; times are trio's monotonic seconds."""

    lag_s: float = 0.0
    probe_s: float | None = None
    probe_error: str = ""
    answered_at_s: float = 0.0
    disks: dict[str, DiskSpace] = field(default_factory=dict)
    wal_bytes: int = 0
    lost_cursors: tuple[str, ...] = ()
    silent_max_s: float = PROBE_BAD_S

    def trouble(self) -> str | None:
        """Why the watchdog must not be pinged, or None. A full disk is no reason, nor a server that is away
        or frozen: the store still answers, within `silent_max_s`."""
        silent_s = trio.current_time() - self.answered_at_s
        if silent_s > self.silent_max_s:
            return f"the store has not answered for {silent_s:.0f} s"
        if self.lag_s > LAG_MAX_S:
            return f"the event loop stood still for {self.lag_s:.1f} s"
        return None


@dataclass(frozen=True, slots=True)
class DiskLimits:
    """Bytes, from [storage] reserve_gb and [retention] min_free_gb."""

    reserve_bytes: float
    min_free_bytes: float


async def run_measurements(
    *,
    store: Store,
    loop: LoopWatch,
    folders: Mapping[str, Path],
    limits: DiskLimits,
    board: Board,
    metrics: Metrics,
    task_status: trio.TaskStatus[Measurements] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Measure until cancelled; puts parts `disk_<name>` (one per folder), store, journal and loop on the
    board.

    Start: when the first probe was answered and the disks were measured once. Stop: cancel. Raises:
    StoreBroken when the store ends.
    """
    engine, measured = store.engine, Measurements(answered_at_s=trio.current_time())
    if engine.is_shared:  # another machine may hang: this process is not to be restarted for that
        measured.silent_max_s = max(PROBE_BAD_S, LOOK_S + engine.answers_within_s)
    await _probe(store, measured)
    await _ask_disks(measured, folders, file_of(store))
    await _ask_cursors(measured, store)
    _show(measured, store, folders, limits, board)
    _count(measured, store, metrics)
    task_status.started(measured)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_look_again, store, loop, measured)
        while True:
            await trio.sleep(DISK_S)
            await _ask_disks(measured, folders, file_of(store))
            await _ask_cursors(measured, store)


async def _look_again(store: Store, loop: LoopWatch, measured: Measurements) -> None:
    while True:
        await trio.sleep(LOOK_S)
        measured.lag_s = loop.take_worst_turn_s()
        await _probe(store, measured)


async def _probe(store: Store, measured: Measurements) -> None:
    """One transaction through the writer: a COMMIT or a typed error is an answer. An empty one writes nothing
    and succeeds on a full disk, so after a refused change the probe writes, until that succeeds."""
    began_s = trio.current_time()
    try:
        await store.write(_write_probe if store.refused else lambda tx: None)
        measured.probe_error = ""
    except Unavailable as error:
        measured.probe_error = error.detail
    measured.answered_at_s = trio.current_time()
    measured.probe_s = measured.answered_at_s - began_s


def _write_probe(tx: Tx) -> None:
    """Write as much as a mark does: a row of some pages, which replaces that of the last probe."""
    tx.run(
        "INSERT INTO meta (key, value) VALUES ('write_probe', ?)"
        " ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        (secrets.token_hex(8192),),
    )


async def _ask_disks(measured: Measurements, folders: Mapping[str, Path], database: Path | None) -> None:
    for name, folder in folders.items():
        measured.disks[name] = await in_thread(disk_space, folder, abandon_on_cancel=True)
    if database is not None:
        measured.wal_bytes = await in_thread(_wal_bytes, database, abandon_on_cancel=True)


async def _ask_cursors(measured: Measurements, store: Store) -> None:
    with suppress(Unavailable):  # reported by the store's own part
        cursors = await store.read(all_cursors)
        measured.lost_cursors = tuple(cursor.name for cursor in cursors if cursor.needs_resync)


def disk_space(folder: Path) -> DiskSpace:
    """Space free for the daemon's user (not root's reserve) where `folder` is. Blocks."""
    try:
        stats = os.statvfs(folder)
    except OSError as error:
        return DiskSpace(str(folder), -1, -1, error.strerror or str(error))
    return DiskSpace(str(folder), stats.f_bavail * stats.f_frsize, stats.f_blocks * stats.f_frsize)


def _wal_bytes(database: Path) -> int:
    try:
        return database.with_name(database.name + "-wal").stat().st_size
    except OSError:
        return 0


def _show(
    measured: Measurements, store: Store, folders: Mapping[str, Path], limits: DiskLimits, board: Board
) -> None:
    def disk(name: str) -> HealthPart:
        return disk_part(
            measured.disks[name], reserve_bytes=limits.reserve_bytes, min_free_bytes=limits.min_free_bytes
        )

    def database() -> HealthPart:
        silent_s = trio.current_time() - measured.answered_at_s
        return store_part(
            queue=store.queue_length(),
            probe_s=measured.probe_s,
            silent_s=silent_s,
            error=measured.probe_error,
        )

    def journal() -> HealthPart:
        head, oldest = store.journal.head, store.journal.oldest
        return journal_part(
            head=head, oldest=oldest, wal_bytes=measured.wal_bytes, lost=measured.lost_cursors
        )

    board.add("store", database)
    board.add("journal", journal)
    board.add("loop", lambda: loop_part(measured.lag_s))
    for name in folders:
        board.add(f"disk_{name}", lambda name=name: disk(name))  # type: ignore[misc]  # mypy: defaults of a lambda


def _count(measured: Measurements, store: Store, metrics: Metrics) -> None:
    metrics.gauge(
        "loop_lag_seconds", "Longest turn of the event loop in the last second", lambda: measured.lag_s
    )
    metrics.gauge("event_seq", "Newest entry of the journal", lambda: float(store.journal.head))
    metrics.gauge("store_queue_depth", "Writes waiting", lambda: float(store.queue_length()))
    metrics.gauge("store_probe_seconds", "What an empty transaction took", lambda: measured.probe_s or 0.0)

    def free() -> dict[str, float]:
        return {name: float(space.free_bytes) for name, space in measured.disks.items()}

    metrics.gauges("disk_free_bytes", "Free bytes where a folder is", "folder", free)
