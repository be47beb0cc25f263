"""Clip files: a plan's bytes written down, and the deleting of what nobody needs any more.

Owns: clips_dir. A file's bytes equal its plan's: materialising raises no revision and sends no event.
Order at a write: data, fsync(file), rename, fsync(directory), COMMIT. At a delete: the row stands in
`garbage` since the transaction that made it so; unlink, fsync(directory), drop the row.
Bulk work: one file at a time, after every live job.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

import structlog
import trio

from appliance.clips import cuts
from appliance.clips.footage import Footage
from appliance.kernel import json
from appliance.kernel.store import Store
from appliance.kernel.tx import ReadTx, Tx

log = structlog.get_logger("clip_files")

GARBAGE_EVERY_S = 60.0
KEEP_SUPERSEDED_US = 24 * 3_600_000_000  # a player may still be in the middle of the cut before
RETRY_S = 30.0  # a full or missing disk: look again after this
CHUNK = 256 * 1024  # stays in the processor's cache: 0.6 of copy_file_range's time on ext4
OURS = re.compile(r"(?:[0-9a-f-]{36}|thumbs)/([0-9a-f-]{36})-m\d+(?:-key)?\.(?:mp4|jpg|partial)")


class BytesLost(Exception):
    """The recording no longer holds what the plan points at."""


@dataclass(frozen=True, slots=True)
class StoredPlan:
    """What a clip's media_rev is served from."""

    clip_id: str
    session_id: str
    media_rev: int
    header: bytes
    ranges: tuple[tuple[str, int, int], ...]
    size: int
    file_path: str | None

    @property
    def is_file_only(self) -> bool:
        """An export: its file is all there is of it."""
        return not self.header and not self.ranges


class FileLost(Exception):
    """The file of an export is not there, or not whole."""


_PLAN = (
    "SELECT plans.*, clips.session_id FROM plans JOIN clips ON clips.id = plans.clip_id"
    " WHERE clips.deleted_us IS NULL AND "
)


def stored_plan(tx: ReadTx, clip_id: str, media_rev: int) -> StoredPlan | None:
    """The plan of one media_rev of a clip that is not deleted."""
    found = _plans(tx, _PLAN + "clip_id = ? AND plans.media_rev = ?", (clip_id, media_rev))
    return found[0] if found else None


def unwritten_plans(tx: ReadTx, limit: int = 1) -> list[StoredPlan]:
    """Newest cuts without a file, oldest first."""
    sql = _PLAN + "plans.file_path IS NULL AND plans.media_rev = clips.ready_media_rev"
    return _plans(tx, sql + " ORDER BY plans.created_us LIMIT ?", (limit,))


def exported_plans(tx: ReadTx) -> list[StoredPlan]:
    """Clips that play from a file of their own, encoded anew."""
    return _plans(tx, _PLAN + "length(header) = 0 AND plans.media_rev = clips.ready_media_rev", ())


def _plans(tx: ReadTx, sql: str, params: Sequence[object]) -> list[StoredPlan]:
    return [
        StoredPlan(
            clip_id=row["clip_id"],
            session_id=row["session_id"],
            media_rev=row["media_rev"],
            header=row["header"],
            ranges=tuple((str(n), int(o), int(k)) for n, o, k in json.decode(row["ranges"].encode())),
            size=row["size"],
            file_path=row["file_path"],
        )
        for row in tx.all(sql, params)
    ]


def keep_file(tx: Tx, plan: StoredPlan, path: str) -> None:
    """The file is durable: from now on it is served instead of the ranges."""
    tx.run(
        "UPDATE plans SET file_path = ? WHERE clip_id = ? AND media_rev = ?",
        (path, plan.clip_id, plan.media_rev),
    )
    current = tx.run(
        "UPDATE clips SET file_path = ? WHERE id = ? AND ready_media_rev = ? AND deleted_us IS NULL",
        (path, plan.clip_id, plan.media_rev),
    )
    if not current:  # deleted or cut anew while it was written
        tx.run("INSERT OR REPLACE INTO garbage VALUES (?, ?)", (path, tx.now_us))
        tx.run(
            "UPDATE plans SET file_path = NULL WHERE clip_id = ? AND media_rev = ?",
            (plan.clip_id, plan.media_rev),
        )


def write_plan(plan: StoredPlan, target: Path, open_fd: Callable[[str], int]) -> None:
    """Write the plan's bytes to `target`, durably. Blocking.

    Raises BytesLost when a range is no longer there, OSError for the disk's own troubles.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_suffix(".partial")
    out = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640)
    try:
        copy_plan(out, plan.header, plan.ranges, open_fd)
        os.fsync(out)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    finally:
        os.close(out)
    unfinished.rename(target)
    sync_directory(target.parent)


def copy_plan(
    out: int, header: bytes, ranges: Iterable[tuple[str, int, int]], open_fd: Callable[[str], int]
) -> None:
    """The clip's bytes into `out`. Blocking. Raises BytesLost, OSError."""
    _write_all(out, memoryview(header))
    for name, offset, length in ranges:
        _copy_range(out, name, offset, length, open_fd)


def _copy_range(out: int, name: str, offset: int, length: int, open_fd: Callable[[str], int]) -> None:
    try:
        source = open_fd(name)
    except FileNotFoundError:
        raise BytesLost(f"{name} is gone") from None
    chunk = memoryview(bytearray(CHUNK))
    try:
        while length:
            got = os.preadv(source, [chunk[: min(length, CHUNK)]], offset)
            if got == 0:
                raise BytesLost(f"{name} ends at {offset}")
            _write_all(out, chunk[:got])
            offset += got
            length -= got
    finally:
        os.close(source)


def _write_all(out: int, data: memoryview) -> None:
    while data:  # a disk that is nearly full takes less than it was given
        data = data[os.write(out, data) :]


def sync_directory(directory: Path) -> None:
    """Make a rename or unlink in `directory` durable."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def file_name(plan: StoredPlan) -> str:
    """Relative to clips_dir."""
    return f"{plan.session_id}/{plan.clip_id}-m{plan.media_rev}.mp4"


class Commit(Protocol):
    """store.write or store.insist."""

    async def __call__(self, closure: Callable[[Tx], object]) -> object: ...


@dataclass(frozen=True, slots=True)
class ClipFiles:
    """What others may ask of the clip files. One file is written at a time, whoever asks."""

    store: Store
    footage: Footage
    clips_dir: Path
    turn: trio.Lock

    async def write_now(self, clip_id: str, media_rev: int) -> bool:
        """Write a plan's file ahead of its turn. False: the disk refuses, the recordings are still needed.

        True as well when there is nothing to write any more. Raises StoreBroken, Unavailable.
        """
        async with self.turn:
            plan = await self.store.read(lambda tx: stored_plan(tx, clip_id, media_rev))
            if plan is None or plan.file_path is not None:
                return True
            return await self._write(plan, self.store.write)

    async def write_next(self) -> bool | None:
        """Write the oldest cut without a file; None when there is none, False when the disk refuses."""
        async with self.turn:
            plans = await self.store.read(unwritten_plans)
            return await self._write(plans[0], self.store.insist) if plans else None

    async def _write(self, plan: StoredPlan, commit: Commit) -> bool:
        """False when the disk refuses; a clip whose bytes are gone is settled by being cut again."""
        path = file_name(plan)
        try:
            await trio.to_thread.run_sync(write_plan, plan, self.clips_dir / path, self.footage.open_fd)
        except BytesLost as error:
            log.warning("clip lost its footage", clip=plan.clip_id, reason=str(error))
            await commit(lambda tx: cuts.lost(tx, plan.clip_id, plan.media_rev))
        except OSError as error:
            hint = "check the clips disk"
            log.error("clip file not written", clip=plan.clip_id, reason=str(error), hint=hint)
            return False
        else:
            await commit(lambda tx: keep_file(tx, plan, path))
        return True

    async def collect(self, commit: Commit) -> None:
        """Unlink what is due now. Raises what `commit` raises, OSError."""
        await commit(expire_superseded)
        due = await self.store.read(
            lambda tx: tx.all("SELECT path FROM garbage WHERE due_us <= ?", (tx.now_us,))
        )
        for row in due:
            path = str(row["path"])
            await trio.to_thread.run_sync(_unlink, self.clips_dir / path)
            await commit(partial(_drop_garbage, path=path))

    async def collect_now(self) -> None:
        """Retention has deleted clips and needs their space. Raises StoreBroken, Unavailable, OSError."""
        await self.collect(self.store.write)


async def run_clip_files(
    *,
    store: Store,
    footage: Footage,
    clips_dir: Path,
    garbage_every_s: float = GARBAGE_EVERY_S,
    task_status: trio.TaskStatus[ClipFiles] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Write the files of ready clips, one at a time, and take out the garbage, until cancelled.

    Start, before anything is cut: takes out what a crash left half done, then checks that the bytes every
    clip plays are still there (`lost` otherwise).
    Raises: StoreBroken.
    """
    await trio.to_thread.run_sync(lambda: clips_dir.mkdir(parents=True, exist_ok=True))
    await _sweep(store, clips_dir)
    await _find_lost(store, footage, clips_dir)
    files = ClipFiles(store, footage, clips_dir, trio.Lock())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_write_files, files, name="clip files: writing")
        nursery.start_soon(_collect_garbage, files, garbage_every_s, name="clip files: garbage")
        task_status.started(files)


async def _write_files(files: ClipFiles) -> None:
    changed = files.store.journal.changed
    while True:
        seen = changed.count
        written = await files.write_next()
        if written is None:
            await changed.wait_past(seen)
        elif not written:
            await trio.sleep(RETRY_S)


async def _sweep(store: Store, clips_dir: Path) -> None:
    """A crash between rename and COMMIT leaves a file that no row names; what is still wanted is written
    again from its plan. Files of clips this database does not know are left to a person: `appliance fsck`."""
    found = await trio.to_thread.run_sync(_our_files, clips_dir)
    kept = await store.read(_named_files)
    clips = await store.read(lambda tx: {row["id"] for row in tx.all("SELECT id FROM clips")})
    left = [path for path, clip_id in found.items() if path not in kept and clip_id in clips]
    for path in left:
        log.info("left by a crash", file=path)
        await trio.to_thread.run_sync(_unlink, clips_dir / path)


def _our_files(clips_dir: Path) -> dict[str, str]:
    """Files as this module and pictures.py name them, with the clip in the name."""
    paths = (str(path.relative_to(clips_dir)) for path in clips_dir.glob("*/*"))
    return {path: match[1] for path in paths if (match := OURS.fullmatch(path))}


def _named_files(tx: ReadTx) -> set[str]:
    """Every file some row speaks of, those of deleted clips too: a delete can be undone."""
    sql = (
        "SELECT path FROM garbage UNION SELECT file_path FROM plans WHERE file_path IS NOT NULL"
        " UNION SELECT thumbnail_path FROM clips WHERE thumbnail_path IS NOT NULL"
    )
    return {row["path"] for row in tx.all(sql)}


async def _find_lost(store: Store, footage: Footage, clips_dir: Path) -> None:
    """A power cut may have taken bytes a clip plays: those clips are cut again."""
    plans = await store.read(lambda tx: unwritten_plans(tx, limit=100_000))
    for plan in plans:
        if not await trio.to_thread.run_sync(_still_there, plan, footage.open_fd):
            log.warning("clip lost its footage", clip=plan.clip_id)
            await store.insist(partial(cuts.lost, clip_id=plan.clip_id, media_rev=plan.media_rev))
    for plan in await store.read(exported_plans):
        if await trio.to_thread.run_sync(is_lost, plan, clips_dir):
            log.warning("clip lost its file", clip=plan.clip_id, file=plan.file_path)
            await store.insist(partial(cuts.lost, clip_id=plan.clip_id, media_rev=plan.media_rev))


def is_lost(plan: StoredPlan, clips_dir: Path) -> bool:
    """Whether an export's file is gone or cut short. Blocking. A disk that is away has lost nothing: then
    clips_dir is empty, or refuses."""
    assert plan.file_path is not None
    try:
        return (clips_dir / plan.file_path).stat().st_size != plan.size
    except FileNotFoundError:
        return clips_dir.is_dir() and any(clips_dir.iterdir())
    except OSError:
        return False


def _still_there(plan: StoredPlan, open_fd: Callable[[str], int]) -> bool:
    for name, offset, length in plan.ranges:
        try:
            fd = open_fd(name)
        except OSError:
            return False
        try:
            if os.fstat(fd).st_size < offset + length:
                return False
        finally:
            os.close(fd)
    return True


async def _collect_garbage(files: ClipFiles, every_s: float) -> None:
    while True:
        await files.collect(files.store.insist)
        await trio.sleep(every_s)


def expire_superseded(tx: Tx) -> None:
    """Cuts that a newer one replaced a day ago: their files are garbage. Never the one a clip plays."""
    due = tx.all(
        "SELECT plans.clip_id, plans.media_rev, plans.file_path FROM plans JOIN clips ON clips.id = clip_id"
        " WHERE superseded_us <= ? AND plans.media_rev IS NOT clips.ready_media_rev"
        " AND clips.deleted_us IS NULL LIMIT 200",
        (tx.now_us - KEEP_SUPERSEDED_US,),
    )
    for row in due:
        if row["file_path"] is not None:
            tx.run("INSERT OR REPLACE INTO garbage VALUES (?, ?)", (row["file_path"], tx.now_us))
        tx.run("DELETE FROM plans WHERE clip_id = ? AND media_rev = ?", (row["clip_id"], row["media_rev"]))


def _drop_garbage(tx: Tx, path: str) -> None:
    tx.run("DELETE FROM garbage WHERE path = ?", (path,))


def _unlink(path: Path) -> None:
    path.unlink(missing_ok=True)
    if path.parent.exists():
        sync_directory(path.parent)
