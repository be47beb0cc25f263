"""The database: one writer with group commit, and reads beside it, whichever engine holds the rows.

Owns: the queue of waiting closures, the batches, when a caller is answered. Callers send synchronous closures
that do no I/O; waiting ones share one transaction with a SAVEPOINT each and are answered after COMMIT. Must
not know: SQL, connections, any table.
"""

from __future__ import annotations

import math
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

import structlog
import trio

from appliance.kernel.batch import BatchResult, StoreBroken, StoreFull, StoreReadOnly, WriteRequest
from appliance.kernel.clock import Clock
from appliance.kernel.errors import Unavailable
from appliance.kernel.journal import Journal
from appliance.kernel.retry import Backoff
from appliance.kernel.sqlite.engine import FolderLock, SqliteEngine
from appliance.kernel.threads import in_thread
from appliance.kernel.tx import ReadTx, Tx

T = TypeVar("T")
log = structlog.get_logger("store")

QUEUE_MAX = 1000  # waiting closures; when full, senders wait (policy: block)

__all__ = [
    "Engine",
    "FolderLock",
    "Store",
    "StoreBroken",
    "StoreFull",
    "StoreReadOnly",
    "open_store",
    "running_store",
]


class Engine(Protocol):
    """What a store needs of its database. Every method blocks; `read` is called by several threads at a time,
    `commit` by one."""

    @property
    def batch_max(self) -> int:
        """Closures that share a transaction."""
        ...

    @property
    def is_shared(self) -> bool:
        """Whether other processes write to the same database."""
        ...

    @property
    def readers(self) -> int:
        """Reads at a time."""
        ...

    @property
    def commit_limit_s(self) -> float:
        """A batch that lasts longer ends the daemon; infinite for an engine that has limits of its own."""
        ...

    @property
    def answers_within_s(self) -> float:
        """A write that was sent is answered by then, whatever the database does. When one is not, it is this
        process that hangs."""
        ...

    @property
    def damage(self) -> tuple[type[BaseException], ...]:
        """Errors of a read after which the daemon must end."""
        ...

    @property
    def detached(self) -> str | None:
        """Why the database cannot be written; changes are refused meanwhile."""
        ...

    @property
    def refused(self) -> str:
        """Why the newest change was refused; "" after one that was written."""
        ...

    def open(self, journal: Journal) -> None:
        """Bring the schema up to date and load the journal. Called before every other method."""
        ...

    def read(self, query: Callable[[ReadTx], T]) -> T:
        """Run a query inside one read transaction."""
        ...

    def commit(self, batch: Sequence[WriteRequest[Any]]) -> BatchResult:
        """One transaction for the batch, or for its beginning."""
        ...

    def abandon(self) -> None:
        """The thread of `commit` did not return within `commit_limit_s`."""
        ...

    def close(self) -> None: ...


class Store:
    """Handle to the database. Other modules use `write` and `read`."""

    def __init__(self, engine: Engine, clock: Clock, *, in_thread: bool = True) -> None:
        self.engine = engine
        self.clock = clock
        self.journal = Journal(self.read)
        self._in_thread = in_thread
        self._send, self._receive = trio.open_memory_channel[WriteRequest[Any]](QUEUE_MAX)
        self._writer_limiter = trio.CapacityLimiter(1)
        self._reader_limiter = trio.CapacityLimiter(engine.readers)
        self._reader_threads = trio.CapacityLimiter(engine.readers)

    @property
    def detached(self) -> str | None:
        """Why the database cannot be written; changes are refused meanwhile."""
        return self.engine.detached

    @property
    def refused(self) -> str:
        """Why the newest change was refused; "" after one that was written."""
        return self.engine.refused

    async def write(self, closure: Callable[[Tx], T]) -> T:
        """Run `closure(tx)` inside the shared transaction; return its value once that is durable. The closure
        may be run again, as if the first run had never been: it changes nothing outside `tx`.

        Cancelling before the closure is queued has no effect on the database. After that the wait is shielded
        (the one shield without deadline: the engine limits how long a COMMIT takes), so a live caller always
        learns the outcome.

        Raises whatever the closure raised (its savepoint is rolled back), Unavailable (StoreFull ...), or
        StoreBroken.
        """
        request = WriteRequest(closure)
        try:
            await self._send.send(request)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            raise Unavailable("stopping", "the box is stopping", "try again in a moment") from None
        with trio.CancelScope(shield=True):
            await request.done.wait()
        return request.result()

    async def write_retrying(self, closure: Callable[[Tx], T], again: Callable[[Tx], T] | None = None) -> T:
        """`write` for actors, whose changes have no client waiting: retries while the disk is full or
        read-only, or the database cannot be reached.

        The closure must tolerate that its effect has been made already: after a COMMIT that was not answered
        `write` raises Unavailable too, and the closure is then run once more on top of its own changes.
        `again`: run instead of it from the second time on, by a caller that must know what the first run did.

        Raises what `write` raises, except Unavailable, which is retried with growing pauses.
        """
        backoff = Backoff(base_s=0.2, cap_s=10.0)
        while True:
            try:
                return await self.write(closure)
            except Unavailable as error:
                closure = closure if again is None else again
                pause_s = backoff.next_s()
                log.warning("write_put_off", reason=error.detail, again_s=round(pause_s, 1))
                await trio.sleep(pause_s)

    async def read(self, query: Callable[[ReadTx], T]) -> T:
        """Run `query(tx)` on a read-only connection, inside one read transaction."""
        async with self._reader_limiter:
            try:
                result: T = await self._run(partial(self.engine.read, query), self._reader_threads)
                return result
            except self.engine.damage as error:
                # ends the daemon; the next start repairs the database
                await self.write(partial(_raise, error=error))
                raise

    def queue_length(self) -> int:
        """Closures waiting for the writer."""
        return self._receive.statistics().current_buffer_used

    # -- the writer ------------------------------------------------------------------------------

    async def _run(self, call: Callable[[], Any], limiter: trio.CapacityLimiter) -> Any:
        """Run in a thread; simulated-time tests run it in the loop (a thread looks idle to trio's mock
        clock)."""
        if self._in_thread:
            return await in_thread(call, limiter=limiter)
        await trio.lowlevel.checkpoint()
        return call()

    async def serve(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Commit batches until the sending end is closed; requests queued when a commit fails get an
        error."""
        task_status.started()
        batch: list[WriteRequest[Any]] = []
        try:
            with trio.CancelScope(shield=True):  # ends by stop(), which running_store always calls
                async for first in self._receive:
                    batch.append(first)
                    while batch:
                        batch += self._waiting(self.engine.batch_max - len(batch))
                        batch = await self._commit(batch)
        finally:
            # each receive lets a blocked sender in: repeat until none is left
            left = self._waiting(sys.maxsize)
            self._receive.close()
            for request in left:
                request.error = StoreBroken("the database stopped before this was written")
                request.done.set()

    def stop(self) -> None:
        """Refuse new closures; `serve` returns once the queued ones are answered."""
        self._send.close()

    def _waiting(self, limit: int) -> list[WriteRequest[Any]]:
        """Up to `limit` requests that are already queued."""
        batch: list[WriteRequest[Any]] = []
        while len(batch) < limit:
            try:
                batch.append(self._receive.receive_nowait())
            except (trio.WouldBlock, trio.EndOfChannel):
                break
        return batch

    async def _commit(self, batch: list[WriteRequest[Any]]) -> list[WriteRequest[Any]]:
        """Commit and answer; returns the requests that were put off."""
        result: BatchResult | None = None
        limit_s = self.engine.commit_limit_s
        with trio.CancelScope(shield=True), trio.move_on_after(limit_s):
            if self._in_thread:
                result = await in_thread(
                    self.engine.commit,
                    batch,
                    limiter=self._writer_limiter,
                    abandon_on_cancel=limit_s < math.inf,
                )
            else:
                result = self.engine.commit(batch)
        if result is None:
            self.engine.abandon()
            late = StoreBroken(f"COMMIT took longer than {limit_s} s; its outcome is unknown")
            for request in batch:
                request.error = late
                request.done.set()
            raise late
        put_off = list(result.put_off)
        done = batch[: len(batch) - len(put_off)]
        publish = self.journal.publish_next if self.engine.is_shared else self.journal.publish
        publish([*result.earlier, *(entry for request in done for entry in request.entries)])
        for request in done:
            request.done.set()
        if result.fatal is not None:
            for request in put_off:
                request.error = StoreBroken(str(result.fatal))
                request.done.set()
            raise StoreBroken(str(result.fatal)) from result.fatal
        return put_off


def _raise(tx: Tx, error: BaseException) -> None:
    """A closure that raises an error met by a reader: so the writer decides whether the daemon must end."""
    raise error


@asynccontextmanager
async def running_store(store: Store) -> AsyncIterator[Store]:
    """The store for the length of the block. On leaving, queued closures are finished first."""
    if store.engine.is_shared:  # it waits for a network and for other processes
        await in_thread(store.engine.open, store.journal)
    else:
        store.engine.open(store.journal)
    try:
        async with trio.open_nursery() as nursery:
            await nursery.start(store.serve)
            try:
                yield store
            finally:
                store.stop()
    finally:
        store.engine.close()


@asynccontextmanager
async def open_store(
    path: Path,
    clock: Clock,
    *,
    in_thread: bool = True,
    vfs: str | None = None,
    claim: FolderLock | None = None,
    rehearse: bool = False,
) -> AsyncIterator[Store]:
    """The store on a SQLite file.

    `claim` is held already; it is released while the disk cannot be written. `rehearse`: for tests, see
    batch.transact.
    """
    engine = SqliteEngine(path, clock, vfs=vfs, claim=claim, rehearse=rehearse)
    async with running_store(Store(engine, clock, in_thread=in_thread)) as store:
        yield store
