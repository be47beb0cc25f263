"""Rebuild a database that is damaged, missing or truncated, from what can still be read; the old file is
moved aside.

Owns: detecting the damage before the database is opened, and building the new one from the newest good
snapshot plus every row that the damaged file still gives. Nothing is deleted: the damaged file stays beside
the new one. Must not know: what the tables mean. Everything here blocks; it runs alone, under the lock of the
state folder.

The new database has a new epoch, so that every reader with an old cursor loads a snapshot of the resources,
and its journal seq continues beyond every seq of the old one. Counters stored in rows continue above `FLOOR`,
because their values after the copy was made are unknown: media_rev at the next cut, `rev` of every row at
once. So a client with a row of the lost time takes the restored one, and an ETag of that time is stale.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import apsw
import structlog

from appliance.kernel.clock import to_rfc3339
from appliance.kernel.migrate import APPLICATION_ID, FLOOR, WrongDatabase, counter_floor, migrate
from appliance.kernel.schema import newest_schema, schema_folders
from appliance.kernel.sqlite.connection import connect
from appliance.kernel.tx import Tx
from appliance.kernel.witness import Witness, log_bytes, note_closed, read_witness, sync_folder

log = structlog.get_logger("rescue")

RESCUED: Final = "database_restored"  # the event, and the key in `meta`
_FLOOR_FROM_US: Final = 1_767_225_600_000_000  # 2026-01-01
_SKIP: Final = 1_000_000  # seqs that the journal skips: more than any box writes between two snapshots
_OWN: Final = ("meta", "journal")
_FLAGS: Final = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
_BAD: Final = (apsw.Error, OSError, UnicodeDecodeError)


@dataclass(frozen=True, slots=True)
class RescueReport:
    """What the rescue did, for /readyz and the log. `snapshot`: "" when none could be used."""

    reason: str
    at_us: int
    aside: str
    snapshot: str
    rows: int


def find_damage(path: Path, witness: Witness | None) -> str | None:
    """What is wrong with the database at `path`; None when it can be opened (or was never made).

    A file of another program in a state folder that never had a database of ours is not reported here:
    opening it raises. After `mark_suspect` the full integrity check is run, which takes longer: the quick one
    compares no index with its table.
    """
    if not path.exists() or not path.stat().st_size:
        return None if witness is None else "the database is gone or empty, and there was one here before"
    log_now = log_bytes(path)  # measured first: opening creates a new log
    try:
        db = connect(path, apsw.SQLITE_OPEN_READWRITE)
        try:
            if (reason := _wrong_header(db, witness)) is not None:
                return reason or None
            how = "integrity_check" if _suspicion(path).exists() else "quick_check"
            result = _checked(db, how)
            return _lost_end(db, witness, log_now) if result == "ok" else f"the database is damaged: {result}"
        finally:
            db.close(True)
            note_closed(path)
    except (apsw.CorruptError, apsw.NotADBError, apsw.SQLError) as error:
        return f"the database is damaged: {error}"
    except apsw.Error:
        return None  # the disk fails: opening it will raise


def mark_suspect(path: Path) -> None:
    """Record that SQLite found the open database damaged: the next start runs the full check. Errors are
    logged."""
    try:
        _suspicion(path).touch()
    except OSError as error:
        log.warning("suspicion_not_written", error=str(error))


def clear_suspect_mark(path: Path) -> None:
    """Delete the mark after a check. Raises OSError."""
    _suspicion(path).unlink(missing_ok=True)


def _suspicion(path: Path) -> Path:
    return path.with_name(f"{path.name}.suspect")


def _wrong_header(db: apsw.Connection, witness: Witness | None) -> str | None:
    """What is wrong with the owner and version in the header; "" for a file that was never ours."""
    if db.pragma("application_id") != APPLICATION_ID:
        return "" if witness is None else "the header of the database is damaged: it names another program"
    version = int(db.pragma("user_version"))
    epoch = db.execute("SELECT value FROM meta WHERE key = 'epoch'").get
    if witness is None or not witness.schema or epoch != witness.epoch:
        return None  # of another epoch: restored, perhaps from before an update (scripts/install --rollback)
    if version < witness.schema or version > max(witness.schema, newest_schema()):
        return f"the header of the database is damaged: schema {version}, which was {witness.schema}"
    return None


def _checked(db: apsw.Connection, how: str = "quick_check") -> str:
    """SQLite's result: "ok", or the first error."""
    return str(db.execute(f"PRAGMA {how}(1)").get)


def _lost_end(db: apsw.Connection, witness: Witness | None, log_now: int) -> str | None:
    epoch = db.execute("SELECT value FROM meta WHERE key = 'epoch'").get
    head = int(db.execute("SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'journal'").get)
    if witness is None or epoch != witness.epoch:
        return None
    if log_now < 0 <= witness.log or log_now == 0 < witness.log:
        return "the log of the database is gone: changes of the last seconds or more are missing"
    if head >= witness.head:
        return None
    return f"the last {witness.head - head} changes or more are missing from the database (its log is gone)"


def rescue(
    path: Path, snapshots: Sequence[Path], reason: str, now_us: int, witness: Witness | None = None
) -> RescueReport:
    """Move what is at `path` aside and put a new database in its place. `snapshots`: newest first.

    Raises OSError when not even an empty database can be made.
    """
    aside = _aside(path, now_us)
    log.error("database_is_made_again", reason=reason, aside=aside.name)
    draft = path.with_name(f"{path.name}.draft")
    base = next((snapshot for snapshot in snapshots if is_good(snapshot)), None)
    damaged = path if path.exists() and path.stat().st_size else None
    try:
        rows = _build(draft, base, damaged)
        if rows is None:  # the rows taken from the damaged file contradict each other
            rows = _build(draft, base, None) or 0
        report = RescueReport(reason, now_us, aside.name, base.name if base is not None else "", rows)
        _begin_anew(draft, path, report, witness, now_us)
    except (apsw.Error, OSError) as error:  # the disk has no room for it: the damaged file stays in place
        _remove(draft)
        raise OSError(f"{path} is damaged and cannot be made again: {error}") from error
    _swap(path, draft, aside)
    if not aside.exists():
        aside.write_text(f"{reason}\n")  # there was no file to move: health is red until this file is removed
    log.error("database_made_again", **asdict(report))
    return report


def finish_swap(path: Path, now_us: int) -> None:
    """Complete a swap that a power cut interrupted after the old database was moved and before the new one
    was in place.

    Raises OSError.
    """
    successor = _successor(path)
    if not successor.exists():
        return
    if path.exists():
        _remove(successor)  # nothing was moved yet: the database is checked again
    else:
        _swap(path, successor, _aside(path, now_us))


def _successor(path: Path) -> Path:
    return path.with_name(f"{path.name}.successor")


def _aside(path: Path, now_us: int) -> Path:
    stamp = to_rfc3339(now_us)[:19].replace(":", "").replace("-", "")
    return path.with_name(f"{path.name}.damaged-{stamp}")


def _swap(path: Path, draft: Path, aside: Path) -> None:
    """Move what is at `path` to `aside` and the finished `draft` in its place; `finish_swap` completes it."""
    os.replace(draft, _successor(path))
    sync_folder(path.parent)
    for tail in ("", "-wal"):  # a WAL of the old one would be replayed into the new one
        if (part := path.with_name(path.name + tail)).exists():
            os.replace(part, aside.with_name(aside.name + tail))
    path.with_name(f"{path.name}-shm").unlink(missing_ok=True)
    os.replace(_successor(path), path)
    sync_folder(path.parent)


def _remove(database: Path) -> None:
    for tail in ("", "-wal", "-shm"):
        database.with_name(database.name + tail).unlink(missing_ok=True)


def fact_of(snapshot: Path, key: str) -> str | None:
    """The value of `key` in `meta` of a copy; None: no such key, or it cannot be read."""
    try:
        db = _open_copy(snapshot)
        try:
            value = db.execute("SELECT value FROM meta WHERE key = ?", (key,)).get
            return None if value is None else str(value)
        finally:
            db.close(True)
    except _BAD:
        return None


def _open_copy(snapshot: Path) -> apsw.Connection:
    # immutable: a copy is one file, and must be readable on a disk that cannot be written
    flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
    return apsw.Connection(f"{snapshot.absolute().as_uri()}?immutable=1", flags=flags)


def is_good(snapshot: Path) -> bool:
    """Whether a copy of a database is complete and ours."""
    try:
        db = _open_copy(snapshot)
        try:
            return db.pragma("application_id") == APPLICATION_ID and _checked(db, "integrity_check") == "ok"
        finally:
            db.close(True)
    except apsw.Error:
        return False


def publish_copy(draft: Path, target: Path) -> None:
    """Rename a copy to `target` once it is complete and durable; an incomplete one is removed. Raises
    OSError."""
    if not is_good(draft):
        draft.unlink(missing_ok=True)
        raise OSError(f"the copy at {draft} is not whole: see `appliance fsck`")
    descriptor = os.open(draft, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    os.replace(draft, target)
    sync_folder(target.absolute().parent)


def install(path: Path, backup: Path, now_us: int) -> Path:
    """Put a copy of `backup` in place of the database at `path`; returns where the old one was moved.

    Raises ValueError when `backup` is not a good database of ours, or cannot be opened here; OSError.
    """
    if not is_good(backup):
        raise ValueError(f"{backup} is not a whole database of this program")
    draft = path.with_name(f"{path.name}.draft")
    try:
        _build(draft, backup, None)
        _begin_anew(draft, path, RescueReport("restored by hand", now_us, "", backup.name, 0), None, now_us)
    except (apsw.Error, WrongDatabase) as error:
        raise ValueError(f"{backup} cannot be used: {error}") from error
    aside = _aside(path, now_us)
    _swap(path, draft, aside)
    return aside


def _build(draft: Path, base: Path | None, damaged: Path | None) -> int | None:
    """Build the new database; returns the number of rows taken from the damaged one, None when they
    contradict."""
    _remove(draft)
    if base is not None:
        shutil.copyfile(base, draft)
    db = connect(draft, _FLAGS)
    try:
        migrate(db, *schema_folders())
        rows = _salvage(db, damaged) if damaged is not None else 0
        is_whole = _checked(db, "integrity_check") == "ok"
        return rows if is_whole else None
    finally:
        db.close()  # a checkpoint writes the WAL into the file: the draft is one file


def _salvage(db: apsw.Connection, damaged: Path) -> int:
    """Copy every row of the damaged file that can still be read and is no older than the snapshot's."""
    db.execute("PRAGMA foreign_keys=OFF")
    taken = 0
    try:
        old = connect(damaged, apsw.SQLITE_OPEN_READWRITE)
    except _BAD:
        return 0
    db.execute("BEGIN IMMEDIATE")
    try:
        if _is_older(old, db):  # it lost its log: the snapshot has all of its changes, and later ones
            return 0
        for table in _tables(db):
            taken += _salvage_table(db, old, table)
        _drop_orphans(db)
    finally:
        db.execute("COMMIT")
        try:
            old.close(True)
        except apsw.Error:
            pass  # it is damaged: its checkpoint at closing may fail
    return taken


def _is_older(old: apsw.Connection, db: apsw.Connection) -> bool:
    sql = "SELECT (SELECT value FROM meta WHERE key = 'epoch'), coalesce(max(seq), 0) FROM sqlite_sequence"
    try:
        (epoch, head), (our_epoch, our_head) = (database.execute(sql).get for database in (old, db))
    except _BAD:
        return False
    return bool(epoch == our_epoch and head < our_head)


def _tables(db: apsw.Connection) -> list[str]:
    sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%' ORDER BY rowid"
    return [str(name) for (name,) in db.execute(sql) if name not in _OWN]


def _salvage_table(db: apsw.Connection, old: apsw.Connection, table: str) -> int:
    try:
        there = {str(row[1]) for row in old.execute(f"PRAGMA table_info({table})")}
    except _BAD:
        return 0
    columns = [str(row[1]) for row in db.execute(f"PRAGMA table_info({table})") if str(row[1]) in there]
    if not columns:
        return 0
    is_newer = ""
    if "rev" in columns and "id" in columns:
        is_newer = f" WHERE NOT EXISTS (SELECT 1 FROM {table} WHERE id = :id AND rev > :rev)"
    names, marks = ", ".join(columns), ", ".join(f":{name}" for name in columns)
    insert = f"INSERT OR REPLACE INTO {table} ({names}) SELECT {marks}{is_newer}"
    taken = 0
    for row in _readable_rows(old, table, columns):
        try:
            db.execute(insert, dict(zip(columns, row, strict=True)))
            taken += 1
        except apsw.Error:
            continue  # damage has changed a value beyond what the column accepts
    return taken


def _readable_rows(old: apsw.Connection, table: str, columns: Sequence[str]) -> Iterator[tuple[object, ...]]:
    """Rows from both ends of the table, up to where the damage is."""
    for order in ("", " ORDER BY rowid DESC"):
        try:
            yield from old.execute(f"SELECT {', '.join(columns)} FROM {table}{order}")
            return
        except _BAD:
            continue


def _drop_orphans(db: apsw.Connection) -> None:
    """Delete rows that reference a row which could not be read."""
    while orphans := list(db.execute("PRAGMA foreign_key_check")):
        for table, rowid, *_ in orphans:
            if rowid is None:  # a table without rowids: empty it, so that the database is consistent
                db.execute(f"DELETE FROM {table}")
            else:
                db.execute(f"DELETE FROM {table} WHERE rowid = ?", (rowid,))


def _floor(db: apsw.Connection, replaced: Path, now_us: int) -> int:
    """A value above every counter that was given since the copy was made: seconds since 2026 (no counter
    rises faster), or _SKIP above the earlier floors if the clock was set back."""
    witness = read_witness(replaced.parent)
    earlier = counter_floor(db), int(fact_of(replaced, FLOOR) or 0), witness.floor if witness else 0
    return max((now_us - _FLOOR_FROM_US) // 1_000_000, max(earlier) + _SKIP)


def _raise_revs(db: apsw.Connection, floor: int) -> None:
    """Give every row that has a `rev` one that no row of the lost time had."""
    for table in _tables(db):
        if any(column[1] == "rev" for column in db.execute(f"PRAGMA table_info({table})")):
            db.execute(f"UPDATE {table} SET rev = max(rev, ?) + 1", (floor,))


def _begin_anew(
    draft: Path, replaced: Path, report: RescueReport, witness: Witness | None, now_us: int
) -> None:
    db = connect(draft, _FLAGS)
    try:
        head = int(db.execute("SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'journal'").get)
        head = max(head, witness.head if witness is not None else 0) + _SKIP
        db.execute("BEGIN IMMEDIATE")
        db.execute("INSERT OR REPLACE INTO meta VALUES ('epoch', ?)", (secrets.token_hex(8),))
        db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (FLOOR, str(_floor(db, replaced, now_us))))
        _raise_revs(db, counter_floor(db))
        db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (RESCUED, json.dumps(asdict(report))))
        db.execute("DELETE FROM journal")
        db.execute("DELETE FROM sqlite_sequence WHERE name = 'journal'")
        db.execute("INSERT INTO sqlite_sequence VALUES ('journal', ?)", (head,))
        Tx(db, now_us).append(RESCUED, "site", {"reason": report.reason, "snapshot": report.snapshot})
        db.execute("COMMIT")
    finally:
        db.close()
    descriptor = os.open(draft, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
