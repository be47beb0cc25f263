"""One connection to SQLite: opening, reading, copying, closing. All of it blocks.

Owns: the pragmas that every connection has. Must not know: who shares it, threads.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

import apsw
import structlog

from appliance.kernel.clock import Clock
from appliance.kernel.tx import ReadTx
from appliance.kernel.witness import note_closed

T = TypeVar("T")
log = structlog.get_logger("store")

START_BYTES: Final = 1 << 20  # with less free space SQLite may not even open a database with a WAL


def connect(file: Path, flags: int, vfs: str | None = None) -> apsw.Connection:
    """Raises apsw.Error."""
    db = apsw.Connection(str(file), flags=flags, vfs=vfs)
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=5000"):
        for _ in db.execute(f"PRAGMA {pragma}"):
            pass
    return db


def read(db: apsw.Connection, query: Callable[[ReadTx], T], clock: Clock) -> T:
    """Run a query inside one read transaction."""
    db.execute("BEGIN")
    try:
        return query(ReadTx(db, clock.now_us()))
    finally:
        if not db.get_autocommit():  # an I/O error may have ended the transaction already
            db.execute("ROLLBACK")


def backup(source: apsw.Connection, target: Path) -> None:
    """SQLite's online backup of what `source` has open; closes both. Raises OSError."""
    try:
        destination = apsw.Connection(str(target))
        try:
            with destination.backup("main", source, "main") as copy:
                copy.step()
        finally:
            destination.close()
            source.close()
    except apsw.Error as error:
        raise OSError(f"the database cannot be copied to {target}: {error}") from error


def backup_file(database: Path, target: Path) -> None:
    """`backup` for a database that this process does not have open. Raises OSError."""
    try:
        source = connect(database, apsw.SQLITE_OPEN_READWRITE)
    except apsw.Error as error:
        raise OSError(f"{database} cannot be opened: {error}") from error
    backup(source, target)
    note_closed(database)


def read_rows(database: Path, sql: str) -> list[tuple[object, ...]]:
    """Rows of a database that this process does not have open; nothing of it is written. Raises OSError."""
    try:
        db = apsw.Connection(str(database), flags=apsw.SQLITE_OPEN_READONLY)
        try:
            return [tuple(row) for row in db.execute(sql)]
        finally:
            db.close(True)
    except apsw.Error as error:
        raise OSError(f"{database} cannot be read: {error}") from error


def close(db: apsw.Connection) -> None:
    """Close, ignoring errors of the disk: closing the last connection runs a checkpoint, which may fail."""
    try:
        db.close(True)
    except apsw.Error as error:
        log.warning("database_closed_with_an_error", error=str(error))


def is_full(folder: Path) -> bool:
    """Whether the disk has too little free space to open a database."""
    stats = os.statvfs(folder)
    return stats.f_bavail * stats.f_frsize < START_BYTES
