"""What a closure works with on PostgreSQL, and the numbers and rows of a batch's journal entries.

Owns: giving seqs. They are counted here while the batch holds the journal's head row, and written with the
entries at the end of the batch; a statement that names the journal finds those of its batch written.
"""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

import psycopg

from appliance.kernel.postgres.connection import PostgresConnection, Rows
from appliance.kernel.tx import ReadTx, Tx

_INSERT = """
INSERT INTO journal (seq, ts_us, type, subject, session_id, body)
SELECT * FROM unnest(%s::bigint[], %s::bigint[], %s::text[], %s::text[], %s::text[], %s::text[])
"""
_INSERT_NOW = "INSERT INTO journal (seq, ts_us, type, subject, session_id, body) VALUES "
Entry = tuple[int, int, str, str, str | None, str]


class EntriesState(NamedTuple):
    """A state of `Entries` to return to: how many there were, and how many of them were written."""

    entries: int
    written: int


class Entries:
    """The journal entries of one batch. `head`: the newest seq given."""

    def __init__(self, head: int) -> None:
        self.head = self.first_head = head
        self._rows: list[Entry] = []
        self._written = 0

    def add(self, ts_us: int, type_: str, subject: str, session_id: str | None, body: str) -> int:
        self.head += 1
        self._rows.append((self.head, ts_us, type_, subject, session_id, body))
        return self.head

    def mark(self) -> EntriesState:
        return EntriesState(len(self._rows), self._written)

    def back_to(self, mark: EntriesState) -> None:
        """A savepoint of then was rolled back: with it whatever was written since."""
        self.head = self.first_head + mark.entries
        del self._rows[mark.entries :]
        self._written = mark.written

    @property
    def are_written(self) -> bool:
        return self._written == len(self._rows)

    def write(self, connection: PostgresConnection) -> None:
        """Insert those that are not in the table yet."""
        rows = self._rows[self._written :]
        if rows:
            connection.run(_INSERT, [list(column) for column in zip(*rows, strict=True)])
            self._written = len(self._rows)

    def insertion(self, connection: PostgresConnection) -> str:
        """The statement that inserts those that are not in the table yet, to be sent with others in one
        exchange; "": there are none."""
        rows = [
            f"({seq},{ts_us},{','.join(map(connection.literal, texts))})"
            for seq, ts_us, *texts in self._rows[self._written :]
        ]
        return f"{_INSERT_NOW}{','.join(rows)};" if rows else ""


class BatchConnection:
    """tx.Database of a write transaction: the journal's rows are there when a statement asks for them."""

    def __init__(self, connection: PostgresConnection, entries: Entries) -> None:
        self._connection = connection
        self._entries = entries
        self.changes = connection.changes

    def execute(self, statements: str, bindings: Any = (), /) -> Rows:
        if not self._entries.are_written and "journal" in statements:
            self._entries.write(self._connection)
        return self._connection.execute(statements, bindings)


class _Described:
    """Column names come with every answer here, and may change: a newer process may add columns meanwhile."""

    __slots__ = ()

    def _columns_of(self, sql: str, cursor: Any) -> list[str] | None:
        return [column.name for column in cursor.get_description()]


class PostgresReadTx(_Described, ReadTx):
    """A read transaction. Its first statement has read the journal's head: rows and `as_of_seq` agree."""

    __slots__ = ("_head",)

    def __init__(self, db: PostgresConnection, now_us: int, head: int) -> None:
        super().__init__(db, now_us)
        self._head = head

    def head(self) -> int:
        return self._head


class PostgresTx(_Described, Tx):
    """A write transaction: one savepoint of the batch."""

    __slots__ = ("_batch",)

    errors: ClassVar[type[BaseException]] = psycopg.Error

    def __init__(self, db: BatchConnection, now_us: int, entries: Entries) -> None:
        super().__init__(db, now_us)
        self._batch = entries

    def head(self) -> int:
        return self._batch.head

    def _insert_entry(self, type_: str, subject: str, session_id: str | None, body: bytes) -> int:
        for text in (type_, subject, session_id or ""):
            if "\0" in text:
                raise ValueError("NUL is not text")
            text.encode()  # a lone surrogate is not text either; at the end it would fail the whole batch
        return self._batch.add(self.now_us, type_, subject, session_id, body.decode())

    def _mark(self) -> Any:
        return len(self.entries), self._batch.mark()

    def _undo_part(self, mark: Any) -> None:
        count, batch = mark
        super()._undo_part(count)
        self._batch.back_to(batch)
