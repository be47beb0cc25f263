"""fsck's part for clips: reads the facts that consistency.py checks, and makes the repairs.

A repair loses nothing that was ever shown. A reference to a missing picture or file is removed (it is made
again from the plan); an unfinished file without a row is deleted; a finished one is kept aside for a week,
as at startup (strays.py). The rest is for a person.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from appliance.box.clips.housekeeping.consistency import ClipFacts, ClipRow, PlanRow, check
from appliance.box.clips.housekeeping.strays import ASIDE, move_aside
from appliance.domain import Consistency, Finding
from appliance.kernel import json
from appliance.kernel.tx import ReadTx, Row, Tx


def check_clips(tx: ReadTx, settings: Any) -> list[Finding]:
    """Every finding: from one snapshot of the database, then the disks. Blocks."""
    storage = settings.storage
    return check(gather(tx, storage.clips, storage.recordings_dir))


def gather(tx: ReadTx, clips_dir: Path, recordings_dir: Path) -> ClipFacts:
    """Blocks."""
    clips = [
        ClipRow(**row)
        for row in tx.all(
            "SELECT id, session_id, status, ready_media_rev, file_path, thumbnail_path, media_rev FROM clips"
            " WHERE deleted_us IS NULL"
        )
    ]
    plans = [
        _plan(row)
        for row in tx.all(
            "SELECT clip_id, plans.media_rev, size, length(header) AS header_bytes, ranges, plans.file_path"
            " FROM plans JOIN clips ON clips.id = clip_id WHERE clips.deleted_us IS NULL"
        )
    ]
    deleted = tx.all(
        "SELECT plans.file_path AS path FROM plans JOIN clips ON clips.id = clip_id"
        " WHERE clips.deleted_us IS NOT NULL AND plans.file_path IS NOT NULL"
    )
    return ClipFacts(
        clips=clips,
        plans=plans,
        garbage=frozenset(row["path"] for row in tx.all("SELECT path FROM garbage")),
        deleted_files=frozenset(row["path"] for row in deleted),
        clip_files={path: size for path, size in _files(clips_dir) if not path.startswith(f"{ASIDE}/")},
        recordings=_sizes(recordings_dir, {name for plan in plans for name, _, _ in plan.ranges}),
    )


def _plan(row: Row) -> PlanRow:
    ranges = tuple(
        (str(name), int(at), int(length)) for name, at, length in json.decode_stored(row["ranges"])
    )
    return PlanRow(
        row["clip_id"], row["media_rev"], row["size"], row["header_bytes"], ranges, row["file_path"]
    )


def _files(folder: Path) -> Iterable[tuple[str, int]]:
    for place, _, names in os.walk(folder):
        for name in names:
            path = Path(place, name)
            try:
                yield str(path.relative_to(folder)), path.lstat().st_size
            except FileNotFoundError:
                pass  # deleted during the check


def _sizes(folder: Path, names: Iterable[str]) -> dict[str, int]:
    sizes: dict[str, int] = {}
    for name in names:
        try:
            sizes[name] = (folder / name).stat().st_size
        except OSError:
            pass  # missing: it is left out
    return sizes


# -- repairs ------------------------------------------------------------------------------------------------


def delete_file(settings: Any, finding: Finding) -> None:
    """An unfinished file that no row names. Blocks."""
    (settings.storage.clips / finding.subject).unlink(missing_ok=True)


def set_aside(settings: Any, finding: Finding) -> None:
    """A finished file that no row names. Blocks."""
    move_aside(settings.storage.clips, finding.subject)


def forget_picture(tx: Tx, finding: Finding) -> None:
    """Like all repairs of rows without a new revision: what a client sees of the clip has not changed."""
    tx.run("UPDATE clips SET thumbnail_path = NULL WHERE id = ?", (_cut_of(finding)[0],))


def forget_file(tx: Tx, finding: Finding) -> None:
    """A cut whose file is missing or incomplete, and whose recordings exist."""
    cut = _cut_of(finding)
    tx.run("UPDATE plans SET file_path = NULL WHERE clip_id = ? AND media_rev = ?", cut)
    tx.run("UPDATE clips SET file_path = NULL WHERE id = ? AND ready_media_rev = ?", cut)


def forget_plan(tx: Tx, finding: Finding) -> None:
    """An export without its file that a newer cut has replaced."""
    tx.run("DELETE FROM plans WHERE clip_id = ? AND media_rev = ?", _cut_of(finding))


def _cut_of(finding: Finding) -> tuple[str, int]:
    """Clip id and media_rev, 0 where the subject is the whole clip."""
    clip_id, _, media_rev = finding.subject.removeprefix("clip:").partition(" m")
    return clip_id, int(media_rev or 0)


CONSISTENCY: Final = Consistency(
    check=check_clips,
    row_repairs={
        "forget_picture": forget_picture,
        "forget_file": forget_file,
        "forget_plan": forget_plan,
    },
    file_repairs={"delete_file": delete_file, "set_aside": set_aside},
)
