"""The view a closure has of the database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from appliance.kernel.migrate import migrate
from appliance.kernel.schema import KERNEL_SCHEMA
from appliance.kernel.tx import Tx

NOW_US = 1_000_000


@pytest.fixture
def tx(tmp_path: Path) -> Iterator[Tx]:
    db = apsw.Connection(":memory:")
    migrate(db, KERNEL_SCHEMA)
    db.execute(
        "CREATE TABLE things (id TEXT PRIMARY KEY, name TEXT, rev INTEGER DEFAULT 1, updated_us INTEGER)"
    )
    yield Tx(db, NOW_US)
    db.close()


def test_rows_come_as_dicts_and_absence_as_none(tx: Tx) -> None:
    assert tx.all("SELECT * FROM things") == []
    assert tx.one("SELECT * FROM things") is None
    assert tx.value("SELECT name FROM things") is None
    tx.insert("things", {"id": "a", "name": "A"})
    assert tx.all("SELECT id, name FROM things") == [{"id": "a", "name": "A"}]
    assert tx.value("SELECT name FROM things WHERE id = :id", {"id": "a"}) == "A"


def test_the_first_of_several_rows_and_columns_counts(tx: Tx) -> None:
    tx.insert("things", {"id": "a", "name": "A"})
    tx.insert("things", {"id": "b", "name": "B"})
    sql = "SELECT id, name FROM things ORDER BY id"
    assert (tx.one(sql), tx.value(sql)) == ({"id": "a", "name": "A"}, "a")


@pytest.mark.parametrize("floor", [0, 7])
def test_a_row_that_is_created_begins_above_the_floor(tx: Tx, floor: int) -> None:
    tx.floor = floor
    tx.create("things", {"id": "a", "name": "A"})
    assert tx.value("SELECT rev FROM things") == floor + 1
    tx.create("things", {"id": "b", "name": "B", "rev": 3})
    assert tx.value("SELECT rev FROM things WHERE id = 'b'") == 3, "a rev that is given counts"


def test_many_rows_are_created_as_one_by_one(tx: Tx) -> None:
    tx.floor = 7
    rows = [{"id": f"{number:03}", "name": None if number % 2 else "N"} for number in range(97)]
    tx.create_many("things", rows)
    tx.create_many("things", [])
    stored = tx.all("SELECT id, name, rev FROM things ORDER BY id")
    assert stored == [{**row, "rev": 8} for row in rows]
    with pytest.raises(apsw.ConstraintError):
        tx.create_many("things", [{"id": "new", "name": "N"}, rows[0]])


def test_update_counts_the_rev_and_dates_the_row(tx: Tx) -> None:
    tx.insert("things", {"id": "a", "name": "A"})
    tx.update("things", "a", {"name": "B"})
    tx.update("things", "a", {})
    assert tx.one("SELECT name, rev, updated_us FROM things") == {"name": "B", "rev": 3, "updated_us": NOW_US}


def test_updated_is_the_row_as_it_would_be_read(tx: Tx) -> None:
    tx.insert("things", {"id": "a", "name": "A"})
    row = tx.one("SELECT * FROM things")
    assert row is not None
    assert tx.updated("things", row, {"name": "B"}) == tx.one("SELECT * FROM things")
    assert row["name"] == "A"


def test_run_returns_how_many_rows_changed(tx: Tx) -> None:
    tx.insert("things", {"id": "a", "name": "A"})
    tx.insert("things", {"id": "b", "name": "B"})
    assert tx.run("UPDATE things SET name = 'C'") == 2
    assert tx.run("UPDATE things SET name = 'C' WHERE id = 'z'") == 0


def test_append_hands_out_rising_seqs_and_keeps_the_entries_for_publishing(tx: Tx) -> None:
    assert tx.head() == 0
    assert [tx.append("clip_created", f"clip:{n}", {"n": n}) for n in range(3)] == [1, 2, 3]
    assert [(entry.seq, entry.subject) for entry in tx.entries] == [
        (1, "clip:0"),
        (2, "clip:1"),
        (3, "clip:2"),
    ]
    assert tx.head() == 3
