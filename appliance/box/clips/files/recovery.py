"""Startup check: find clips whose bytes a power cut destroyed. Files that no row names: strays.py.

A disk that is away or fails decides nothing: its files are not lost.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import structlog

from appliance.box.clips.files.footage import Footage
from appliance.box.clips.records import cut_states as cuts
from appliance.box.clips.records.stored_plans import StoredPlan, exported_plans, unwritten_plans, without_plan
from appliance.kernel.store import Store
from appliance.kernel.threads import in_thread
from appliance.media.index.holes import PLAIN_SOUND, find_hole

log = structlog.get_logger("clip_files")


async def find_lost(
    store: Store, footage: Footage, clips_dir: Path, *, look_inside: bool, is_away: bool = False
) -> None:
    """Cut clips again that lost bytes in a power cut, or their plan in a damaged database.

    `is_away`: the clips disk is not mounted, so no file counts as lost. Raises StoreBroken.
    """
    for clip_id, media_rev in await store.read(without_plan):
        log.warning("clip_lost_its_plan", clip=clip_id)
        await store.write_retrying(partial(cuts.lost, clip_id=clip_id, media_rev=media_rev))
    plans = await store.read(lambda tx: unwritten_plans(tx, limit=100_000))
    for plan in plans:
        if not await in_thread(is_whole, plan, footage.open_fd, look_inside):
            log.warning("clip_lost_its_footage", clip=plan.clip_id)
            await store.write_retrying(partial(cuts.lost, clip_id=plan.clip_id, media_rev=plan.media_rev))
    for plan in await store.read(exported_plans):
        if not is_away and await in_thread(is_lost, plan, clips_dir):
            log.warning("clip_lost_its_file", clip=plan.clip_id, file=plan.file_path)
            await store.write_retrying(partial(cuts.lost, clip_id=plan.clip_id, media_rev=plan.media_rev))


def is_lost(plan: StoredPlan, clips_dir: Path) -> bool:
    """Whether an export's file is gone or truncated. Blocking. False while the disk is away: then clips_dir
    is empty, or cannot be read."""
    assert plan.file_path is not None
    try:
        try:
            return (clips_dir / plan.file_path).stat().st_size != plan.size
        except FileNotFoundError:
            return clips_dir.is_dir() and any(clips_dir.iterdir())
    except OSError:
        return False


def is_whole(plan: StoredPlan, open_fd: Callable[[str], int], look_inside: bool) -> bool:
    """Whether the recordings hold all that the plan shows; True when that cannot be read. Blocking."""
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
