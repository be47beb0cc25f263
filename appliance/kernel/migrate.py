"""Brings a database to the newest schema, and refuses one that is not ours."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import apsw

from appliance.kernel.schema import WrongDatabase, numbered

__all__ = ["APPLICATION_ID", "FLOOR", "WrongDatabase", "counter_floor", "migrate", "require_safe_sqlite"]

APPLICATION_ID = 0x53424F58  # "SBOX": refuses to open another program's database
FLOOR: Final = "counter_floor"  # key in `meta`: counters in rows (rev, media_rev) continue above this value


def require_safe_sqlite(version: str = apsw.sqlite_lib_version()) -> None:
    """Refuse SQLite with the WAL-reset bug (sqlite.org/wal.html: fixed in 3.51.3, 3.50.7 and 3.44.6)."""
    major, minor, patch = (int(part) for part in (version.split(".") + ["0", "0"])[:3])
    fixed = (major, minor) >= (3, 52) or {51: 3, 50: 7, 44: 6}.get(minor, 99) <= patch
    if major != 3 or not fixed:
        raise WrongDatabase(f"SQLite {version} can corrupt a WAL database; 3.51.3 or newer is needed")


def migrate(db: apsw.Connection, *folders: Path) -> None:
    """Bring the database to the newest version, in one transaction. Forward only; a newer one is refused."""
    steps = numbered(*folders)
    newest = steps[-1][0]
    version = int(db.pragma("user_version"))
    owner = int(db.pragma("application_id"))
    strangers = not version and db.execute("SELECT count(*) FROM sqlite_schema").get
    if strangers or (version and owner != APPLICATION_ID):
        raise WrongDatabase("this SQLite file belongs to another program")
    if version > newest:
        raise WrongDatabase(f"schema version {version} is newer than this release knows ({newest})")
    due = [(number, files) for number, files in steps if number > version]
    if due:
        _apply(db, due)


def _apply(db: apsw.Connection, steps: Sequence[tuple[int, Sequence[Path]]]) -> None:
    """All steps or none: one transaction, whose commit waits for the disk once."""
    db.execute("BEGIN IMMEDIATE")
    for number, files in steps:
        for path in files:
            db.execute(path.read_text())
        if number == 1:
            db.execute("INSERT INTO meta VALUES ('epoch', ?)", (secrets.token_hex(8),))
    db.execute(f"PRAGMA user_version={steps[-1][0]}")
    db.execute(f"PRAGMA application_id={APPLICATION_ID}")
    db.execute("COMMIT")


def counter_floor(db: apsw.Connection) -> int:
    """The value above which counters in rows begin; 0 in a database that was never restored."""
    value = db.execute("SELECT value FROM meta WHERE key = ?", (FLOOR,)).get
    return 0 if value is None else int(value)
