"""A SQLite file as the store's database, and what is done when its disk cannot be written.

Owns: the connections, the schema version, the copy that is read while the disk refuses. Must not know: any
table but `meta` and `journal`, who writes.

Measured (scripts/bench store): synchronous=FULL costs 6 % of NORMAL's rate with group commit and loses
nothing at a power cut, where NORMAL lost acknowledged commits in 93 % of cuts.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import apsw
import structlog

from appliance.kernel.batch import (
    BatchResult,
    StoreBroken,
    StoreFull,
    StoreReadOnly,
    WriteRequest,
    fail,
    transact,
)
from appliance.kernel.clock import Clock
from appliance.kernel.errors import Unavailable
from appliance.kernel.journal import Entry, Journal
from appliance.kernel.migrate import WrongDatabase, counter_floor, migrate, require_safe_sqlite
from appliance.kernel.rescue import mark_suspect
from appliance.kernel.schema import schema_folders
from appliance.kernel.sqlite.connection import backup, close, connect, is_full, read
from appliance.kernel.sqlite.writer import SqliteWriter, meaning, refuse_changes
from appliance.kernel.state_disk import Copy, copy_database, discard_copy, refusal
from appliance.kernel.tx import ReadTx
from appliance.kernel.witness import note_closed

if TYPE_CHECKING:
    from appliance.kernel.store import Store

T = TypeVar("T")
log = structlog.get_logger("store")

ATTACH_S = 1.0  # seconds between checks of a disk that could not be written


class FolderLock(Protocol):
    """The exclusive right to write to the state folder. It is released while the disk cannot be written, so
    that the disk can be unmounted and repaired while the box runs."""

    def release(self) -> None: ...

    def take(self) -> None:
        """Raises OSError while another process has it."""
        ...


class SqliteEngine:
    """store.Engine."""

    batch_max = 256  # above this, the last caller of a batch waits longer than for a second batch
    readers = 3
    is_shared = False
    # seconds; a COMMIT this slow is a dead disk: end, so that systemd restarts the daemon and reports it
    commit_limit_s = answers_within_s = 10.0
    damage = (apsw.CorruptError, apsw.NotADBError)

    def __init__(
        self,
        path: Path,
        clock: Clock,
        *,
        vfs: str | None = None,
        claim: FolderLock | None = None,
        rehearse: bool = False,
    ) -> None:
        self.path = path
        self.db: apsw.Connection | None = None
        self.floor = 0  # Tx's; only a restore changes it, and never while the database is open
        # The file that connections open: the database, or a copy while the database's disk cannot be written.
        self.file = path
        self.detached: str | None = None
        self.refused = ""
        self._claim = claim
        self._clock = clock
        self._vfs = vfs
        self._rehearse = rehearse
        self._readers: list[tuple[int, apsw.Connection]] = []  # idle ones, with the generation of their file
        self._copy: Copy | None = None  # the copy that is open instead of the database
        self._generation = 0
        self._tried_s = 0.0
        self._unpublished: list[Entry] = []  # committed before the file was changed, not yet published
        self._refuse: Callable[[], Unavailable] = StoreFull  # the error of changes while a copy is open

    # -- opening and closing ---------------------------------------------------------------------------------

    def open(self, journal: Journal) -> None:
        """Open or create the database and bring the schema up to date."""
        require_safe_sqlite()
        self._journal = journal
        self.path.parent.mkdir(parents=True, exist_ok=True)
        is_there = self.path.exists()
        try:
            if is_there and self._vfs is None and (reason := refusal(self.path.parent)) is not None:
                self._detach(reason)
            else:
                self.db = self._connect(apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE)
                migrate(self.db, *schema_folders())
        except (apsw.NotADBError, apsw.CorruptError, apsw.CantOpenError) as error:
            raise WrongDatabase(f"{self.path} cannot be opened: {error}") from error
        except (apsw.IOError, apsw.FullError, apsw.ReadOnlyError, OSError) as error:
            self._detach_at_start(error, is_there)
        assert self.db is not None
        self.floor = counter_floor(self.db)
        journal.load(ReadTx(self.db, self._clock.now_us()))

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
        return connect(self.file, flags, self._vfs)

    def abandon(self) -> None:
        """The writer's thread may hang forever, and closing its connection would wait for it."""
        self.db = None

    def close(self) -> None:
        for db in [*(reader for _, reader in self._readers), *([self.db] if self.db else [])]:
            close(db)
        note_closed(self.path)
        self._discard_copy()

    # -- reading ---------------------------------------------------------------------------------------------

    def read(self, query: Callable[[ReadTx], T]) -> T:
        """Raises what the query raises, Unavailable, or one of `damage`."""
        generation, db = self._take_reader()
        try:
            return read(db, query, self._clock)
        except (apsw.IOError, apsw.CantOpenError) as error:
            raise Unavailable(
                "storage_unavailable", f"the database cannot be read: {error}", "see `appliance doctor`"
            ) from error
        finally:
            self._readers.append((generation, db))

    def _take_reader(self) -> tuple[int, apsw.Connection]:
        while True:
            try:
                generation, db = self._readers.pop()  # other readers take theirs at the same time
            except IndexError:
                return self._generation, self._open_reader()
            if generation == self._generation:
                return generation, db
            close(db)

    def _open_reader(self) -> apsw.Connection:
        db = self._connect(apsw.SQLITE_OPEN_READWRITE)
        db.execute("PRAGMA query_only=ON")
        return db

    def backup(self, target: Path) -> None:
        """Copy the live database to `target` (SQLite's online backup)."""
        backup(self._open_reader(), target)

    # -- writing ---------------------------------------------------------------------------------------------

    def commit(self, batch: Sequence[WriteRequest[Any]]) -> BatchResult:
        """One transaction for the whole batch, in the writer's thread."""
        fatal = self._commit(batch)
        unpublished, self._unpublished = self._unpublished, []
        return BatchResult(fatal, unpublished)

    def _commit(self, batch: Sequence[WriteRequest[Any]]) -> BaseException | None:
        """Returns the error that must end the daemon."""
        if self.detached is not None and self._may_attach():
            self._attach()
        db = self.db
        assert db is not None
        if self.detached is not None:
            refuse_changes(db, batch, self._clock, self._refuse)
            return None
        before = db.total_changes()
        fatal = self._transact(db, batch)
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

    def _transact(self, db: apsw.Connection, batch: Sequence[WriteRequest[Any]]) -> BaseException | None:
        writer = SqliteWriter(db, self._clock, self.floor)
        try:
            transact(writer, batch, rehearse=self._rehearse)
        except BaseException as error:  # noqa: BLE001  passed to every caller of the batch
            writer.rollback()
            shown, fatal = meaning(error)
            fail(batch, shown)
            return fatal
        return None

    # -- a disk that cannot be written -----------------------------------------------------------------------

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
        """Open the database again instead of its copy. If that fails, the copy stays in use."""
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
        before, self.file = self.file, file
        try:
            db = self._connect(apsw.SQLITE_OPEN_READWRITE)
            migrate(db, *schema_folders())
        except BaseException:
            self.file = before
            raise
        old, self.db = self.db, db
        self._generation += 1
        if old is not None:
            close(old)
        self._unpublished = self._journal.missing(ReadTx(db, self._clock.now_us()))


def file_of(store: Store) -> Path | None:
    """The store's SQLite file; None for a store on a database server."""
    return store.engine.path if isinstance(store.engine, SqliteEngine) else None


def on_disk(store: Store) -> SqliteEngine:
    """The engine of a store that is a file on this machine. Raises TypeError for another one."""
    if not isinstance(store.engine, SqliteEngine):
        raise TypeError("this store is not a file")
    return store.engine
