"""Connects retention to recordings, clips and health: settings in, messages for people out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager
from pathlib import Path
from typing import Final

import trio

from appliance.box.clips.housekeeping.actor import ClipFiles
from appliance.box.clips.records.marks import MarkRules, expire_clip
from appliance.box.recordings.actor import RecordingsHandle
from appliance.box.retention.actor import RetentionHandle, run_retention
from appliance.box.retention.ballast import make_room as make_room
from appliance.box.retention.core import HOURS_BAD, HOURS_WARN, RetentionLimits
from appliance.box.retention.model import Figures, Folders
from appliance.box.settings import Settings
from appliance.box.wiring.bridges import OLD_RECORDINGS, RECORDINGS
from appliance.kernel.actor import running
from appliance.kernel.clock import DAY_US, to_rfc3339
from appliance.kernel.safemode import MarkerFile, SafeMode, open_safe_mode
from appliance.kernel.store import Store
from appliance.kernel.version import appliance_version
from appliance.ops.health import GB, Board, HealthPart, safe_mode_part
from appliance.ops.metrics import Metrics

HOUR_US: Final = 3_600_000_000
CUTTING: Final = "cutting of clips"
FILES: Final = "clip files, their pictures, retention"


def safe_mode(state_dir: Path) -> AbstractContextManager[tuple[SafeMode, MarkerFile]]:
    """The parts that safe mode holds back, in the order in which they are turned on. Marks, health and,
    unless they end the box too, live video and frames work meanwhile."""
    parts = (OLD_RECORDINGS, CUTTING, FILES)
    return open_safe_mode(state_dir, parts, last_resort=RECORDINGS, version=appliance_version())


def safe_mode_line(safe: SafeMode) -> HealthPart:
    """The part `safe_mode` of /readyz."""
    next_in_s = None if safe.next_s is None else safe.next_s - trio.current_time()
    return safe_mode_part(safe.off_parts(), safe.reason, next_in_s)


def limits_of(settings: Settings) -> RetentionLimits:
    """[retention] and [storage] reserve_gb in bytes and microseconds."""
    wanted = settings.retention
    return RetentionLimits(
        min_free_bytes=round(wanted.min_free_gb * GB),
        reserve_bytes=round(settings.storage.reserve_gb * GB),
        raw_us=round(wanted.raw_days * DAY_US),
        clip_us=round(wanted.clip_days * DAY_US),
        guard_us=round(wanted.session_guard_h * HOUR_US),
    )


def folders_of(settings: Settings) -> dict[str, Path]:
    """The folders whose disks are watched by health, by name."""
    storage = settings.storage
    return {"state": storage.state_dir, "recordings": storage.recordings_dir, "clips": storage.clips}


@asynccontextmanager
async def retention(
    settings: Settings,
    store: Store,
    recordings: RecordingsHandle,
    files: ClipFiles,
    rules: MarkRules,
    board: Board,
    metrics: Metrics,
    safe: SafeMode,
) -> AsyncIterator[RetentionHandle]:
    """Keep space free on the disks; while safe mode holds it back nothing is deleted."""
    storage = settings.storage
    async with running(
        "retention",
        run_retention,
        store=store,
        recordings=recordings,
        clips=files,
        expire_clip=lambda tx, clip_id, reason: expire_clip(tx, rules, clip_id, reason),
        folders=Folders(storage.state_dir, storage.recordings_dir, storage.clips),
        limits=limits_of(settings),
        grace_us=round(settings.retention.grace_h * HOUR_US),
        hold=safe.hold(FILES),
    ) as handle:
        add_retention(board, metrics, handle)
        yield handle


def add_retention(board: Board, metrics: Metrics, handle: RetentionHandle) -> None:
    """Parts `recording_hours` and `retention`, and their figures."""
    board.add("recording_hours", lambda: hours_part(handle.figures()))
    board.add("retention", lambda: retention_part(handle.figures()))
    metrics.gauge(
        "recording_hours_left",
        "Hours of recording before footage that should be kept has to go; +Inf: nothing is recorded",
        lambda: hours if (hours := handle.figures().hours) is not None else float("inf"),
    )
    metrics.gauge("recording_bytes_per_second", "All cameras together", lambda: handle.figures().bytes_per_s)
    metrics.gauge(
        "retention_deleted_bytes", "Deleted since the start", lambda: float(handle.figures().deleted_bytes)
    )


def hours_part(figures: Figures) -> HealthPart:
    """How many hours can be recorded from now on, at the rate of the last minutes."""
    room = f"{figures.free_bytes / GB:.1f} GB free, {figures.deletable_bytes / GB:.1f} GB of old footage"
    facts = {
        "hours": figures.hours,
        "bytes_per_s": figures.bytes_per_s,
        "free_bytes": float(figures.free_bytes),
        "deletable_bytes": float(figures.deletable_bytes),
    }
    if figures.hours is None:
        return HealthPart("ok", f"nothing is being recorded; {room}", figures=facts)
    detail = f"{figures.hours:.1f} h of recording left at {figures.bytes_per_s / 1e6:.2f} MB/s: {room}"
    if figures.hours < HOURS_BAD:
        return HealthPart("bad", detail, "free space or add a disk now, or footage of games goes", facts)
    if figures.hours < HOURS_WARN:
        return HealthPart("warn", detail, "free space before the game, or lower the cameras' bitrate", facts)
    return HealthPart("ok", detail, figures=facts)


def retention_part(figures: Figures) -> HealthPart:
    """What retention could not do."""
    if figures.error:
        return HealthPart("bad", f"cannot delete: {figures.error}", "check the disks: see `appliance doctor`")
    if figures.stuck:
        detail = f"the disk is too full to write the files of {len(figures.stuck)} clips; their footage stays"
        return HealthPart("bad", detail, "free space on the disk of the clips now")
    if figures.unmet:
        names = " and ".join(figures.unmet)
        detail = f"{names} cannot be met with all recordings deleted; 1 GB is kept free instead"
        return HealthPart("bad", detail, f"lower {names} in the settings, or free the disk of other files")
    if figures.waiting:
        when = to_rfc3339(figures.waits_until_us)[:16] + "Z"
        detail = f"changed settings take effect at {when}: {', '.join(figures.waiting)}"
        if figures.waiting_bytes:
            detail += f"; {figures.waiting_bytes / GB:.1f} GB of recordings are deleted then"
        hint = "nothing to do if that was meant; otherwise correct [retention] and [storage], and restart"
        return HealthPart("warn", detail, hint)
    if figures.short_bytes:
        detail = f"{figures.short_bytes / GB:.1f} GB short of min_free_gb, and all that is left must be kept"
        return HealthPart("warn", detail, "complete sessions that are over, free space, or add a disk")
    if figures.doubts_ages:
        return HealthPart(
            "warn", "box time was set: nothing is too old for a day", "check that the date is right"
        )
    if figures.wants_ballast and not figures.has_ballast:
        return HealthPart(
            "warn", "the ballast file is given up", "the state disk is nearly full: free space on it"
        )
    return HealthPart("ok", f"{figures.deleted_bytes / GB:.1f} GB deleted since the start")
