"""One transaction for many callers: each closure has its own savepoint, all are answered together.

Owns: what a failed closure or a failed transaction means for every caller of the batch. Must not know: when a
batch is made, threads, which database it is (`Writer` is what it needs of one).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

import trio

from appliance.kernel.errors import Unavailable
from appliance.kernel.journal import Entry
from appliance.kernel.tx import Tx

T = TypeVar("T")


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


class LostTransaction(Unavailable):
    """The database ended the whole transaction by itself, and a closure caught the error."""

    def __init__(self) -> None:
        super().__init__("storage_unavailable", "the transaction was rolled back", "see `appliance doctor`")


class CaughtError(Exception):
    """A closure caught an error of the database and returned: what it changed is rolled back."""


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


@dataclass(frozen=True, slots=True)
class BatchResult:
    """The result of a batch, in addition to the outcome that each request holds."""

    fatal: BaseException | None = None
    """The error that must end the daemon."""
    earlier: Sequence[Entry] = ()
    """Committed entries before the batch's own that were not published yet."""
    put_off: Sequence[WriteRequest[Any]] = ()
    """Requests at the end of the batch that were not run: they belong to the next one."""


class Writer(Protocol):
    """The connection that writes, as a batch uses it. Everything blocks, and raises the database's errors."""

    def begin(self) -> None: ...

    def start(self) -> Tx:
        """Set the savepoint of the next closure, and return what the closure works with."""
        ...

    def keep(self) -> None:
        """The closure has succeeded."""
        ...

    def undo(self) -> None:
        """Undo the closure, so that the next one can start."""
        ...

    def is_sound(self) -> bool:
        """The transaction is open and has not failed."""
        ...

    def can_undo(self) -> bool:
        """The transaction is open; it may have failed since the savepoint."""
        ...

    def spoils(self, error: BaseException) -> bool:
        """Whether the error belongs to the whole batch rather than to the closure that met it."""
        ...

    def refusal(self, error: BaseException) -> BaseException:
        """The closure's error as its caller gets it."""
        ...

    def commit(self) -> None:
        """Raises unless everything is committed."""
        ...

    def rollback(self) -> None:
        """End the transaction if it is open; never raises an error of the database."""
        ...


def transact(
    writer: Writer, batch: Sequence[WriteRequest[Any]], *, limit_s: float = 0.0, rehearse: bool = False
) -> int:
    """Run and commit the batch; returns how many of its requests were run. Blocks.

    `limit_s`: no further closure is started after this time; 0: no limit. `rehearse`: run the batch twice,
    the first time rolled back, to find closures that change something outside the database. Raises what
    belongs to the whole batch; the transaction is then still to be rolled back.
    """
    if rehearse:
        _run(writer, batch, limit_s)
        writer.rollback()
    count = _run(writer, batch, limit_s)
    writer.commit()
    return count


def fail(batch: Sequence[WriteRequest[Any]], error: BaseException) -> None:
    """Give every caller of the batch this error."""
    for request in batch:
        request.value, request.error, request.entries = None, error, []


def _run(writer: Writer, batch: Sequence[WriteRequest[Any]], limit_s: float) -> int:
    writer.begin()
    began_s, count = time.monotonic(), 0
    for request in batch:
        _perform(writer, request)
        count += 1
        if limit_s and time.monotonic() - began_s > limit_s:
            break
    return count


def _perform(writer: Writer, request: WriteRequest[Any]) -> None:
    tx = writer.start()
    try:
        request.value = request.closure(tx)
    except BaseException as error:
        _take_caught(writer, tx)
        if writer.spoils(error):
            raise
        if not writer.can_undo():
            raise LostTransaction from error
        _fail_one(writer, request, writer.refusal(error))
    else:
        caught = _take_caught(writer, tx)
        if caught is None and writer.is_sound():
            request.error, request.entries = None, tx.entries
            writer.keep()
        elif writer.can_undo():
            swallowed = CaughtError("the closure caught an error of the database")
            _fail_one(writer, request, caught or swallowed)
        else:
            raise LostTransaction


def _take_caught(writer: Writer, tx: Tx) -> Unavailable | None:
    """The error of the database's state that the closure has caught around a savepoint, as its caller gets
    it. Raises one that belongs to the whole batch."""
    if not tx.failures:
        return None
    failures, tx.failures = tx.failures, {}  # their tracebacks hold the transaction: no reference cycle
    for failure in failures.values():
        if writer.spoils(failure):
            raise failure
    refusals = [writer.refusal(failure) for failure in failures.values()]
    return next((each for each in refusals if isinstance(each, Unavailable)), None)


def _fail_one(writer: Writer, request: WriteRequest[Any], error: BaseException) -> None:
    request.value, request.error, request.entries = None, error, []
    writer.undo()
