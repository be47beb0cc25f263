"""The schema's version: it only rises, and no step is applied to another program's file."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest

from appliance.kernel.migrate import WrongDatabase, migrate, require_safe_sqlite
from appliance.kernel.schema import KERNEL_SCHEMA, numbered


def schema(directory: Path, *files: tuple[str, str]) -> Path:
    directory.mkdir(exist_ok=True)
    for name, sql in files:
        (directory / name).write_text(sql)
    return directory


def not_strict(db: apsw.Connection) -> list[str]:
    tables = [row for row in db.execute("PRAGMA table_list") if row[2] == "table"]
    return [name for _, name, *_, strict in tables if not strict and not name.startswith("sqlite_")]


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


def test_the_kernels_own_tables_are_strict() -> None:
    db = apsw.Connection(":memory:")
    migrate(db, KERNEL_SCHEMA)
    assert not_strict(db) == []
    assert db.pragma("user_version") == numbered(KERNEL_SCHEMA)[-1][0]


@pytest.mark.parametrize(
    ("names", "text"),
    [(("0002_b.sql",), "numbered 0001"), ((), "numbered 0001"), (("0001_a.sql", "0001_b.sql"), "alike")],
)
def test_a_folder_without_a_beginning_or_with_two_files_of_a_number_is_refused(
    tmp_path: Path, names: tuple[str, ...], text: str
) -> None:
    with pytest.raises(WrongDatabase, match=text):
        numbered(schema(tmp_path, *((name, "") for name in names)))


def test_files_of_several_folders_are_applied_by_number_and_those_of_one_number_together(
    tmp_path: Path,
) -> None:
    kernel = schema(
        tmp_path / "kernel", FIRST, ("0004_last.sql", "INSERT INTO meta SELECT 'notes', a FROM notes;")
    )
    notes = schema(tmp_path / "notes", ("0002_notes.sql", "CREATE TABLE notes (a TEXT);"))
    words = schema(tmp_path / "words", ("0002_words.sql", "INSERT INTO notes VALUES ('of words');"))
    db = apsw.Connection(":memory:")
    migrate(db, kernel, notes, words)
    assert db.execute("SELECT value FROM meta WHERE key = 'notes'").get == "of words"
    assert db.pragma("user_version") == 4  # a removed domain had number 3
    migrate(db, kernel, notes, words)
    assert db.execute("SELECT count(*) FROM notes").get == 1


def test_all_steps_are_applied_or_none(tmp_path: Path) -> None:
    kernel = schema(tmp_path / "kernel", FIRST)
    notes = schema(tmp_path / "notes", ("0002_notes.sql", "CREATE TABLE notes (a TEXT);"))
    wrong = schema(tmp_path / "wrong", ("0002_wrong.sql", "CREATE TABEL oops;"))
    path = str(tmp_path / "box.db")
    db = apsw.Connection(path)
    with pytest.raises(apsw.SQLError):
        migrate(db, kernel, notes, wrong)
    db.close()
    again = apsw.Connection(path)
    assert again.pragma("user_version") == 0
    assert again.execute("SELECT count(*) FROM sqlite_schema").get == 0
    again.close()


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
