"""Finished files that no row names: adopted where they match a clip, else kept aside for a week.

A kill between rename and COMMIT leaves such files; so does a database that was restored from an older copy,
or that lost rows to damage. For a clip whose recording is gone, the file is the only copy, so no finished
file is deleted merely because it has no row. Nothing is decided while a disk is away or fails. Files of clips
that the database does not know at all stay where they are, and are counted.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

import structlog

from appliance.box.clips.cutting.from_own_file import file_plan
from appliance.box.clips.files.clips_disk import without_ending
from appliance.box.clips.files.write_plan import sync_directory, unlink
from appliance.box.clips.records import cut_states as cuts
from appliance.box.clips.records.cut_states import Job
from appliance.box.clips.records.expiry import OwnFile
from appliance.box.clips.records.machine import CLIP, ClipEvent, ClipState
from appliance.box.clips.viewing.thumbnails import exact_name, key_name
from appliance.kernel import json
from appliance.kernel.store import Store
from appliance.kernel.threads import in_thread
from appliance.kernel.tx import ReadTx, Row, Tx
from appliance.media.cut.plan import Plan
from appliance.media.cut.retrim import MAX_HEADER_BYTES, CannotTrim, Trimmed, header_size, retrim
from appliance.media.mp4.walk import Malformed

log = structlog.get_logger("clip_files")

ASIDE: Final = "aside"  # folder in clips_dir; files keep their relative paths in it
ASIDE_US: Final = 7 * 24 * 3_600_000_000  # from one game to the next: an operator reads /readyz in that time
_DELETED_US: Final = 24 * 3_600_000_000  # as long as files of a deleted clip are kept
_LENGTH_US: Final = 250_000  # a file is as long as its clip, to one frame of the slowest camera
_WHOLE_US: Final = 1 << 50
_OURS: Final = re.compile(r"(?:[0-9a-f-]{36}|thumbs)/([0-9a-f-]{36})-m(\d{1,9})(-key)?\.(mp4|jpg|partial)")


@dataclass(frozen=True, slots=True)
class Stray:
    """A file named as write_plan, exports.py and thumbnails.py name them. `path` is relative to clips_dir."""

    path: str
    clip_id: str
    media_rev: int
    kind: str  # mp4, jpg, key (a jpg), partial

    @property
    def is_finished(self) -> bool:
        return self.kind != "partial"


@dataclass(frozen=True, slots=True)
class _ExpectedCut:
    """A cut that may exist only as a file. `length_us`: of what it shows. `frames`: how many it shows if the
    clip's row names this file; None: the row names none."""

    job: Job
    length_us: int
    frames: int | None


@dataclass(slots=True)
class StrayCounts:
    """For /readyz: files kept aside, until when (box time), and files whose clip has no row."""

    aside: int = 0
    until_us: int | None = None
    unknown: int = 0
    is_new_disk: bool = False  # since this start


async def sweep(store: Store, clips_dir: Path, under_way: Collection[str] = ()) -> int:
    """At startup, and when the disk is back: every file of ours gets a row, is kept aside, or is deleted
    (unfinished), except files of running jobs (`under_way`). Returns how many finished files belong to clips
    the database does not know.

    Raises OSError, StoreBroken.
    """
    # before listing files: pictures made from now on are then not reported missing
    pictures = await store.read(_pictures)
    strays = await in_thread(_our_files, clips_dir)
    # after listing files and before reading rows: jobs that are done by now have their rows
    spared = frozenset(under_way)
    named = await store.read(_named_files)
    clips = await store.read(lambda tx: {row["id"] for row in tx.all("SELECT id FROM clips")})
    left = [each for each in strays if each.path not in named]
    ours = [each for each in left if each.clip_id in clips and without_ending(each.path) not in spared]
    for stray in ours:
        # and its job has not begun since
        if not stray.is_finished and without_ending(stray.path) not in under_way:
            log.info("left_by_a_crash", file=stray.path)
            await in_thread(unlink, clips_dir / stray.path)
    # files first: a clip that becomes ready again by its file keeps its picture
    for stray in sorted(ours, key=lambda each: each.kind != "mp4"):
        if stray.is_finished and not await _adopt(store, clips_dir, stray):
            log.warning("finished_file_without_a_row_kept_aside", file=stray.path)
            await in_thread(move_aside, clips_dir, stray.path)
    await _register(store, await in_thread(_aside_files, clips_dir))
    if strays:  # else the disk is away
        gone = pictures - {each.path for each in strays}
        await store.write_retrying(partial(_forget_pictures, gone=gone))
    return sum(each.is_finished and each.clip_id not in clips for each in left)


async def count_aside(store: Store, clips_dir: Path, counts: StrayCounts) -> None:
    """Update the figures for /readyz: a person may have moved the files away. Raises OSError."""
    there = set(await in_thread(_aside_files, clips_dir))
    sql = "SELECT path, due_us FROM garbage WHERE path LIKE ?"
    rows = await store.read(lambda tx: tx.all(sql, (f"{ASIDE}/%",)))
    due = [row["due_us"] for row in rows if row["path"] in there]
    counts.aside, counts.until_us = len(there), max(due, default=None)


def extend_garbage_after_restore(tx: Tx) -> None:
    """Keep files for a week that a database restored from an older copy calls garbage: the deletes may have
    been undone since."""
    epoch = tx.value("SELECT value FROM meta WHERE key = 'epoch'")
    if tx.value("SELECT value FROM meta WHERE key = 'files_of_epoch'") == epoch:
        return
    if tx.value("SELECT 1 FROM meta WHERE key = 'database_restored'") is not None:
        until_us = tx.now_us + ASIDE_US
        tx.run("UPDATE garbage SET due_us = max(due_us, ?)", (until_us,))
        tx.run("UPDATE plans SET superseded_us = ? WHERE superseded_us IS NOT NULL", (until_us,))
    tx.run("INSERT OR REPLACE INTO meta VALUES ('files_of_epoch', ?)", (epoch,))


def _our_files(clips_dir: Path) -> list[Stray]:
    files = []
    for path in clips_dir.glob("*/*"):
        name = str(path.relative_to(clips_dir))
        if (match := _OURS.fullmatch(name)) is not None:
            clip_id, media_rev, key, kind = match.groups()
            files.append(Stray(name, clip_id, int(media_rev), "key" if key and kind == "jpg" else kind))
    return files


def _aside_files(clips_dir: Path) -> list[str]:
    return [str(path.relative_to(clips_dir)) for path in clips_dir.glob(f"{ASIDE}/*/*") if path.is_file()]


def _named_files(tx: ReadTx) -> set[str]:
    """Every file that a row names, those of deleted clips too: a delete can be undone."""
    sql = (
        "SELECT path FROM garbage UNION SELECT file_path FROM plans WHERE file_path IS NOT NULL"
        " UNION SELECT thumbnail_path FROM clips WHERE thumbnail_path IS NOT NULL"
    )
    return {row["path"] for row in tx.all(sql)}


def _pictures(tx: ReadTx) -> set[str]:
    sql = "SELECT thumbnail_path FROM clips WHERE thumbnail_path IS NOT NULL"
    return {row["thumbnail_path"] for row in tx.all(sql)}


def _forget_pictures(tx: Tx, gone: Collection[str]) -> None:
    """Forget pictures whose files are gone, as after a restore from an older copy: they are made again."""
    rows = tx.all("SELECT id, thumbnail_path FROM clips WHERE thumbnail_path IS NOT NULL")
    for clip_id in [row["id"] for row in rows if row["thumbnail_path"] in gone]:
        tx.run("UPDATE clips SET thumbnail_path = NULL WHERE id = ?", (clip_id,))


# -- adopting -----------------------------------------------------------------------------------------------


async def _adopt(store: Store, clips_dir: Path, stray: Stray) -> bool:
    """Assign the file to its clip; False when it matches none. Raises OSError, StoreBroken."""
    if stray.kind != "mp4":
        return await store.write_retrying(partial(_name_picture, stray=stray))
    plan = await store.read(partial(_plan_without_file, stray=stray))
    if plan is not None:
        if not await in_thread(_begins_with, clips_dir / stray.path, plan["header"], plan["size"]):
            return False
        log.info("file_of_a_plan_found", file=stray.path)
        return await store.write_retrying(partial(_name_file, stray=stray))
    expected = await store.read(partial(_expected_cut, stray=stray))
    if expected is None:
        return False
    made = await in_thread(_plan_of_file, clips_dir / stray.path, expected)
    if made is None:
        return False
    log.warning("clip_adopted_from_its_file", clip=stray.clip_id, file=stray.path)
    return await store.write_retrying(partial(_take_over, stray=stray, plan=made))


def _plan_without_file(tx: ReadTx, stray: Stray) -> Row | None:
    """The cut in the file's name, when its plan is stored without a file."""
    return tx.one(
        "SELECT header, size FROM plans WHERE clip_id = ? AND media_rev = ? AND file_path IS NULL"
        " AND length(header) > 0",
        (stray.clip_id, stray.media_rev),
    )


def _begins_with(path: Path, header: bytes, size: int) -> bool:
    """Whether the file is that of a plan. The header lists each sample, so no other cut has the same."""
    with path.open("rb") as file:
        return os.fstat(file.fileno()).st_size == size and file.read(len(header)) == header


def _name_file(tx: Tx, stray: Stray) -> bool:
    cut = stray.path, stray.clip_id, stray.media_rev
    tx.run("UPDATE plans SET file_path = ? WHERE clip_id = ? AND media_rev = ?", cut)
    tx.run("UPDATE clips SET file_path = ? WHERE id = ? AND ready_media_rev = ?", cut)
    if tx.value("SELECT deleted_us FROM clips WHERE id = ?", (stray.clip_id,)) is not None:
        tx.run("INSERT OR IGNORE INTO garbage VALUES (?, ?)", (stray.path, tx.now_us + _DELETED_US))
    return True


def _expected_cut(tx: ReadTx, stray: Stray) -> _ExpectedCut | None:
    """The clip that needs a cut of exactly this media_rev and has no plan of it."""
    row = tx.one("SELECT * FROM clips WHERE id = ? AND deleted_us IS NULL", (stray.clip_id,))
    if row is None or not row["duration_us"]:
        return None
    is_ready = row["status"] == ClipState.READY
    if stray.media_rev != (row["ready_media_rev"] if is_ready else row["media_rev"]):
        return None
    sql = "SELECT 1 FROM plans WHERE clip_id = ? AND media_rev = ?"
    if tx.value(sql, (stray.clip_id, stray.media_rev)) is not None:
        return None
    shown = json.decode_stored(row["coverage"]) if is_ready and row["coverage"] is not None else {}
    length_us = round(shown["duration_s"] * 1e6) if "duration_s" in shown else row["duration_us"]
    is_named = is_ready and row["file_path"] == stray.path
    return _ExpectedCut(cuts.job_of(row), length_us, shown.get("frames", 0) if is_named else None)


def _plan_of_file(path: Path, expected: _ExpectedCut) -> Plan | None:
    """What a complete file of ours shows, when it is as long as the clip. Blocking; raises OSError."""
    job = expected.job
    own = OwnFile(str(path), job.start_us, job.end_us)
    if expected.frames is not None and job.is_export:
        shown, size = (
            Trimmed(b"", 0, expected.length_us, expected.frames, 0.0, 0, 0, "avc1"),
            path.stat().st_size,
        )
    elif job.is_export:
        return None  # its number of frames is unknown: the clip is encoded again
    else:
        try:
            shown, size = _read(path)
        except (CannotTrim, Malformed, UnicodeDecodeError):
            return None
    if abs(shown.end_us - expected.length_us) > _LENGTH_US:
        return None
    return file_plan(own, shown, size, job.latency_ms * 1000)


def _read(path: Path) -> tuple[Trimmed, int]:
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        start = file.read(MAX_HEADER_BYTES)
        samples_at = header_size(start)
        if size <= samples_at:
            raise CannotTrim("no samples")
        return retrim(start[:samples_at], skip_us=0, length_us=_WHOLE_US), size


def _take_over(tx: Tx, stray: Stray, plan: Plan) -> bool:
    """Make the clip ready with this file. False when the clip has changed since it was read."""
    if (expected := _expected_cut(tx, stray)) is None:
        return cuts.is_named(tx, stray.path)  # by this closure, when its COMMIT was not answered
    job = expected.job
    row = tx.one("SELECT status, attempts FROM clips WHERE id = ?", (stray.clip_id,))
    assert row is not None
    state = ClipState(row["status"])
    if state == ClipState.READY:
        cuts.insert_plan(tx, replace(job, media_rev=stray.media_rev), plan, stray.path)
        tx.run("UPDATE clips SET file_path = ? WHERE id = ?", (stray.path, stray.clip_id))
        return True
    if state == ClipState.FAILED:
        state = CLIP.next(state, ClipEvent.RETRY)
    if state == ClipState.PENDING:
        state = CLIP.next(state, ClipEvent.CLAIM)
    tx.run("UPDATE clips SET status = ? WHERE id = ?", (state, stray.clip_id))
    return cuts.finish(tx, job, plan, stray.path)


def _name_picture(tx: Tx, stray: Stray) -> bool:
    """Assign the picture to its clip's current cut; a key picture beside the final one becomes garbage."""
    row = tx.one("SELECT * FROM clips WHERE id = ? AND deleted_us IS NULL", (stray.clip_id,))
    if row is None or stray.media_rev != row["media_rev"]:
        return False
    known, exact, key = row["thumbnail_path"], exact_name(row), key_name(row)
    if known == stray.path:  # by this closure, when its COMMIT was not answered
        return True
    if known not in (None, exact, key):
        return False
    worse = stray.path if known == exact else known
    if worse is not None:
        tx.run("INSERT OR REPLACE INTO garbage VALUES (?, ?)", (worse, tx.now_us))
    if known != exact:
        tx.run("UPDATE clips SET thumbnail_path = ? WHERE id = ?", (stray.path, row["id"]))
    return True


# -- keeping aside ------------------------------------------------------------------------------------------


async def _register(store: Store, paths: Sequence[str]) -> None:
    """Start their week; files that are known already keep their date."""

    def note(tx: Tx) -> None:
        for path in paths:
            tx.run("INSERT OR IGNORE INTO garbage VALUES (?, ?)", (path, tx.now_us + ASIDE_US))

    if paths:
        await store.write_retrying(note)


def move_aside(clips_dir: Path, path: str) -> None:
    """Move the file out of the way of later files of that name. Blocking; raises OSError."""
    first = target = clips_dir / ASIDE / path
    number = 1
    while target.exists():  # left by an earlier rescue
        number += 1
        target = first.with_name(f"{first.stem}.{number}{first.suffix}")
    target.parent.mkdir(parents=True, exist_ok=True)
    (clips_dir / path).rename(target)
    sync_directory(target.parent)
    sync_directory((clips_dir / path).parent)
