"""Clips in messages for people and in figures: their parts of /readyz and of /metrics."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from appliance.kernel.clock import to_rfc3339
from appliance.kernel.retry import DiskErrors
from appliance.ops.health import Board, HealthPart

if TYPE_CHECKING:
    from appliance.box.clips.cutting.cutter import CutterHandle
    from appliance.box.clips.housekeeping.actor import ClipFiles
    from appliance.box.clips.housekeeping.strays import StrayCounts
    from appliance.ops.metrics import Metrics

BUSY_JOBS: Final = 50  # clips waiting for footage: more than a game's worth of plays at once


def add_clips(board: Board, metrics: Metrics, cutter: CutterHandle, files: ClipFiles) -> None:
    """Parts `clips`, `clip_disks` and `clip_files`, and the figures of what waits."""
    disk_errors = [cutter.disk_errors, files.disk_errors]
    board.add("clips", lambda: cutter_part(cutter))
    board.add("clip_disks", lambda: clip_disks_part(disk_errors))
    board.add("clip_files", lambda: clip_files_part(files.kept))
    metrics.gauge("clips_waiting", "Ended clips that wait for footage", _figure(cutter, "waiting"))
    metrics.gauge("exports_waiting", "Clips that wait to be encoded anew", _figure(cutter, "exports"))


def cutter_part(cutter: CutterHandle) -> HealthPart:
    figures = cutter.statistics()
    detail = f"{figures['waiting']} clips wait, {figures['running']} are cut, {figures['ghosts']} are open"
    if figures["exports"]:
        detail += f", {figures['exports']} exports stand in line"
    if often := cutter.cut_too_often():
        names = ", ".join(f"{clip_id} {count} times" for clip_id, count in sorted(often.items())[:3])
        hint = "delete the clip, and send us `appliance support-bundle`: the box should not do this"
        return HealthPart("bad", f"clips are cut again and again, within a minute: {names}; {detail}", hint)
    if figures["waiting"] > BUSY_JOBS:
        return HealthPart("warn", detail, "do the cameras send?")
    return HealthPart("ok", detail)


def clip_disks_part(disk_errors: Sequence[DiskErrors]) -> HealthPart:
    """Disk errors of the actors that cut clips and write their files; all of it is retried."""
    errors = [str(each) for each in disk_errors if each]
    if not errors:
        return HealthPart("ok", "clips are written and deleted")
    return HealthPart("bad", "; ".join(errors), "marks are taken; check the disks of clips and recordings")


def clip_files_part(counts: StrayCounts) -> HealthPart:
    """Files that the database does not know: kept, and reported as long as they exist. A new disk: reported
    until the next start."""
    details, hint = [], "the database is older than they are: copy what is wanted elsewhere"
    if counts.is_new_disk and not counts.aside and not counts.unknown:
        hint = "copy the files of the disk before into clips_dir, or leave it"
    if counts.is_new_disk:
        details.append("clips_dir lies on another disk than before: what is not on it is made again")
    if counts.aside:
        until = f" until {to_rfc3339(counts.until_us)[:10]}" if counts.until_us is not None else ""
        details.append(f"{counts.aside} finished files that no clip names are kept in clips_dir/aside{until}")
    if counts.unknown:
        details.append(f"{counts.unknown} files are of clips the database does not know")
    if not details:
        return HealthPart("ok", "every file belongs to a clip")
    return HealthPart("warn", "; ".join(details), hint)


def _figure(cutter: CutterHandle, name: str) -> Callable[[], float]:
    return lambda: float(cutter.statistics()[name])
