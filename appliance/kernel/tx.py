"""What a closure works with: it reads and writes rows and appends journal entries, all at one instant."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, Final, Protocol
from weakref import WeakKeyDictionary

import apsw

from appliance.kernel import json
from appliance.kernel.journal import Entry, event_bytes

Row = dict[str, Any]
Params = Iterable[Any] | Mapping[str, Any]


class Database(Protocol):
    """A connection, as far as a closure needs it: apsw's, or one with the same two methods."""

    def execute(self, statements: str, bindings: Any = (), /) -> Any:
        """Run it; the rows as an iterator of tuples, their columns by `get_description()`."""
        ...

    def changes(self) -> int:
        """Rows that the last statement changed."""
        ...


# Statements whose column names a connection remembers; asking SQLite for the names took as long as reading a
# row.
# A list has one statement for each combination of filters. The schema changes only before a connection is
# used.
_STATEMENTS: Final = 300
_ROWS_AT_ONCE: Final = (
    8  # of 38 columns: with more, the driver takes longer to read the statement than to wait
)
_columns = WeakKeyDictionary[apsw.Connection, dict[str, list[str]]]()


class ReadTx:
    """A read transaction. `now_us` is the time at which it was opened: box time, or the database's own where
    several processes share it."""

    __slots__ = ("db", "now_us")

    def __init__(self, db: Database, now_us: int) -> None:
        self.db = db
        self.now_us = now_us

    def all(self, sql: str, params: Params = ()) -> list[Row]:
        """Every row as a dict by column name."""
        cursor = self.db.execute(sql, params)
        names = self._columns_of(sql, cursor)
        if names is None:
            return []
        return [dict(zip(names, row, strict=True)) for row in cursor]

    def _columns_of(self, sql: str, cursor: Any) -> list[str] | None:
        """Names of the columns; None: the statement has returned nothing."""
        assert isinstance(self.db, apsw.Connection)
        known = _columns.setdefault(self.db, {})
        names = known.get(sql)
        if names is None:
            try:
                names = [column[0] for column in cursor.get_description()]
            except apsw.ExecutionCompleteError:
                return None
            if len(known) >= _STATEMENTS:
                known.clear()
            known[sql] = names
        return names

    def one(self, sql: str, params: Params = ()) -> Row | None:
        """The first row, or None."""
        rows = self.all(sql, params)
        return rows[0] if rows else None

    def value(self, sql: str, params: Params = ()) -> Any:
        """First column of the first row, or None."""
        for row in self.db.execute(sql, params):
            return row[0]
        return None

    def head(self) -> int:
        """Newest journal seq this transaction sees: the `as_of_seq` of what it reads."""
        return int(self.value("SELECT seq FROM sqlite_sequence WHERE name = 'journal'") or 0)


class Tx(ReadTx):
    """A write transaction: one savepoint of the writer's batch.

    `floor`: counters in rows (rev, media_rev) that begin now begin above it. It is 0 in a database that was
    never restored from a copy (kernel/rescue.py).
    """

    __slots__ = ("entries", "failures", "floor")

    errors: ClassVar[type[BaseException]] = apsw.Error
    """The database's own errors."""

    def __init__(self, db: Database, now_us: int, floor: int = 0) -> None:
        super().__init__(db, now_us)
        self.floor = floor
        self.entries: list[Entry] = []
        # the database's errors that left a `savepoint`, the first of each type
        self.failures: dict[type[BaseException], BaseException] = {}

    def run(self, sql: str, params: Params = ()) -> int:
        """Execute a change; returns the number of rows changed."""
        self.db.execute(sql, params)
        return self.db.changes()

    def insert(self, table: str, row: Mapping[str, Any]) -> None:
        """INSERT one row; keys are column names of our schema, never input."""
        columns = ", ".join(row)
        marks = ", ".join("?" * len(row))
        self.db.execute(f"INSERT INTO {table} ({columns}) VALUES ({marks})", tuple(row.values()))

    def create(self, table: str, row: Mapping[str, Any]) -> None:
        """`insert` for a table with a `rev`. A client may create again, with the same id, a row that a
        restore has lost: its revs must not be those that the lost row had."""
        self.insert(table, {"rev": self.floor + 1, **row})

    def create_many(self, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """`create` of rows with the same columns, some in a statement: where the database is another
        process, each statement waits for it."""
        for at in range(0, len(rows), _ROWS_AT_ONCE):
            some = [{"rev": self.floor + 1, **row} for row in rows[at : at + _ROWS_AT_ONCE]]
            columns = list(some[0])
            marks = ", ".join([f"({', '.join('?' * len(columns))})"] * len(some))
            values = [row[column] for row in some for column in columns]
            self.db.execute(f"INSERT INTO {table} ({', '.join(columns)}) VALUES {marks}", tuple(values))

    def update(self, table: str, row_id: str, changes: Mapping[str, Any]) -> None:
        """UPDATE the row with this id and increment its `rev`."""
        sets = "".join(f"{column} = ?, " for column in changes)
        self.db.execute(
            f"UPDATE {table} SET {sets} rev = rev + 1, updated_us = ? WHERE id = ?",
            (*changes.values(), self.now_us, row_id),
        )

    def updated(self, table: str, row: Row, changes: Mapping[str, Any]) -> Row:
        """`update` of a whole row, as it was last read in this transaction; returns what it is now, without
        reading it again."""
        self.update(table, row["id"], changes)
        return {**row, **changes, "rev": row["rev"] + 1, "updated_us": self.now_us}

    def append(
        self, type_: str, subject: str, body: Mapping[str, Any], *, session_id: str | None = None
    ) -> int:
        """Append one journal entry: `body` is the event's flat content without type, seq and ts.

        Published only after COMMIT. Returns its seq.
        """
        text = json.encode(body)
        seq = self._insert_entry(type_, subject, session_id, text)
        self.entries.append(
            Entry(seq, self.now_us, type_, subject, session_id, event_bytes(type_, seq, self.now_us, text))
        )
        return seq

    def _insert_entry(self, type_: str, subject: str, session_id: str | None, body: bytes) -> int:
        assert isinstance(self.db, apsw.Connection)
        self.db.execute(
            "INSERT INTO journal (ts_us, type, subject, session_id, body) VALUES (?, ?, ?, ?, ?)",
            (self.now_us, type_, subject, session_id, body.decode()),
        )
        return self.db.last_insert_rowid()

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Undo the changes of the block when it raises; the error propagates. For closures that go on with
        the next item of many. An error of the whole batch still fails the batch, also when it is caught; and
        one that is no item's fault, as of a full disk, still fails the closure."""
        mark = self._mark()
        self.db.execute("SAVEPOINT part")
        try:
            yield
        except BaseException as error:
            if isinstance(error, self.errors):
                self.failures.setdefault(type(error), error)
            self._undo_part(mark)
            raise
        self.db.execute("RELEASE part")

    def _mark(self) -> Any:
        """The number of journal entries so far, for `_undo_part`."""
        return len(self.entries)

    def _undo_part(self, mark: Any) -> None:
        try:
            self.db.execute("ROLLBACK TO part")
            self.db.execute("RELEASE part")
        except self.errors as error:  # the transaction is gone: so is everything in it
            self.failures.setdefault(type(error), error)
        del self.entries[mark:]
