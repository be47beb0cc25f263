"""The connection that writes to SQLite, as a batch uses it.

Owns: which of SQLite's errors end a closure, the batch or the daemon. Must not know: when a batch is made,
threads, which file the connection has open.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import apsw

from appliance.kernel.batch import StoreBroken, StoreFull, StoreReadOnly, WriteRequest
from appliance.kernel.clock import Clock
from appliance.kernel.errors import Unavailable
from appliance.kernel.tx import Tx

# After these errors the connection cannot be trusted: the whole batch fails and the daemon ends.
FATAL = (apsw.IOError, apsw.CorruptError, apsw.NotADBError, apsw.NoMemError, apsw.InternalError)


class SqliteWriter:
    """batch.Writer. `floor` is Tx's."""

    __slots__ = ("_clock", "_db", "_execute", "_floor")

    def __init__(self, db: apsw.Connection, clock: Clock, floor: int = 0) -> None:
        self._db = db
        self._execute = db.execute
        self._clock = clock
        self._floor = floor

    def begin(self) -> None:
        self._execute("BEGIN IMMEDIATE")

    def start(self) -> Tx:
        self._execute("SAVEPOINT request")
        return Tx(self._db, self._clock.now_us(), self._floor)

    def keep(self) -> None:
        self._execute("RELEASE request")

    def undo(self) -> None:
        self._execute("ROLLBACK TO request")
        self._execute("RELEASE request")

    def is_sound(self) -> bool:
        return not self._db.get_autocommit()

    def can_undo(self) -> bool:
        return not self._db.get_autocommit()

    def spoils(self, error: BaseException) -> bool:
        """SQLITE_FULL and SQLITE_NOMEM may roll back the whole batch."""
        return isinstance(error, FATAL) or (isinstance(error, apsw.Error) and self._db.get_autocommit())

    def refusal(self, error: BaseException) -> BaseException:
        return StoreFull() if isinstance(error, apsw.FullError) else error

    def commit(self) -> None:
        self._execute("COMMIT")

    def rollback(self) -> None:
        if not self._db.get_autocommit():
            try:
                self._execute("ROLLBACK")
            except apsw.Error:
                pass  # SQLite had already rolled back


def meaning(error: BaseException) -> tuple[BaseException, BaseException | None]:
    """(what the callers of a failed batch get, the error that must end the daemon or None)."""
    if isinstance(error, apsw.FullError):
        return StoreFull(), None
    if isinstance(error, apsw.ReadOnlyError):
        return StoreReadOnly(str(error)), None
    if isinstance(error, apsw.BusyError):
        detail = f"the database cannot be written: {error}"
        return Unavailable("storage_unavailable", detail, "see `appliance doctor`"), None
    if isinstance(error, apsw.Error):
        return StoreBroken(str(error)), error
    return error, None


def refuse_changes(
    db: apsw.Connection, batch: Sequence[WriteRequest[Any]], clock: Clock, refuse: Callable[[], Unavailable]
) -> None:
    """For a disk that cannot be written: a closure that only reads is answered, all others are refused."""
    for request in batch:
        before = db.total_changes()
        db.execute("BEGIN")
        try:
            request.value = request.closure(Tx(db, clock.now_us()))
        except BaseException as error:  # noqa: BLE001  passed to the caller
            request.error = error
        finally:
            if not db.get_autocommit():
                db.execute("ROLLBACK")
        if db.total_changes() != before:
            request.value, request.error = None, refuse()
