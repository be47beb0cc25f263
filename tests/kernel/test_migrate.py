"""The schema's version: only upward, numbered without gaps, and never applied to a foreign file."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest

from appliance.kernel.migrate import SCHEMA_DIR, WrongDatabase, migrate, numbered, require_safe_sqlite


def schema(directory: Path, *files: tuple[str, str]) -> Path:
    directory.mkdir(exist_ok=True)
    for name, sql in files:
        (directory / name).write_text(sql)
    return directory


FIRST = ("0001_kernel.sql", "CREATE TABLE meta (key TEXT, value TEXT);")


@pytest.mark.parametrize(
    ("version", "safe"),
    [
        ("3.40.1", False),
        ("3.44.5", False),
        ("3.44.6", True),
        ("3.50.6", False),
        ("3.50.7", True),
        ("3.51.2", False),
        ("3.51.3", True),
        ("3.53.0", True),
        ("3.54.1", True),
        ("4.0.0", False),
    ],
)
def test_sqlite_with_the_wal_reset_bug_is_refused(version: str, safe: bool) -> None:
    if safe:
        require_safe_sqlite(version)
    else:
        with pytest.raises(WrongDatabase, match="WAL"):
            require_safe_sqlite(version)


def test_the_sqlite_we_run_on_is_safe() -> None:
    require_safe_sqlite()


def test_the_shipped_schema_is_numbered_and_every_table_is_strict() -> None:
    db = apsw.Connection(":memory:")
    migrate(db, SCHEMA_DIR)
    assert db.pragma("user_version") == len(numbered(SCHEMA_DIR))
    tables = {
        name: strict for _, name, kind, _, _, strict in db.execute("PRAGMA table_list") if kind == "table"
    }
    ours = {name: strict for name, strict in tables.items() if not name.startswith("sqlite_")}
    assert len(ours) >= 10
    assert [name for name, strict in ours.items() if not strict] == []


@pytest.mark.parametrize(
    "names", [("0001_a.sql", "0003_c.sql"), ("0002_b.sql",), ("0001_a.sql", "0001_b.sql")]
)
def test_a_gap_or_a_duplicate_number_is_refused(tmp_path: Path, names: tuple[str, ...]) -> None:
    with pytest.raises(WrongDatabase, match="numbered"):
        numbered(schema(tmp_path, *((name, "") for name in names)))


def test_each_file_is_applied_once(tmp_path: Path) -> None:
    db = apsw.Connection(":memory:")
    directory = schema(tmp_path, FIRST)
    migrate(db, directory)
    epoch = db.execute("SELECT value FROM meta WHERE key = 'epoch'").get
    schema(tmp_path, ("0002_more.sql", "CREATE TABLE more (id INTEGER); INSERT INTO more VALUES (1);"))
    migrate(db, directory)
    migrate(db, directory)
    assert db.execute("SELECT count(*) FROM more").get == 1
    assert db.execute("SELECT value FROM meta WHERE key = 'epoch'").get == epoch


def test_a_broken_migration_changes_nothing(tmp_path: Path) -> None:
    path = str(tmp_path / "box.db")
    db = apsw.Connection(path)
    directory = schema(tmp_path / "schema", FIRST)
    migrate(db, directory)
    schema(directory, ("0002_bad.sql", "CREATE TABLE half (id INTEGER); CREATE TABEL oops;"))
    with pytest.raises(apsw.SQLError):
        migrate(db, directory)
    db.close()
    again = apsw.Connection(path)
    assert again.pragma("user_version") == 1
    assert again.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'half'").get == 0
    again.close()


def test_a_newer_database_is_refused(tmp_path: Path) -> None:
    db = apsw.Connection(":memory:")
    migrate(db, schema(tmp_path, FIRST))
    db.pragma("user_version", 9)
    with pytest.raises(WrongDatabase, match="newer"):
        migrate(db, tmp_path)


@pytest.mark.parametrize("prepare", ["PRAGMA user_version = 3", "CREATE TABLE theirs (id INTEGER)"])
def test_another_programs_database_is_refused_untouched(tmp_path: Path, prepare: str) -> None:
    db = apsw.Connection(":memory:")
    db.execute(prepare)
    with pytest.raises(WrongDatabase, match="another program"):
        migrate(db, schema(tmp_path, FIRST))
    assert db.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'meta'").get == 0
