"""One transaction for many callers: each closure has its own savepoint, all are answered together.

Owns: what a failed closure or a failed transaction means for every caller of the batch. Must not know: when a
batch is made, threads, which file the connection has open.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import apsw
import trio

from appliance.kernel.clock import Clock
from appliance.kernel.errors import Unavailable
from appliance.kernel.journal import Entry
from appliance.kernel.tx import Tx

T = TypeVar("T")

# After these errors the connection cannot be trusted: the whole batch fails and the daemon ends.
FATAL = (apsw.IOError, apsw.CorruptError, apsw.NotADBError, apsw.NoMemError, apsw.InternalError)


class StoreBroken(Exception):
    """The database can no longer be trusted to commit; the daemon must end (fsync errors are not retried)."""


class StoreFull(Unavailable):
    """The disk is full: nothing of the batch was written."""

    def __init__(self) -> None:
        super().__init__(
            "storage_full", "the disk of the database is full", "free space on the state disk", 507
        )


class StoreReadOnly(Unavailable):
    """The disk of the database cannot be written: nothing was changed."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            "storage_read_only",
            f"the state disk cannot be written: {reason}",
            "tablets keep their marks and send them again; repair or replace the disk",
        )


class _LostTransaction(Unavailable):
    """SQLite rolled the whole transaction back by itself, and a closure swallowed the error."""

    def __init__(self) -> None:
        super().__init__("storage_unavailable", "the transaction was rolled back", "see `appliance doctor`")


@dataclass(slots=True)
class WriteRequest(Generic[T]):
    """One waiting closure; `done` is set once `value` or `error` holds its outcome."""

    closure: Callable[[Tx], T]
    done: trio.Event = field(default_factory=trio.Event)
    value: T | None = None
    error: BaseException | None = None
    entries: list[Entry] = field(default_factory=list)

    def result(self) -> T:
        """What the closure returned; raises what it raised. Call once."""
        error, self.error = self.error, None
        if error is None:
            return self.value  # type: ignore[return-value]  # set whenever error is None
        try:
            raise error
        finally:
            del error  # breaks the reference cycle frame - error - request


def commit(
    db: apsw.Connection, batch: Sequence[WriteRequest[Any]], clock: Clock, floor: int = 0
) -> BaseException | None:
    """Run and commit the whole batch. Blocks. Returns the error that must end the daemon, or None. `floor` is
    Tx's."""
    try:
        db.execute("BEGIN IMMEDIATE")
        for request in batch:
            _perform(db, request, Tx(db, clock.now_us(), floor))
        db.execute("COMMIT")
    except BaseException as error:  # noqa: BLE001  passed to every caller of the batch
        return _fail_all(db, batch, error)
    return None


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


def _perform(db: apsw.Connection, request: WriteRequest[Any], tx: Tx) -> None:
    db.execute("SAVEPOINT request")
    try:
        request.value = request.closure(tx)
    except BaseException as error:
        if isinstance(error, FATAL):
            raise
        if db.get_autocommit():  # SQLITE_FULL and SQLITE_NOMEM roll back the whole batch
            if isinstance(error, apsw.Error):
                raise
            raise _LostTransaction from error
        request.error = StoreFull() if isinstance(error, apsw.FullError) else error
        db.execute("ROLLBACK TO request")
    else:
        if db.get_autocommit():
            raise _LostTransaction
        request.entries = tx.entries
    db.execute("RELEASE request")


def _fail_all(
    db: apsw.Connection, batch: Sequence[WriteRequest[Any]], error: BaseException
) -> BaseException | None:
    if not db.get_autocommit():
        try:
            db.execute("ROLLBACK")
        except apsw.Error:
            pass  # SQLite had already rolled back
    shown: BaseException = error
    fatal: BaseException | None = None
    if isinstance(error, apsw.FullError):
        shown = StoreFull()
    elif isinstance(error, apsw.ReadOnlyError):
        shown = StoreReadOnly(str(error))
    elif isinstance(error, apsw.BusyError):
        shown = Unavailable(
            "storage_unavailable", f"the database cannot be written: {error}", "see `appliance doctor`"
        )
    elif isinstance(error, apsw.Error):
        fatal = error
        shown = StoreBroken(str(error))
    for request in batch:
        request.entries = []
        request.value = None
        request.error = shown
    return fatal
