"""The schema's version: numbered SQL files, each applied once in a transaction of its own."""

from __future__ import annotations

import re
import secrets
from functools import cache
from pathlib import Path

import apsw

SCHEMA_DIR = Path(__file__).parent.parent / "schema"
APPLICATION_ID = 0x53424F58  # "SBOX": refuses to open another program's database


class WrongDatabase(Exception):
    """The file belongs to another program, or was written by a newer release."""


def require_safe_sqlite(version: str = apsw.sqlite_lib_version()) -> None:
    """Refuse SQLite with the WAL-reset bug (sqlite.org/wal.html: fixed in 3.51.3, 3.50.7 and 3.44.6)."""
    major, minor, patch = (int(part) for part in (version.split(".") + ["0", "0"])[:3])
    fixed = (major, minor) >= (3, 52) or {51: 3, 50: 7, 44: 6}.get(minor, 99) <= patch
    if major != 3 or not fixed:
        raise WrongDatabase(f"SQLite {version} can corrupt a WAL database; 3.51.3 or newer is needed")


def numbered(directory: Path) -> list[tuple[int, Path]]:
    """(number, file) in order; raises when a number is missing or used twice (a packaging error)."""
    files = sorted(
        (int(match[1]), path)
        for path in directory.glob("*.sql")
        if (match := re.match(r"(\d{4})_", path.name))
    )
    if [number for number, _ in files] != list(range(1, len(files) + 1)):
        raise WrongDatabase(f"schema files in {directory.name} are not numbered 0001.. without gaps")
    return files


@cache
def newest_schema() -> int:
    """The schema version of an open database."""
    return len(numbered(SCHEMA_DIR))


def migrate(db: apsw.Connection, directory: Path) -> None:
    """Bring the database to the newest version. Forward only; a newer database is refused."""
    files = numbered(directory)
    version = int(db.pragma("user_version"))
    owner = int(db.pragma("application_id"))
    strangers = not version and db.execute("SELECT count(*) FROM sqlite_schema").get
    if strangers or (version and owner != APPLICATION_ID):
        raise WrongDatabase("this SQLite file belongs to another program")
    if version > len(files):
        raise WrongDatabase(f"schema version {version} is newer than this release knows ({len(files)})")
    for number, path in files[version:]:
        db.execute("BEGIN IMMEDIATE")
        db.execute(path.read_text())
        if number == 1:
            db.execute("INSERT INTO meta VALUES ('epoch', ?)", (secrets.token_hex(8),))
        db.execute(f"PRAGMA user_version={number}")
        db.execute(f"PRAGMA application_id={APPLICATION_ID}")
        db.execute("COMMIT")
