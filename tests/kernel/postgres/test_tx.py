"""The entries of a batch: numbers without gaps, whatever is rolled back, and written once."""

from __future__ import annotations

from typing import Any, cast

from appliance.kernel.postgres.connection import PostgresConnection
from appliance.kernel.postgres.tx import Entries


class Table:
    """Stands for the connection: keeps the seqs that were inserted."""

    def __init__(self) -> None:
        self.seqs: list[int] = []

    def run(self, sql: str, values: Any = None) -> None:
        assert sql.strip().startswith("INSERT INTO journal")
        self.seqs += values[0]


def add(entries: Entries, count: int) -> list[int]:
    return [entries.add(1, "type", "subject", None, "{}") for _ in range(count)]


def test_numbers_follow_the_head_and_are_given_again_after_a_rollback() -> None:
    entries = Entries(10)
    assert add(entries, 2) == [11, 12]
    mark = entries.mark()
    assert add(entries, 3) == [13, 14, 15]
    entries.back_to(mark)
    assert entries.head == 12 and add(entries, 1) == [13]
    entries.back_to(entries.mark())
    assert entries.head == 13


def test_each_is_written_once() -> None:
    entries, table = Entries(0), Table()
    connection = cast(PostgresConnection, table)
    entries.write(connection)
    assert table.seqs == []
    add(entries, 2)
    entries.write(connection)
    entries.write(connection)
    add(entries, 1)
    entries.write(connection)
    assert table.seqs == [1, 2, 3] and entries.are_written


def test_what_was_written_inside_a_savepoint_is_written_again_after_its_rollback() -> None:
    """Also entries from before the savepoint, whose rows were inserted inside it."""
    entries, table = Entries(0), Table()
    connection = cast(PostgresConnection, table)
    add(entries, 1)
    entries.write(connection)
    add(entries, 1)
    mark = entries.mark()
    add(entries, 1)
    entries.write(connection)
    assert table.seqs == [1, 2, 3]
    del table.seqs[1:]  # what the database does at ROLLBACK TO
    entries.back_to(mark)
    entries.write(connection)
    assert table.seqs == [1, 2]
