"""The one SQLite database: one writer with group commit, and separate read connections.

Owns: the connections, the transactions, the schema version. Callers send synchronous closures that do no I/O;
up to 256 waiting ones share one transaction with a SAVEPOINT each and are answered after COMMIT. Must not
know: any table but `meta` and `journal`.

Measured (scripts/bench store): synchronous=FULL costs 6 % of NORMAL's rate with group commit and loses
nothing at a power cut, where NORMAL lost acknowledged commits in 93 % of cuts.
"""

from __future__ import annotations

import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

import apsw
import structlog
import trio

from appliance.kernel.batch import StoreBroken, StoreFull, StoreReadOnly, WriteRequest, commit, refuse_changes
from appliance.kernel.clock import Clock
from appliance.kernel.connection import backup, close, connect, fail, is_full, read
from appliance.kernel.errors import Unavailable
from appliance.kernel.journal import Entry, Journal
from appliance.kernel.migrate import WrongDatabase, counter_floor, migrate, require_safe_sqlite
from appliance.kernel.rescue import mark_suspect
from appliance.kernel.retry import Backoff
from appliance.kernel.schema import schema_folders
from appliance.kernel.state_disk import Copy, copy_database, discard_copy, refusal
from appliance.kernel.threads import in_thread
from appliance.kernel.tx import ReadTx, Tx
from appliance.kernel.witness import note_closed

T = TypeVar("T")
log = structlog.get_logger("store")

BATCH_MAX = 256  # above this, the last caller of a batch waits longer than for a second batch
QUEUE_MAX = 1000  # waiting closures; when full, senders wait (policy: block)
# seconds; a COMMIT this slow is a dead disk: end, so that systemd restarts the daemon and reports it
COMMIT_LIMIT_S = 10.0
READERS = 3
ATTACH_S = 1.0  # seconds between checks of a disk that could not be written

__all__ = ["Store", "StoreBroken", "StoreFull", "StoreReadOnly", "open_store"]


class FolderLock(Protocol):
    """The exclusive right to write to the state folder. It is released while the disk cannot be written, so
    that the disk can be unmounted and repaired while the box runs."""

    def release(self) -> None: ...

    def take(self) -> None:
        """Raises OSError while another process has it."""
        ...


class Store:
    """Handle to the database. Other modules use `write` and `read`."""

    def __init__(
        self,
        path: Path,
        clock: Clock,
        *,
        in_thread: bool = True,
        vfs: str | None = None,
        claim: FolderLock | None = None,
    ) -> None:
        self.path = path
        self._claim = claim
        self.clock = clock
        self.journal = Journal(self.read)
        self._in_thread = in_thread
        self._vfs = vfs
        self._send, self._receive = trio.open_memory_channel[WriteRequest[Any]](QUEUE_MAX)
        self._writer_limiter = trio.CapacityLimiter(1)
        self._reader_limiter = trio.CapacityLimiter(READERS)
        self._reader_threads = trio.CapacityLimiter(READERS)
        self._readers: list[tuple[int, apsw.Connection]] = []  # idle ones, with the generation of their file
        self._db: apsw.Connection | None = None
        self.floor = 0  # Tx's; only a restore changes it, and never while the database is open
        # the file that connections open: the database, or a copy while its disk cannot be written
        self._file = path
        self._copy: Copy | None = None  # the copy that `_file` is in meanwhile
        self._generation = 0
        self._tried_s = 0.0
        self._unpublished: list[Entry] = []  # committed before the file was changed, not yet published
        self.detached: str | None = None  # why the disk cannot be written; changes are refused meanwhile
        self._refuse: Callable[[], Unavailable] = StoreFull  # the error of a refused change meanwhile
        self.refused = ""  # why the newest change was refused; "" after one that was written

    async def write(self, closure: Callable[[Tx], T]) -> T:
        """Run `closure(tx)` inside the shared transaction; return its value once that is durable.

        Cancelling before the closure is queued has no effect on the database. After that the wait is shielded
        (the one shield without deadline: the writer itself ends the daemon when a COMMIT takes over 10 s), so
        a live caller always learns the outcome.

        Raises whatever the closure raised (its savepoint is rolled back), StoreFull, or StoreBroken.
        """
        request = WriteRequest(closure)
        try:
            await self._send.send(request)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            raise Unavailable("stopping", "the box is stopping", "try again in a moment") from None
        with trio.CancelScope(shield=True):
            await request.done.wait()
        return request.result()

    async def write_retrying(self, closure: Callable[[Tx], T]) -> T:
        """`write` for actors, whose changes have no client waiting: retries while the disk is full or
        read-only.

        Raises what `write` raises, except Unavailable, which is retried with growing pauses.
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
            generation, db = self._take_reader()
            try:
                result: T = await self._run(lambda: read(db, query, self.clock), self._reader_threads)
                return result
            except (apsw.CorruptError, apsw.NotADBError) as error:
                # ends the daemon; the next start repairs the database
                await self.write(partial(fail, error=error))
                raise
            except (apsw.IOError, apsw.CantOpenError) as error:
                raise Unavailable(
                    "storage_unavailable", f"the database cannot be read: {error}", "see `appliance doctor`"
                ) from error
            finally:
                self._readers.append((generation, db))

    def _take_reader(self) -> tuple[int, apsw.Connection]:
        while self._readers:
            generation, db = self._readers.pop()
            if generation == self._generation:
                return generation, db
            close(db)
        return self._generation, self._open_reader()

    def queue_length(self) -> int:
        """Closures waiting for the writer."""
        return self._receive.statistics().current_buffer_used

    async def backup(self, target: Path) -> None:
        """Copy the live database to `target` (SQLite's online backup)."""
        await in_thread(lambda: backup(self._open_reader(), target))

    # -- the writer ------------------------------------------------------------------------------

    def open(self) -> None:
        """Open or create the database and bring the schema up to date. Synchronous, and called before
        anything else."""
        require_safe_sqlite()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        is_there = self.path.exists()
        try:
            if is_there and self._vfs is None and (reason := refusal(self.path.parent)) is not None:
                self._detach(reason)
            else:
                self._db = self._connect(apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE)
                migrate(self._db, *schema_folders())
        except (apsw.NotADBError, apsw.CorruptError, apsw.CantOpenError) as error:
            raise WrongDatabase(f"{self.path} cannot be opened: {error}") from error
        except (apsw.IOError, apsw.FullError, apsw.ReadOnlyError, OSError) as error:
            self._detach_at_start(error, is_there)
        assert self._db is not None
        self.floor = counter_floor(self._db)
        self.journal.load(self._db)

    def _detach_at_start(self, error: Exception, is_there: bool) -> None:
        """Start with a copy when the disk lacks the few blocks that SQLite needs to open a database."""
        try:
            if not is_there or self._vfs is not None or self.detached is not None:
                raise error
            self._detach(str(error), is_full=is_full(self.path.parent))
        except (OSError, apsw.Error):
            raise StoreBroken(
                f"{self.path} cannot be opened: {error}; is its disk full, read-only or broken?"
            ) from error

    def _connect(self, flags: int) -> apsw.Connection:
        return connect(self._file, flags, self._vfs)

    def _open_reader(self) -> apsw.Connection:
        db = self._connect(apsw.SQLITE_OPEN_READWRITE)
        db.execute("PRAGMA query_only=ON")
        return db

    async def _run(self, call: Callable[[], Any], limiter: trio.CapacityLimiter) -> Any:
        """Run in a thread; simulated-time tests run it in the loop (a thread looks idle to trio's mock
        clock)."""
        if self._in_thread:
            return await in_thread(call, limiter=limiter)
        await trio.lowlevel.checkpoint()
        return call()

    async def _serve(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Commit batches until the sending end is closed; requests queued when a commit fails get an
        error."""
        task_status.started()
        try:
            with trio.CancelScope(shield=True):  # ends by close(), which open_store always calls
                async for first in self._receive:
                    await self._commit([first, *self._waiting(BATCH_MAX - 1)])
        finally:
            # each receive lets a blocked sender in: repeat until none is left
            left = self._waiting(sys.maxsize)
            self._receive.close()
            for request in left:
                request.error = StoreBroken("the database stopped before this was written")
                request.done.set()

    def _waiting(self, limit: int) -> list[WriteRequest[Any]]:
        """Up to `limit` requests that are already queued."""
        batch: list[WriteRequest[Any]] = []
        while len(batch) < limit:
            try:
                batch.append(self._receive.receive_nowait())
            except (trio.WouldBlock, trio.EndOfChannel):
                break
        return batch

    async def _commit(self, batch: list[WriteRequest[Any]]) -> None:
        broken: BaseException | None = None
        with trio.CancelScope(shield=True), trio.move_on_after(COMMIT_LIMIT_S) as limit:
            if self._in_thread:
                broken = await in_thread(
                    self._commit_batch, batch, limiter=self._writer_limiter, abandon_on_cancel=True
                )
            else:
                broken = self._commit_batch(batch)
        if limit.cancelled_caught:
            self._db = None  # its thread may hang forever, and closing would wait for it
            late = StoreBroken(f"COMMIT took longer than {COMMIT_LIMIT_S} s; its outcome is unknown")
            for request in batch:
                request.error = late
                request.done.set()
            raise late
        unpublished, self._unpublished = self._unpublished, []
        self.journal.publish([*unpublished, *(entry for request in batch for entry in request.entries)])
        for request in batch:
            request.done.set()
        if broken is not None:
            raise StoreBroken(str(broken)) from broken

    def _commit_batch(self, batch: Sequence[WriteRequest[Any]]) -> BaseException | None:
        """One transaction for the whole batch, in the writer's thread. Returns the error that must end the
        daemon."""
        if self.detached is not None and self._may_attach():
            self._attach()
        db = self._db
        assert db is not None
        if self.detached is not None:
            refuse_changes(db, batch, self.clock, self._refuse)
            return None
        before = db.total_changes()
        fatal = commit(db, batch, self.clock, self.floor)
        if isinstance(fatal, apsw.CorruptError | apsw.NotADBError):
            mark_suspect(self.path)
        refused = next(
            (request.error for request in batch if isinstance(request.error, StoreFull | StoreReadOnly)), None
        )
        if refused is not None:
            self.refused = refused.detail
        elif fatal is None and db.total_changes() != before:
            self.refused = ""
        if fatal is not None or isinstance(refused, StoreReadOnly):
            return self._detach_if_refused(batch, fatal)
        return None

    # -- a disk that cannot be written -------------------------------------------------------------

    def _detach_if_refused(
        self, batch: Sequence[WriteRequest[Any]], fatal: BaseException | None
    ) -> BaseException | None:
        """Continue with a copy when the cause is the disk; otherwise return `fatal` unchanged."""
        reason = refusal(self.path.parent)
        if reason is None:
            return fatal
        try:
            self._detach(reason)
        except (OSError, apsw.Error) as error:
            return fatal or error
        for request in batch:
            if isinstance(request.error, StoreBroken):
                request.error = StoreReadOnly(reason)
        return None

    def _detach(self, reason: str, *, is_full: bool = False) -> None:
        """Read from a copy and refuse changes from now on. Raises OSError, apsw.Error."""
        log.error("state_disk_cannot_be_written", reason=reason, hint="marks are refused until it is mended")
        copy = copy_database(self.path)
        try:
            self._use(copy.path)
        except BaseException:
            discard_copy(copy)
            raise
        self._copy = copy
        self.detached = self.refused = reason
        self._refuse = StoreFull if is_full else partial(StoreReadOnly, reason)
        self._tried_s = time.monotonic()
        if self._claim is not None:
            self._claim.release()

    def _may_attach(self) -> bool:
        """Whether the disk can be written again; checked once a second."""
        if time.monotonic() - self._tried_s < ATTACH_S:
            return False
        self._tried_s = time.monotonic()
        return refusal(self.path.parent) is None

    def _attach(self) -> None:
        """Return to the database itself. If it still fails, the copy stays in use."""
        try:
            if self._claim is not None:
                self._claim.take()
            self._use(self.path)
        except (OSError, apsw.Error, WrongDatabase) as error:
            log.warning("state_disk_still_refuses", reason=str(error))
            return
        self.detached, self.refused = None, ""
        self._discard_copy()
        log.warning("state_disk_can_be_written_again")

    def _discard_copy(self) -> None:
        if self._copy is not None:
            discard_copy(self._copy)
            self._copy = None

    def _use(self, file: Path) -> None:
        """Open `file` instead of the open one; read connections follow at their next use."""
        before, self._file = self._file, file
        try:
            db = self._connect(apsw.SQLITE_OPEN_READWRITE)
            migrate(db, *schema_folders())
        except BaseException:
            self._file = before
            raise
        old, self._db = self._db, db
        self._generation += 1
        if old is not None:
            close(old)
        self._unpublished = self.journal.missing(db)


@asynccontextmanager
async def open_store(
    path: Path,
    clock: Clock,
    *,
    in_thread: bool = True,
    vfs: str | None = None,
    claim: FolderLock | None = None,
) -> AsyncIterator[Store]:
    """The store for the length of the block. On leaving, queued closures are finished first.

    `claim` is held already; it is released while the disk cannot be written.
    """
    store = Store(path, clock, in_thread=in_thread, vfs=vfs, claim=claim)
    store.open()
    try:
        async with trio.open_nursery() as nursery:
            await nursery.start(store._serve)
            try:
                yield store
            finally:
                store._send.close()
    finally:
        for db in [*(reader for _, reader in store._readers), *([store._db] if store._db else [])]:
            close(db)
        note_closed(path)
        store._discard_copy()
