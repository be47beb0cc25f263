"""The one SQLite database: one writer with group commit, readers of their own.

Owns: the connections, the transactions, the schema version. Callers send synchronous closures that do
no I/O; up to 256 waiting ones share one transaction with a SAVEPOINT each and are answered after COMMIT.
Must not know: any table but `meta` and `journal`.

Measured (scripts/bench store): synchronous=FULL costs 6 % of NORMAL's rate with group commit and loses
nothing at a power cut, where NORMAL lost acknowledged commits in 93 % of cuts.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

import apsw
import structlog
import trio

from appliance.kernel.backoff import Backoff
from appliance.kernel.clock import Clock
from appliance.kernel.errors import Unavailable
from appliance.kernel.journal import Entry, Journal
from appliance.kernel.migrate import SCHEMA_DIR, WrongDatabase, migrate, require_safe_sqlite
from appliance.kernel.tx import ReadTx, Tx

T = TypeVar("T")
log = structlog.get_logger("store")

BATCH_MAX = 256  # beyond this the last caller of a batch waits longer than a second batch would take
QUEUE_MAX = 1000  # waiting closures; full: the sender waits (policy: block)
COMMIT_LIMIT_S = 10.0  # a COMMIT this slow is a dead disk: end, let systemd restart and alarm
READERS = 3


class StoreBroken(Exception):
    """The database can no longer be trusted to commit; the daemon must end (fsync errors are not retried)."""


class StoreFull(Unavailable):
    """The disk is full: nothing of the batch was written."""

    def __init__(self) -> None:
        super().__init__(
            "storage_full", "the disk of the database is full", "free space on the state disk", 507
        )


@dataclass(slots=True)
class _Request(Generic[T]):
    closure: Callable[[Tx], T]
    done: trio.Event = field(default_factory=trio.Event)
    value: T | None = None
    error: BaseException | None = None
    entries: list[Entry] = field(default_factory=list)


class Store:
    """Handle to the database. `write` and `read` are all anybody needs."""

    def __init__(self, path: Path, clock: Clock, *, in_thread: bool = True, vfs: str | None = None) -> None:
        self.path = path
        self.clock = clock
        self.journal = Journal(self.read)
        self._in_thread = in_thread
        self._vfs = vfs
        self._send, self._receive = trio.open_memory_channel[_Request[Any]](QUEUE_MAX)
        self._writer_limiter = trio.CapacityLimiter(1)
        self._reader_limiter = trio.CapacityLimiter(READERS)
        self._reader_threads = trio.CapacityLimiter(READERS)
        self._readers: list[apsw.Connection] = []
        self._db: apsw.Connection | None = None

    async def write(self, closure: Callable[[Tx], T]) -> T:
        """Run `closure(tx)` inside the shared transaction; return its value once that is durable.

        Cancelling before the closure is queued leaves nothing behind. After that the wait is shielded (the
        one shield without deadline: the writer itself ends the daemon when a COMMIT takes over 10 s), so a
        live caller always learns the outcome.

        Raises whatever the closure raised (its savepoint is rolled back), StoreFull, or StoreBroken.
        """
        request = _Request(closure)
        try:
            await self._send.send(request)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            raise Unavailable("stopping", "the box is stopping", "try again in a moment") from None
        with trio.CancelScope(shield=True):
            await request.done.wait()
        if request.error is not None:
            raise request.error
        return request.value  # type: ignore[return-value]  # set whenever error is None

    async def insist(self, closure: Callable[[Tx], T]) -> T:
        """`write` for actors, whose change nobody waits for: a disk that is full or refuses is waited out.

        Raises what `write` raises, but Unavailable, which is tried again with growing pauses.
        """
        backoff = Backoff(base_s=0.2, cap_s=10.0)
        while True:
            try:
                return await self.write(closure)
            except Unavailable as error:
                pause_s = backoff.next_s()
                log.warning("write_put_off", reason=error.detail, again_s=round(pause_s, 1))
                await trio.sleep(pause_s)

    async def read(self, query: Callable[[ReadTx], T]) -> T:
        """Run `query(tx)` on a read-only connection, inside one read transaction."""
        async with self._reader_limiter:
            db = self._readers.pop() if self._readers else self._open_reader()
            try:
                found: T = await self._run(lambda: _read(db, query, self.clock), self._reader_threads)
                return found
            finally:
                self._readers.append(db)

    def queue_length(self) -> int:
        """Closures waiting for the writer."""
        return self._receive.statistics().current_buffer_used

    async def backup(self, target: Path) -> None:
        """Copy the live database to `target` (SQLite's online backup)."""
        await trio.to_thread.run_sync(lambda: _backup(self._open_reader(), target))

    # -- the writer ------------------------------------------------------------------------------

    def open(self) -> None:
        """Open or create the database, bring the schema up to date. Synchronous: nothing runs before it."""
        require_safe_sqlite()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._db = self._connect(apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE)
            migrate(self._db, SCHEMA_DIR)
        except (apsw.NotADBError, apsw.CorruptError, apsw.CantOpenError) as error:
            raise WrongDatabase(f"{self.path} cannot be opened: {error}") from error
        except (apsw.IOError, apsw.FullError, apsw.ReadOnlyError) as error:
            raise StoreBroken(
                f"{self.path} cannot be opened: {error}; is its disk full, read-only or broken?"
            ) from error
        self.journal.load(self._db)

    def _connect(self, flags: int) -> apsw.Connection:
        db = apsw.Connection(str(self.path), flags=flags, vfs=self._vfs)
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=5000"):
            for _ in db.execute(f"PRAGMA {pragma}"):
                pass
        return db

    def _open_reader(self) -> apsw.Connection:
        db = self._connect(apsw.SQLITE_OPEN_READWRITE)
        db.execute("PRAGMA query_only=ON")
        return db

    async def _run(self, call: Callable[[], Any], limiter: trio.CapacityLimiter) -> Any:
        """In a thread; simulated-time tests run it in the loop (a thread looks idle to trio's mock clock)."""
        if self._in_thread:
            return await trio.to_thread.run_sync(call, limiter=limiter)
        await trio.lowlevel.checkpoint()
        return call()

    async def _serve(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Commit batches until the sending end is closed; whoever is queued when it fails is told so."""
        task_status.started()
        try:
            with trio.CancelScope(shield=True):  # ends by close, which open_store always does
                async for first in self._receive:
                    await self._commit([first, *self._waiting(BATCH_MAX - 1)])
        finally:
            left = self._waiting(sys.maxsize)  # each receive lets a blocked sender in: until nobody is left
            self._receive.close()
            for request in left:
                request.error = StoreBroken("the database stopped before this was written")
                request.done.set()

    def _waiting(self, limit: int) -> list[_Request[Any]]:
        """Up to `limit` requests that are queued already."""
        batch: list[_Request[Any]] = []
        while len(batch) < limit:
            try:
                batch.append(self._receive.receive_nowait())
            except (trio.WouldBlock, trio.EndOfChannel):
                break
        return batch

    async def _commit(self, batch: list[_Request[Any]]) -> None:
        broken: BaseException | None = None
        with trio.CancelScope(shield=True), trio.move_on_after(COMMIT_LIMIT_S) as limit:
            if self._in_thread:
                broken = await trio.to_thread.run_sync(
                    self._commit_batch, batch, limiter=self._writer_limiter, abandon_on_cancel=True
                )
            else:
                broken = self._commit_batch(batch)
        if limit.cancelled_caught:
            self._db = None  # its thread may hang for ever; closing would wait for it
            late = StoreBroken(f"COMMIT took longer than {COMMIT_LIMIT_S} s; its outcome is unknown")
            for request in batch:
                request.error = late
                request.done.set()
            raise late
        self.journal.publish([entry for request in batch for entry in request.entries])
        for request in batch:
            request.done.set()
        if broken is not None:
            raise StoreBroken(str(broken)) from broken

    def _commit_batch(self, batch: Sequence[_Request[Any]]) -> BaseException | None:
        """One transaction for the whole batch, in the writer's thread. Returns what must end the daemon."""
        db = self._db
        assert db is not None
        try:
            db.execute("BEGIN IMMEDIATE")
            for request in batch:
                _perform(db, request, self.clock.now_us())
            db.execute("COMMIT")
        except BaseException as error:  # noqa: BLE001  handed to every caller of the batch, none is told yes
            return _fail_all(db, batch, error)
        return None


# After these the connection's word is no longer good: the batch fails whole and the daemon ends.
_FATAL = (apsw.IOError, apsw.CorruptError, apsw.NotADBError, apsw.NoMemError, apsw.InternalError)


class _LostTransaction(Unavailable):
    """SQLite rolled the whole transaction back by itself, and a closure hid why."""

    def __init__(self) -> None:
        super().__init__("storage_unavailable", "the transaction was rolled back", "see `appliance doctor`")


def _perform(db: apsw.Connection, request: _Request[Any], now_us: int) -> None:
    tx = Tx(db, now_us)
    db.execute("SAVEPOINT request")
    try:
        request.value = request.closure(tx)
    except BaseException as error:
        if isinstance(error, _FATAL):
            raise
        if db.get_autocommit():  # FULL and NOMEM undo the whole batch
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
    db: apsw.Connection, batch: Sequence[_Request[Any]], error: BaseException
) -> BaseException | None:
    if not db.get_autocommit():
        try:
            db.execute("ROLLBACK")
        except apsw.Error:
            pass  # SQLite had already rolled back
    told: BaseException = error
    fatal: BaseException | None = None
    if isinstance(error, apsw.FullError):
        told = StoreFull()
    elif isinstance(error, apsw.ReadOnlyError | apsw.BusyError):
        told = Unavailable(
            "storage_unavailable", f"the database cannot be written: {error}", "see `appliance doctor`"
        )
    elif isinstance(error, apsw.Error):
        fatal = error
        told = StoreBroken(str(error))
    for request in batch:
        request.entries = []
        request.value = None
        request.error = told
    return fatal


def _read(db: apsw.Connection, query: Callable[[ReadTx], T], clock: Clock) -> T:
    db.execute("BEGIN")
    try:
        return query(ReadTx(db, clock.now_us()))
    finally:
        if not db.get_autocommit():  # an I/O error may have ended it already
            db.execute("ROLLBACK")


def _backup(source: apsw.Connection, target: Path) -> None:
    destination = apsw.Connection(str(target))
    try:
        with destination.backup("main", source, "main") as copy:
            copy.step()
    finally:
        destination.close()
        source.close()


@asynccontextmanager
async def open_store(
    path: Path, clock: Clock, *, in_thread: bool = True, vfs: str | None = None
) -> AsyncIterator[Store]:
    """The store for the length of the block. On leaving, queued closures are finished first."""
    store = Store(path, clock, in_thread=in_thread, vfs=vfs)
    store.open()
    try:
        async with trio.open_nursery() as nursery:
            await nursery.start(store._serve)
            try:
                yield store
            finally:
                store._send.close()
    finally:
        for db in [*store._readers, *([store._db] if store._db else [])]:
            db.close()
