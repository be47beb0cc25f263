"""Retention in messages for people and in figures: its parts of /readyz and of /metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

from appliance.box.retention.core import HOURS_BAD, HOURS_WARN
from appliance.box.retention.model import Figures
from appliance.kernel.clock import to_rfc3339
from appliance.ops.health import GB, Board, HealthPart

if TYPE_CHECKING:
    from appliance.box.retention.actor import RetentionHandle
    from appliance.ops.metrics import Metrics


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
    if figures.wants_spare_space and not figures.has_spare_space:
        return HealthPart(
            "warn", "the ballast file is given up", "the state disk is nearly full: free space on it"
        )
    return HealthPart("ok", f"{figures.deleted_bytes / GB:.1f} GB deleted since the start")
