"""Which of SQLite's errors end a closure, a batch or the daemon."""

from __future__ import annotations

from collections.abc import Iterator

import apsw
import pytest

from appliance.kernel.batch import StoreBroken, StoreFull, StoreReadOnly
from appliance.kernel.errors import Unavailable
from appliance.kernel.sqlite.writer import SqliteWriter, meaning
from tests.kit.clock import HandClock


@pytest.fixture
def db() -> Iterator[apsw.Connection]:
    db = apsw.Connection(":memory:")
    db.execute("CREATE TABLE t (n INTEGER UNIQUE)")
    yield db
    db.close()


def test_a_closure_is_kept_or_undone_and_the_rest_committed(db: apsw.Connection) -> None:
    writer = SqliteWriter(db, HandClock())
    writer.begin()
    writer.start().run("INSERT INTO t VALUES (1)")
    writer.keep()
    writer.start().run("INSERT INTO t VALUES (2)")
    assert writer.is_sound() and writer.can_undo()
    writer.undo()
    writer.start().run("INSERT INTO t VALUES (3)")
    writer.keep()
    writer.commit()
    assert [n for (n,) in db.execute("SELECT n FROM t")] == [1, 3]
    writer.rollback()


@pytest.mark.parametrize(
    ("error", "when_open", "when_lost"),
    [
        (apsw.IOError("x"), True, True),
        (apsw.CorruptError("x"), True, True),
        (apsw.FullError("x"), False, True),
        (apsw.ConstraintError("x"), False, True),
        (ValueError("x"), False, False),
    ],
)
def test_an_error_belongs_to_the_batch_when_it_took_the_transaction_or_the_disk(
    db: apsw.Connection, error: Exception, when_open: bool, when_lost: bool
) -> None:
    writer = SqliteWriter(db, HandClock())
    writer.begin()
    assert writer.spoils(error) is when_open
    writer.rollback()
    assert writer.spoils(error) is when_lost


@pytest.mark.parametrize(
    ("error", "shown", "ends"),
    [
        (apsw.FullError("x"), StoreFull, False),
        (apsw.ReadOnlyError("x"), StoreReadOnly, False),
        (apsw.BusyError("x"), Unavailable, False),
        (apsw.IOError("x"), StoreBroken, True),
        (ValueError("x"), ValueError, False),
    ],
)
def test_what_callers_get_of_a_failed_batch(error: Exception, shown: type[Exception], ends: bool) -> None:
    given, fatal = meaning(error)
    assert type(given) is shown and (fatal is error) is ends
