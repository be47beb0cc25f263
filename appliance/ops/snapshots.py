"""Copies of the database on a schedule, and the witness file with its newest state.

Owns: when a copy is made, that it is complete before it gets its name, how many are kept. Restoring them is
in kernel/rescue.py. A failing disk is reported in /readyz and retried.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog
import trio

from appliance.kernel.clock import Clock, to_rfc3339
from appliance.kernel.rescue import fact_of, publish_copy
from appliance.kernel.schema import newest_schema
from appliance.kernel.sqlite.engine import on_disk
from appliance.kernel.store import Store
from appliance.kernel.threads import in_thread
from appliance.kernel.witness import Witness, log_bytes, write_witness
from appliance.ops.health import HealthPart

log = structlog.get_logger("snapshots")

EVERY_S: Final = 600.0
WITNESS_S: Final = 5.0
KEEP: Final = 3
SITE: Final = "site_id"  # the key in `meta`
LATE_S: Final = 3 * EVERY_S


@dataclass(slots=True)
class Snapshots:
    """The actor's state. `made_s`: monotonic time of the newest copy of this run."""

    began_s: float
    made_s: float | None = None
    head: int = -1  # of the newest copy
    witnessed: int = -1
    error: str = ""

    def part(self, head: int) -> HealthPart:
        if self.error:
            return HealthPart("warn", f"no copy of the database: {self.error}", "check storage.backup_dir")
        if head != self.head and trio.current_time() - (self.made_s or self.began_s) > LATE_S:
            return HealthPart("warn", "the newest copy of the database is old", "see `appliance doctor`")
        return HealthPart(
            "ok", f"{KEEP} copies of the database are kept, one each {EVERY_S / 60:.0f} minutes"
        )


def snapshot_files(folder: Path, site_id: str | None = None) -> list[Path]:
    """Copies of the database in the folder, newest first. With `site_id` those of that site, and those
    without a site: several boxes may keep theirs on one disk."""
    files = sorted(folder.glob("box-*.db"), reverse=True)
    return files if site_id is None else [file for file in files if fact_of(file, SITE) in (None, site_id)]


async def run_snapshots(
    *,
    store: Store,
    clock: Clock,
    site_id: str,
    folder: Path,
    task_status: trio.TaskStatus[Snapshots] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Copy the database into `folder` each ten minutes in which it changed, and update its witness.

    Start: after the first witness. Stop: cancel.
    """
    snapshots = Snapshots(trio.current_time())
    await _testify(store, site_id, snapshots)
    task_status.started(snapshots)
    due_s = trio.current_time() + WITNESS_S  # the first one once the box serves
    while True:
        await trio.sleep(WITNESS_S)
        await _testify(store, site_id, snapshots)
        if trio.current_time() >= due_s and store.journal.head != snapshots.head and store.detached is None:
            due_s = trio.current_time() + EVERY_S
            await _copy(store, clock, folder, site_id, snapshots)


async def _testify(store: Store, site_id: str, snapshots: Snapshots) -> None:
    head = store.journal.head
    if head == snapshots.witnessed or store.detached is not None:
        return
    log_size = log_bytes(on_disk(store).path)
    witness = Witness(site_id, store.journal.epoch, head, newest_schema(), log_size, on_disk(store).floor)
    try:
        await in_thread(write_witness, on_disk(store).path.parent, witness)
        snapshots.witnessed = head
    except OSError as error:
        log.warning("witness_not_written", error=str(error))


async def _copy(store: Store, clock: Clock, folder: Path, site_id: str, snapshots: Snapshots) -> None:
    head = store.journal.head
    stamp = to_rfc3339(clock.now_us())[:19].replace(":", "").replace("-", "")
    try:
        await take_snapshot(store, folder / f"box-{stamp}.db", site_id)
    except OSError as error:
        snapshots.error = str(error)
        log.warning("snapshot_not_made", error=str(error))
        return
    snapshots.head, snapshots.made_s, snapshots.error = head, trio.current_time(), ""


async def take_snapshot(store: Store, target: Path, site_id: str | None = None) -> None:
    """Make a complete, durable copy at `target`, and delete all but the newest KEEP beside it; with `site_id`
    only copies of that site are counted and deleted.

    Raises OSError.
    """
    draft = target.with_suffix(".tmp")
    await in_thread(lambda: target.parent.mkdir(parents=True, exist_ok=True))
    await in_thread(on_disk(store).backup, draft)
    await in_thread(_finish, draft, target, site_id)


def _finish(draft: Path, target: Path, site_id: str | None) -> None:
    publish_copy(draft, target)
    for old in snapshot_files(target.parent, site_id)[KEEP:]:
        old.unlink(missing_ok=True)
