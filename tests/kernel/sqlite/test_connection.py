"""One connection: its pragmas, copies and close."""

from __future__ import annotations

from pathlib import Path

import apsw

from appliance.kernel.sqlite import connection

FLAGS = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE


def test_every_connection_logs_ahead_and_syncs_fully(tmp_path: Path) -> None:
    db = connection.connect(tmp_path / "x.db", FLAGS)
    assert db.pragma("journal_mode") == "wal" and db.pragma("synchronous") == 2
    assert db.pragma("foreign_keys") == 1
    connection.close(db)


def test_a_backup_holds_what_was_committed(tmp_path: Path) -> None:
    db = connection.connect(tmp_path / "x.db", FLAGS)
    db.execute("CREATE TABLE t (a); INSERT INTO t VALUES (1)")
    connection.backup(connection.connect(tmp_path / "x.db", FLAGS), tmp_path / "copy.db")
    connection.close(db)
    copy = apsw.Connection(str(tmp_path / "copy.db"))
    assert copy.execute("SELECT a FROM t").get == 1
    copy.close()


def test_a_folder_with_room_is_not_full(tmp_path: Path) -> None:
    assert not connection.is_full(tmp_path)
