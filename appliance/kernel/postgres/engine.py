"""PostgreSQL as the store's database, shared by any number of equal processes.

Owns: the connections of the process, running a batch again when the server asks for it or the connection was
lost, and finding out what became of a COMMIT that was not answered. Must not know: any table but `meta`,
`journal` and those of postgres/migrate.py.
"""

from __future__ import annotations

import math
import secrets
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import psycopg

from appliance.kernel.batch import BatchResult, StoreBroken, WriteRequest, fail, transact
from appliance.kernel.journal import Journal
from appliance.kernel.postgres.connection import PostgresConnection
from appliance.kernel.postgres.errors import belongs_to_batch, is_connection_lost, one_line, refusal
from appliance.kernel.postgres.migrate import migrate
from appliance.kernel.postgres.server import Server, answers_within_s
from appliance.kernel.postgres.tail import Listener
from appliance.kernel.postgres.tx import PostgresReadTx
from appliance.kernel.postgres.writer import NOW_US, PostgresWriter
from appliance.kernel.schema import schema_folders
from appliance.kernel.tx import ReadTx

T = TypeVar("T")

BATCH_S: Final = 0.02  # seconds; other processes wait for the head row meanwhile
TOGETHER: Final = 2  # attempts of a whole batch; then its first closure alone, so that only the culprit fails
ATTEMPTS: Final = 6
PAUSE_S: Final = 0.05
KEEP_WRITERS_US: Final = 30 * 86_400_000_000


class PostgresEngine:
    """store.Engine. `process`: a name of this process, new at each start."""

    batch_max = 64
    commit_limit_s = math.inf  # every wait has a limit of its own (connection.py)
    damage: tuple[type[BaseException], ...] = ()
    is_shared = True

    def __init__(
        self,
        url: str,
        *,
        connections: int = 8,
        folders: Sequence[Path] | None = None,
        rehearse: bool = False,
    ) -> None:
        self.process = secrets.token_hex(8)
        self.readers = max(1, connections - 2)  # one writes, one listens
        self._url = url
        self._folders = folders
        self._rehearse = rehearse
        self._server = Server()
        self._closing = threading.Event()
        self._idle: list[PostgresConnection] = []
        self._writer: PostgresConnection | None = None
        self._number = 0
        self._doubtful: PostgresWriter | None = None  # its COMMIT was not answered

    @property
    def answers_within_s(self) -> float:
        return answers_within_s()

    @property
    def detached(self) -> str | None:
        return self._server.reason if self._server.is_away else None

    @property
    def refused(self) -> str:
        return self.detached or ""

    # -- opening and closing ---------------------------------------------------------------------------------

    def open(self, journal: Journal) -> None:
        """Raises WrongDatabase; StoreBroken when the server cannot be reached."""
        self._journal = journal
        self.listener = Listener(self._url, journal, self._own_pid)
        try:
            migrate(self._url, *(schema_folders() if self._folders is None else self._folders))
            self._idle.append(reader := PostgresConnection(self._url))
            self._read(reader, journal.load)
            self._place_row(self._connected(None))
        except BaseException as error:
            self.close()
            if isinstance(error, psycopg.OperationalError):
                raise StoreBroken(f"the database cannot be opened: {one_line(error)}") from error
            raise

    def _place_row(self, connection: PostgresConnection) -> None:
        """Committed before the first batch: a row that a lost session has only inserted can be neither seen
        nor waited for (_is_committed)."""
        connection.run(f"DELETE FROM writers WHERE used_us < {NOW_US} - %s", (KEEP_WRITERS_US,))
        connection.run(
            f"INSERT INTO writers (process, batch, used_us) VALUES (%s, 0, {NOW_US})", (self.process,)
        )

    def _own_pid(self) -> int:
        connection = self._writer
        return 0 if connection is None or connection.is_lost else connection.raw.info.backend_pid

    def abandon(self) -> None:
        raise AssertionError("commit has no limit")

    def close(self) -> None:
        self._closing.set()
        for connection in [*self._idle, *([self._writer] if self._writer else [])]:
            connection.close()
        self.listener.close()

    # -- reading ---------------------------------------------------------------------------------------------

    def read(self, query: Callable[[ReadTx], T]) -> T:
        """Raises what the query raises, or Unavailable. A query whose connection is lost is run again."""
        attempt, call = 0, self._server.call()
        while self._server.may_try():
            connection: PostgresConnection | None = None
            try:
                connection = self._take_reader(call.until_s)
                attempt += 1
                result = self._read(connection, query)
            except psycopg.Error as error:
                if not is_connection_lost(error):
                    raise refusal(error) from error
                if connection is not None:
                    connection.close()
                    self._close_idle()
                call.failed(error)
                if attempt >= ATTEMPTS or call.is_over or self._closing.wait(PAUSE_S):
                    break
            else:
                self._server.worked()
                return result
            finally:
                if connection is not None and not connection.is_lost:
                    self._idle.append(connection)
        raise self._server.refusal()

    def _take_reader(self, until_s: float) -> PostgresConnection:
        try:
            connection = self._idle.pop()  # other readers take theirs at the same time
        except IndexError:
            return PostgresConnection(self._url, until_s=until_s)
        connection.limit(until_s)
        return connection

    def _close_idle(self) -> None:
        """Most likely they are lost too: with them a query would use up its attempts."""
        for _ in range(len(self._idle)):
            try:
                self._idle.pop().close()  # other readers take theirs at the same time
            except IndexError:
                break

    def _read(self, connection: PostgresConnection, query: Callable[[ReadTx], T]) -> T:
        try:
            head, now_us, _ = _begin_read(connection)
            return query(PostgresReadTx(connection, now_us, head))
        finally:
            connection.rollback()

    # -- writing ---------------------------------------------------------------------------------------------

    def commit(self, batch: Sequence[WriteRequest[Any]]) -> BatchResult:
        """In the writer's thread. Every request that is not put off has its outcome afterwards."""
        attempt, call = 0, self._server.call()
        while self._server.may_try():
            part = batch if attempt < TOGETHER else batch[:1]
            try:
                connection = self._connected(call.until_s)
                attempt += 1
                writer = self._transact(connection, part)
            except BaseException as error:  # noqa: BLE001  passed to every caller of the batch
                is_lost = is_connection_lost(error) or self._has_lost(error)
                if is_lost:
                    call.failed(error)
                if not (is_lost or belongs_to_batch(error)) or attempt >= ATTEMPTS:
                    return self._failed(part, batch[len(part) :], error)
                if call.is_over:
                    break
                self._closing.wait(PAUSE_S)
            else:
                self._server.worked()
                return BatchResult(earlier=writer.earlier, put_off=batch[writer.started :])
        return self._failed(batch, (), self._server.refusal())

    def _has_lost(self, error: BaseException) -> bool:
        """Whether the connection is gone, although a closure raised something else because of it."""
        connection = self._writer
        return connection is not None and connection.is_lost and not isinstance(error, StoreBroken)

    def _failed(
        self, part: Sequence[WriteRequest[Any]], rest: Sequence[WriteRequest[Any]], error: BaseException
    ) -> BatchResult:
        """Fail `part` and put off `rest`; but all of it when an earlier attempt may have committed it."""
        is_doubtful, self._doubtful = self._doubtful is not None, None
        if is_doubtful:
            part, rest = [*part, *rest], ()
        is_broken = isinstance(error, StoreBroken)
        fail(part, self._server.refusal(is_sent=True) if is_doubtful and not is_broken else refusal(error))
        return BatchResult(error if is_broken else None, put_off=rest)

    def _transact(self, connection: PostgresConnection, batch: Sequence[WriteRequest[Any]]) -> PostgresWriter:
        """Commit the batch, unless the attempt before did so without an answer."""
        doubtful = self._doubtful
        if doubtful is not None and self._is_committed(connection, doubtful):
            return doubtful
        self._number += 1
        writer = PostgresWriter(connection, self._journal, self.process, self._number)
        try:
            transact(writer, batch, limit_s=BATCH_S, rehearse=self._rehearse)
        except BaseException as error:
            if writer.is_sent and is_connection_lost(error):
                self._doubtful = writer
            if is_connection_lost(error):
                connection.close()
            connection.rollback()
            raise
        return writer

    def _is_committed(self, connection: PostgresConnection, writer: PostgresWriter) -> bool:
        """Waits for the transaction of the lost connection, which has the row locked as long as it lives."""
        sql = "SELECT batch FROM writers WHERE process = %s FOR UPDATE"
        row = connection.run(sql, (self.process,)).fetchone()
        self._doubtful = None
        return row is not None and row[0] == writer.number

    def _connected(self, until_s: float | None) -> PostgresConnection:
        """The connection that writes; it waits for the server until then. Raises StoreBroken when another
        database is behind the same address."""
        if self._writer is None or self._writer.is_lost:
            connection = PostgresConnection(self._url, until_s=until_s)
            try:
                self._check(connection)
            except BaseException:
                connection.close()
                raise
            self._writer = connection
        self._writer.limit(until_s)
        return self._writer

    def _check(self, connection: PostgresConnection) -> None:
        known = self._journal.head  # before the snapshot: meanwhile the tailer publishes what others commit
        head, _, epoch = _begin_read(connection)
        connection.rollback()
        if epoch != self._journal.epoch or head < known:
            raise StoreBroken("the database was replaced by another or an older one while it was in use")


def _begin_read(connection: PostgresConnection) -> tuple[int, int, str]:
    """(head of the journal, time in us, epoch), all of the snapshot that the transaction reads."""
    rows = connection.run(
        "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;"
        f"SELECT seq, {NOW_US}, (SELECT value FROM meta WHERE key = 'epoch') FROM journal_head"
    )
    rows.nextset()
    row = rows.fetchone()
    if row is None:
        raise StoreBroken("the journal's head row is gone from the database")
    return int(row[0]), int(row[1]), str(row[2])
