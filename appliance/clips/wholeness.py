"""What a start finds: files a crash left half done, clips whose bytes a power cut took.

A disk that is away or refuses has lost nothing: nothing is decided by it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path

import structlog
import trio

from appliance.clips import cuts
from appliance.clips.footage import Footage
from appliance.clips.plans import StoredPlan, exported_plans, unwritten_plans, without_plan
from appliance.clips.writing import unlink
from appliance.kernel.store import Store
from appliance.kernel.tx import ReadTx, Tx
from appliance.media.holes import PLAIN_SOUND, find_hole

log = structlog.get_logger("clip_files")

OURS = re.compile(r"(?:[0-9a-f-]{36}|thumbs)/([0-9a-f-]{36})-m\d+(?:-key)?\.(?:mp4|jpg|partial)")


async def sweep(store: Store, clips_dir: Path) -> None:
    """A crash between rename and COMMIT leaves a file that no row names; what is still wanted is written
    again from its plan. Files of clips this database does not know are left to a person: `appliance fsck`.

    Raises OSError, StoreBroken.
    """
    found = await trio.to_thread.run_sync(_our_files, clips_dir)
    kept = await store.read(_named_files)
    clips = await store.read(lambda tx: {row["id"] for row in tx.all("SELECT id FROM clips")})
    left = [path for path, clip_id in found.items() if path not in kept and clip_id in clips]
    for path in left:
        log.info("left by a crash", file=path)
        await trio.to_thread.run_sync(unlink, clips_dir / path)
    if found:  # else the disk is away
        await store.insist(partial(_forget_pictures, found=found.keys()))


def _forget_pictures(tx: Tx, found: Collection[str]) -> None:
    """Pictures that are not there, as after the database was made again from an older copy: made again."""
    sql = "SELECT id, thumbnail_path FROM clips WHERE thumbnail_path IS NOT NULL"
    gone = [row["id"] for row in tx.all(sql) if row["thumbnail_path"] not in found]
    for clip_id in gone:
        tx.run("UPDATE clips SET thumbnail_path = NULL WHERE id = ?", (clip_id,))


def _our_files(clips_dir: Path) -> dict[str, str]:
    """Files as files.py and pictures.py name them, with the clip in the name."""
    paths = (str(path.relative_to(clips_dir)) for path in clips_dir.glob("*/*"))
    return {path: match[1] for path in paths if (match := OURS.fullmatch(path))}


def _named_files(tx: ReadTx) -> set[str]:
    """Every file some row speaks of, those of deleted clips too: a delete can be undone."""
    sql = (
        "SELECT path FROM garbage UNION SELECT file_path FROM plans WHERE file_path IS NOT NULL"
        " UNION SELECT thumbnail_path FROM clips WHERE thumbnail_path IS NOT NULL"
    )
    return {row["path"] for row in tx.all(sql)}


async def find_lost(store: Store, footage: Footage, clips_dir: Path, *, look_inside: bool) -> None:
    """A power cut may have taken bytes a clip plays, and a damaged database the plan they are found by: those
    clips are cut again. Raises StoreBroken.
    """
    for clip_id, media_rev in await store.read(without_plan):
        log.warning("clip lost its plan", clip=clip_id)
        await store.insist(partial(cuts.lost, clip_id=clip_id, media_rev=media_rev))
    plans = await store.read(lambda tx: unwritten_plans(tx, limit=100_000))
    for plan in plans:
        if not await trio.to_thread.run_sync(is_whole, plan, footage.open_fd, look_inside):
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
        try:
            return (clips_dir / plan.file_path).stat().st_size != plan.size
        except FileNotFoundError:
            return clips_dir.is_dir() and any(clips_dir.iterdir())
    except OSError:
        return False


def is_whole(plan: StoredPlan, open_fd: Callable[[str], int], look_inside: bool) -> bool:
    """Whether the recordings hold all that the plan shows; True when that cannot be told. Blocking."""
    has_plain_sound = any(entry.encode() in plan.header for entry in PLAIN_SOUND)
    try:
        return all(
            _holds(open_fd(name), offset, offset + length, look_inside and not has_plain_sound)
            for name, offset, length in plan.ranges
        )
    except FileNotFoundError:
        return False
    except OSError:
        return True


def _holds(fd: int, start: int, end: int, look_inside: bool) -> bool:
    try:
        return find_hole(fd, start, end) is None if look_inside else os.fstat(fd).st_size >= end
    finally:
        os.close(fd)
