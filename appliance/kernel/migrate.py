"""The schema's version: numbered SQL files, applied once each, in order of their numbers.

Each domain has its files in a folder of its own; the root of the process names the folders (`use_schemas`).
Numbers are given over all folders together. A domain that was removed leaves a gap. Files of one number, in
several folders, are one step: one transaction, in the order of the folders.
"""

from __future__ import annotations

import re
import secrets
from functools import cache
from pathlib import Path

import apsw

APPLICATION_ID = 0x53424F58  # "SBOX": refuses to open another program's database


class WrongDatabase(Exception):
    """The file belongs to another program, or was written by a newer release."""


def require_safe_sqlite(version: str = apsw.sqlite_lib_version()) -> None:
    """Refuse SQLite with the WAL-reset bug (sqlite.org/wal.html: fixed in 3.51.3, 3.50.7 and 3.44.6)."""
    major, minor, patch = (int(part) for part in (version.split(".") + ["0", "0"])[:3])
    fixed = (major, minor) >= (3, 52) or {51: 3, 50: 7, 44: 6}.get(minor, 99) <= patch
    if major != 3 or not fixed:
        raise WrongDatabase(f"SQLite {version} can corrupt a WAL database; 3.51.3 or newer is needed")


def numbered(*folders: Path) -> list[tuple[int, list[Path]]]:
    """(number, files) in order. Raises WrongDatabase: a folder uses a number twice, or has no first file."""
    steps: dict[int, list[Path]] = {}
    for folder in folders:
        files = [
            (int(match[1]), path)
            for path in sorted(folder.glob("*.sql"))
            if (match := re.match(r"(\d{4})_", path.name))
        ]
        if len(dict(files)) != len(files):
            raise WrongDatabase(f"two schema files in {folder} are numbered alike")
        for number, path in files:
            steps.setdefault(number, []).append(path)
    if 1 not in steps:
        raise WrongDatabase(f"no schema file in {', '.join(map(str, folders))} is numbered 0001")
    return sorted(steps.items())


KERNEL_SCHEMA = Path(__file__).parent / "schema"
_folders = [KERNEL_SCHEMA]


def use_schemas(*folders: Path) -> None:
    """The domains' folders of schema files, after the kernel's own: called once, by the root of the
    process."""
    _folders[:] = [KERNEL_SCHEMA, *folders]
    newest_schema.cache_clear()


def schema_folders() -> list[Path]:
    """The kernel's folder of schema files, and the domains' in the order in which they depend on each
    other."""
    return list(_folders)


@cache
def newest_schema() -> int:
    """The schema version of an open database."""
    return numbered(*_folders)[-1][0]


def migrate(db: apsw.Connection, *folders: Path) -> None:
    """Bring the database to the newest version. Forward only; a newer database is refused."""
    steps = numbered(*folders)
    newest = steps[-1][0]
    version = int(db.pragma("user_version"))
    owner = int(db.pragma("application_id"))
    strangers = not version and db.execute("SELECT count(*) FROM sqlite_schema").get
    if strangers or (version and owner != APPLICATION_ID):
        raise WrongDatabase("this SQLite file belongs to another program")
    if version > newest:
        raise WrongDatabase(f"schema version {version} is newer than this release knows ({newest})")
    for number, files in steps:
        if number <= version:
            continue
        db.execute("BEGIN IMMEDIATE")
        for path in files:
            db.execute(path.read_text())
        if number == 1:
            db.execute("INSERT INTO meta VALUES ('epoch', ?)", (secrets.token_hex(8),))
        db.execute(f"PRAGMA user_version={number}")
        db.execute(f"PRAGMA application_id={APPLICATION_ID}")
        db.execute("COMMIT")
