"""Checks of the database before it is opened: its site, its integrity, and the part of /readyz about a
rescue."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from appliance.box.settings import Settings, SettingsError
from appliance.kernel.clock import to_rfc3339
from appliance.kernel.errors import Unavailable
from appliance.kernel.rescue import (
    RESCUED,
    RescueReport,
    clear_suspect_mark,
    fact_of,
    find_damage,
    finish_swap,
    rescue,
)
from appliance.kernel.sqlite.connection import read_rows
from appliance.kernel.state_disk import refusal, remove_left_copies
from appliance.kernel.store import Store
from appliance.kernel.tx import ReadTx
from appliance.kernel.witness import read_witness
from appliance.ops.health import HealthPart
from appliance.ops.snapshots import SITE, snapshot_files

DATABASE: Final = "box.db"
_ANY_SESSION: Final = "SELECT 1 FROM sessions LIMIT 1"


def snapshots_of(settings: Settings) -> Path:
    """The folder for copies of the database: [storage] backup_dir, else beside the database."""
    storage = settings.storage
    return Path(storage.backup_dir) if storage.backup_dir else storage.state_dir / "snapshots"


def make_sound(settings: Settings, now_us: int) -> None:
    """Rebuild the database when it is damaged, gone or truncated. Blocking; under the state folder's lock.

    Raises SettingsError when the state folder belongs to another site; OSError when the disk has no space for
    a new database: nothing has been moved then. A disk that cannot be written is left alone: the store reads
    from a copy.
    """
    state_dir = settings.storage.state_dir
    remove_left_copies()
    if refusal(state_dir) is not None:
        return
    witness = read_witness(state_dir)
    database = state_dir / DATABASE
    owner = witness.site_id if witness is not None else _owner_of_copies(state_dir)
    if owner is not None and not _is_unused(database):
        _refuse_other_site(settings, owner)
    finish_swap(database, now_us)
    reason = find_damage(database, witness)
    if reason is None and witness is None and _was_here_before(state_dir, database):
        reason = "the database is gone or empty, and this folder holds the state of a box"
    if reason is not None:
        copies = snapshot_files(snapshots_of(settings), settings.site.id)
        rescue(database, copies, reason, now_us, witness)
    clear_suspect_mark(database)


def _owner_of_copies(state_dir: Path) -> str | None:
    """The site of the newest copy of a database in the state folder; None when no copy has one."""
    owners = (fact_of(copy, SITE) for copy in snapshot_files(state_dir / "snapshots"))
    return next((owner for owner in owners if owner is not None), None)


def _was_here_before(state_dir: Path, database: Path) -> bool:
    """Whether the database is missing although a box has run with this folder: its copies or its index exist.

    The witness may be gone with the database. A first start creates both after the database.
    """
    if database.exists() and database.stat().st_size:
        return False
    return any(any(state_dir.glob(each)) for each in ("snapshots/box-*.db", "index/*/log"))


def _is_unused(database: Path) -> bool:
    """Whether it never had a session: a box is started once before people choose its id."""
    try:
        return not read_rows(database, _ANY_SESSION)
    except OSError:
        return False


async def claim_site(store: Store, settings: Settings) -> None:
    """Store the site's id in a database without one, and in one that was not used yet. Raises SettingsError
    when it has another one."""
    sql = "SELECT value FROM meta WHERE key = ?"
    stored, used = await store.read(lambda tx: (tx.value(sql, (SITE,)), tx.value(_ANY_SESSION)))
    if stored is not None and used is not None:
        _refuse_other_site(settings, str(stored))
    if stored == settings.site.id:
        return
    try:
        await store.write(
            lambda tx: tx.run("INSERT OR REPLACE INTO meta VALUES (?, ?)", (SITE, settings.site.id))
        )
    except Unavailable:
        pass  # a full disk does not prevent a start: the next one stores it


def _refuse_other_site(settings: Settings, owner: str) -> None:
    if owner != settings.site.id:
        raise SettingsError(
            [
                f"site.id: is {settings.site.id!r}, but {settings.storage.state_dir} holds the state of site"
                f" {owner!r}; set site.id back, or give this site a storage.state_dir of its own"
            ]
        )


def read_report(tx: ReadTx) -> RescueReport | None:
    """The last rescue of this database; None when there was none."""
    text = tx.value("SELECT value FROM meta WHERE key = ?", (RESCUED,))
    try:
        return RescueReport(**json.loads(text)) if text is not None else None
    except (TypeError, ValueError):
        return None


def database_part(report: RescueReport | None, state_dir: Path) -> HealthPart:
    """Red until a person has moved the damaged file away."""
    if report is None or not report.aside or not _is_there(state_dir, report.aside):
        return HealthPart("ok", "whole")
    source = f"the copy {report.snapshot}" if report.snapshot else "no copy"
    detail = (
        f"{to_rfc3339(report.at_us)[:19]}Z: {report.reason}; made again from {source} and {report.rows} rows"
        " of the old file"
    )
    hint = f"compare the plays with the tablets, then move {report.aside} out of the state folder"
    return HealthPart("bad", detail, hint)


def _is_there(state_dir: Path, aside: str) -> bool:
    return any((state_dir / f"{aside}{tail}").exists() for tail in ("", "-wal"))
