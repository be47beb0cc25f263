"""Clip files: write a plan's bytes to a file, and delete files that are no longer needed.

Owns: clips_dir, and what happens when its disk fails: the error is reported and the work retried. A file's
bytes equal its plan's: writing it changes no revision and sends no event. Order of a write: write_plan.py,
then COMMIT. Order of a delete: the transaction that makes a file unneeded adds a row to `garbage`; then
unlink, fsync(directory), delete the row. Bulk work: one file at a time, after every live job.
"""

from __future__ import annotations

import errno
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Protocol

import structlog
import trio

from appliance.box.clips.files.clips_disk import ClipsDisk
from appliance.box.clips.files.footage import Footage
from appliance.box.clips.files.readers import Cut, Readers
from appliance.box.clips.files.recovery import find_lost
from appliance.box.clips.files.write_plan import BytesLost, Unreadable, link_file, unlink, write_plan
from appliance.box.clips.housekeeping.strays import (
    StrayCounts,
    count_aside,
    extend_garbage_after_restore,
    sweep,
)
from appliance.box.clips.records import cut_states as cuts
from appliance.box.clips.records.stored_plans import (
    StoredPlan,
    file_name,
    keep_file,
    plans_to_write,
    stored_plan,
    written_twin,
)
from appliance.kernel.retry import Backoff, DiskErrors
from appliance.kernel.store import Store
from appliance.kernel.threads import in_thread
from appliance.kernel.tx import ReadTx, Tx

log = structlog.get_logger("clip_files")

GARBAGE_EVERY_S = 60.0
# a replaced cut that was never read: a tablet may be about to, it was just notified of it
UNREAD_US = 60_000_000
READ_S = 300.0  # one that was read: its player may be paused, or play what it has loaded
AT_ONCE = 200  # replaced cuts deleted in one transaction
RETRY_S = 30.0  # seconds until a full or missing disk is checked again
# seconds until a recording that could not be read is retried; other clips' files come first
UNREADABLE_S = 300.0
LOST_S = 300.0  # seconds: bytes lost again so soon are still in the index, so a new cut would lose them again


class Commit(Protocol):
    """store.write or store.write_retrying."""

    async def __call__(self, closure: Callable[[Tx], object]) -> object: ...


@dataclass(frozen=True, slots=True)
class ClipFiles:
    """What other modules may call. One file is written at a time."""

    store: Store
    footage: Footage
    clips_dir: Path
    turn: trio.Lock
    disk_errors: DiskErrors = field(default_factory=lambda: DiskErrors("clip files"))
    readers: Readers = field(default_factory=Readers)
    kept: StrayCounts = field(default_factory=StrayCounts)
    disk: ClipsDisk = field(default_factory=ClipsDisk)
    begun_us: int = 0  # box time; reads before it are not known
    put_off: dict[tuple[str, int], float] = field(default_factory=dict)  # cannot be read now -> when to retry
    # clip that lost its bytes -> until when another loss causes no new cut
    lost: dict[str, float] = field(default_factory=dict)

    async def write_now(self, clip_id: str, media_rev: int) -> bool:
        """Write a plan's file ahead of its turn. False: a disk fails, the recordings are still needed.

        True also when there is nothing left to write. Raises StoreBroken, Unavailable.
        """
        async with self.turn:
            due = await self.store.read(lambda tx: _with_twin(tx, stored_plan(tx, clip_id, media_rev)))
            if due is None or due[0].file_path is not None:
                return True
            return await self._write(*due, self.store.write)

    async def write_next(self) -> bool | None:
        """Write the oldest cut without a file; None when there is none, False when the clips disk fails."""
        async with self.turn:
            now_s = trio.current_time()
            for key in [key for key, until_s in self.put_off.items() if until_s <= now_s]:
                del self.put_off[key]
            due = await self.store.read(self._due)
            if due is None:
                self.disk_errors.clear("write")
                return None
            written = await self._write(*due, self.store.write_retrying)
            return written or (due[0].clip_id, due[0].media_rev) in self.put_off

    def _due(self, tx: ReadTx) -> tuple[StoredPlan, str | None] | None:
        """The oldest cut that is to have a file now."""
        plans = plans_to_write(tx, len(self.put_off) + 1)
        due = (plan for plan in plans if (plan.clip_id, plan.media_rev) not in self.put_off)
        return _with_twin(tx, next(due, None))

    async def _write(self, plan: StoredPlan, twin: str | None, commit: Commit) -> bool:
        """False when a disk fails; a clip whose bytes are lost is cut again."""
        if self.disk.is_away:  # never write to the bare mount point
            return False
        path = file_name(plan)
        try:
            await in_thread(self._link_or_write, plan, twin, path)
        except BytesLost as error:
            return await self._bytes_lost(plan, error, commit)
        except Unreadable as error:  # it is still served from the recording, as far as that can be read
            self._put_off(plan, UNREADABLE_S)
            self.disk_errors.record("read", error, clip=plan.clip_id, hint="check the recordings disk")
            return False
        except OSError as error:
            self.disk_errors.record("write", error, clip=plan.clip_id, hint="check the clips disk")
            return False
        else:
            self.disk_errors.clear("write")
            await commit(lambda tx: keep_file(tx, plan, path))
        if not self.put_off:
            self.disk_errors.clear("read")
        return True

    def _link_or_write(self, plan: StoredPlan, twin: str | None, path: str) -> None:
        """Blocking. Raises as `write_plan`."""
        self.disk.check(self.clips_dir)
        if twin is None or not self._link(twin, path, plan.size):
            write_plan(plan, self.clips_dir / path, self.footage.open_fd)

    def _link(self, twin: str, path: str, size: int) -> bool:
        """Give the file of a clip with the same bytes another name. False: not possible. Blocking."""
        try:
            return link_file(self.clips_dir / twin, self.clips_dir / path, size)
        except OSError:  # no hard links on this file system, or the file is gone: then it is written
            return False

    async def _bytes_lost(self, plan: StoredPlan, error: BytesLost, commit: Commit) -> bool:
        now_s = trio.current_time()
        if now_s < self.lost.get(plan.clip_id, now_s):
            self._put_off(plan, LOST_S)
            return False
        for clip_id in [clip_id for clip_id, until_s in self.lost.items() if until_s <= now_s]:
            del self.lost[clip_id]
        self.lost[plan.clip_id] = now_s + LOST_S
        log.warning("clip_lost_its_footage", clip=plan.clip_id, reason=str(error))
        await commit(lambda tx: cuts.lost(tx, plan.clip_id, plan.media_rev))
        return True

    def _put_off(self, plan: StoredPlan, by_s: float) -> None:
        self.put_off[(plan.clip_id, plan.media_rev)] = trio.current_time() + by_s

    async def make_folder(self) -> None:
        """Raises OSError."""
        await in_thread(lambda: self.clips_dir.mkdir(parents=True, exist_ok=True))
        self.disk_errors.clear("folder")

    async def settle(self) -> None:
        """The startup sweep, once the disk is there: see strays.py. Raises OSError, StoreBroken."""
        async with self.turn:
            if not await self.disk.look(self.store, self.clips_dir):
                raise OSError(errno.ENODEV, "the disk with the clips is not mounted")
            await self.make_folder()
            self.kept.is_new_disk = self.disk.is_new
            self.kept.unknown = await sweep(self.store, self.clips_dir, self.disk.under_way)
            await count_aside(self.store, self.clips_dir, self.kept)
            self.disk.is_away = False

    async def look_at_disk(self) -> None:
        """For a run that begins in safe mode: nothing is swept or written, and nothing is written to the bare
        mount point of a disk that is away. Raises StoreBroken."""
        try:
            self.disk.is_away = not await self.disk.look(self.store, self.clips_dir)
        except OSError as error:
            self.disk_errors.record("folder", error, hint="check the clips disk")

    async def look_again(self) -> None:
        """Check whether the disk is back, or another one is mounted. Raises OSError, StoreBroken."""
        await self.settle()
        async with self.turn:
            await find_lost(self.store, self.footage, self.clips_dir, look_inside=False)

    async def collect(self, commit: Commit) -> None:
        """Unlink what is due now; a file that cannot be deleted keeps its row. Raises as `commit` does,
        OSError."""
        await self.disk.require(self.clips_dir)
        await self._drop_replaced(commit)
        due = await self.store.read(
            lambda tx: tx.all("SELECT path FROM garbage WHERE due_us <= ?", (tx.now_us,))
        )
        refused: OSError | None = None
        for row in due:
            path = str(row["path"])
            try:
                await in_thread(unlink, self.clips_dir / path)
            except OSError as error:
                refused = error
            else:
                await commit(partial(_drop_garbage, path=path))
        if refused is not None:
            try:
                raise refused
            finally:
                del refused  # breaks the reference cycle frame - error

    async def _drop_replaced(self, commit: Commit) -> None:
        """Delete cuts that a newer one replaced, once they are no longer played."""
        replaced = await self.store.read(replaced_cuts)
        quiet = [cut for cut, since_us in replaced if self._is_quiet(*cut, since_us)]
        if quiet:
            await commit(partial(drop_replaced, replaced=quiet[:AT_ONCE]))

    def _is_quiet(self, clip_id: str, media_rev: int, since_us: int) -> bool:
        now_us, quiet_s = self.store.clock.now_us(), self.readers.quiet_s(clip_id, media_rev)
        if quiet_s is None and since_us < self.begun_us:  # it may have been read before the daemon's start
            quiet_s = (now_us - self.begun_us) / 1e6
        return now_us - since_us >= UNREAD_US and (quiet_s is None or quiet_s >= READ_S)

    async def collect_now(self) -> None:
        """Delete at once, because retention needs the space. Raises StoreBroken, Unavailable, OSError."""
        await self.collect(self.store.write)


async def run_clip_files(
    *,
    store: Store,
    footage: Footage,
    clips_dir: Path,
    garbage_every_s: float = GARBAGE_EVERY_S,
    look_inside: bool = False,
    readers: Readers | None = None,
    disk: ClipsDisk | None = None,
    hold: trio.Event | None = None,
    task_status: trio.TaskStatus[ClipFiles] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Write the files of ready clips, one at a time, and delete garbage, until cancelled.

    Start, before anything is cut: assigns files that no row names (strays.py), then checks that the bytes
    every clip plays still exist (`lost` otherwise); `look_inside` after a power cut, when a file may have
    kept its length without its bytes. Until `hold` is set (safe mode) only the disk is checked. A failing
    disk is reported (`ClipFiles.disk_errors`) and retried. Raises: StoreBroken.
    """
    files = ClipFiles(
        store,
        footage,
        clips_dir,
        trio.Lock(),
        readers=readers if readers is not None else Readers(),
        disk=disk if disk is not None else ClipsDisk(),
        begun_us=store.clock.now_us(),
    )
    if hold is not None and not hold.is_set():
        files.disk.is_away = True  # until it was checked
        task_status.started(files)
        await files.look_at_disk()
        task_status = trio.TASK_STATUS_IGNORED
        await hold.wait()
    await store.write_retrying(extend_garbage_after_restore)
    try:
        await files.settle()
    except OSError as error:  # remaining files are found again at the next start
        files.disk_errors.record("folder", error, hint="check the clips disk")
    await find_lost(store, footage, clips_dir, look_inside=look_inside, is_away=not files.disk.is_there)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_write_files, files, name="clip files: writing")
        nursery.start_soon(_collect_garbage, files, garbage_every_s, name="clip files: garbage")
        task_status.started(files)


async def _write_files(files: ClipFiles) -> None:
    changed = files.store.journal.changed
    refused = Backoff(base_s=1.0, cap_s=RETRY_S)
    while True:
        seen = changed.count
        written = await files.write_next()
        if written is not False:
            refused.reset()
        if written is None:
            with trio.move_on_at(min(files.put_off.values(), default=math.inf)):
                await changed.wait_past(seen)
        elif not written:
            await trio.sleep(refused.next_s())


async def _collect_garbage(files: ClipFiles, every_s: float) -> None:
    refused = Backoff(base_s=1.0, cap_s=RETRY_S)
    while True:
        pause_s = every_s
        try:
            if not files.disk.is_there:
                await files.look_again()
            # else the folder would be created on the bare mount point
            await files.disk.require(files.clips_dir)
            await files.make_folder()
            await files.collect(files.store.write_retrying)
            await count_aside(files.store, files.clips_dir, files.kept)
            files.disk_errors.clear("delete")
            refused.reset()
        except OSError as error:
            files.disk_errors.record("delete", error, hint="check the clips disk")
            pause_s = refused.next_s()
        await trio.sleep(pause_s)


_REPLACED = (
    "SELECT clip_id, plans.media_rev, superseded_us FROM plans JOIN clips ON clips.id = clip_id"
    " WHERE superseded_us IS NOT NULL AND plans.media_rev IS NOT clips.ready_media_rev"
    " AND clips.deleted_us IS NULL"
)


def _with_twin(tx: ReadTx, plan: StoredPlan | None) -> tuple[StoredPlan, str | None] | None:
    """The plan, and the file of another clip that has the same bytes."""
    return None if plan is None else (plan, written_twin(tx, plan))


def replaced_cuts(tx: ReadTx) -> list[tuple[Cut, int]]:
    """Cuts that a newer one replaced, with the time of that. Never the one a clip plays."""
    rows = tx.all(_REPLACED + " ORDER BY superseded_us")
    return [((row["clip_id"], row["media_rev"]), row["superseded_us"]) for row in rows]


def drop_replaced(tx: Tx, replaced: Sequence[Cut]) -> None:
    """Delete those of these cuts that are still replaced ones."""
    for clip_id, media_rev in replaced:
        if tx.one(_REPLACED + " AND clip_id = ? AND plans.media_rev = ?", (clip_id, media_rev)) is not None:
            cuts.drop_cut(tx, clip_id, media_rev)


def _drop_garbage(tx: Tx, path: str) -> None:
    tx.run("DELETE FROM garbage WHERE path = ?", (path,))
