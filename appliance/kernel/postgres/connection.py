"""One connection to PostgreSQL: opening, limits of time, the calls that a closure makes. All of it blocks.

Owns: what every connection is set to. A server, a network or a process of ours that stops in the middle of
something must not block others for ever: each wait ends. Must not know: batches, the journal.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator, Mapping
from typing import Any, Final, cast

import psycopg
from psycopg.pq import Escaping, TransactionStatus
from psycopg.types.numeric import Int8Dumper

from appliance.kernel.postgres.dialect import placeholders

STATEMENT_S: Final = 10  # seconds; one statement, and waiting for one lock
IDLE_S: Final = 5  # seconds; the server ends a transaction whose process has stopped
SILENT_S: Final = 15.0  # seconds; a server that has not answered by then will not
CONNECT_S: Final = 3
_CONNECT: Final[dict[str, Any]] = {
    "connect_timeout": CONNECT_S,
    "keepalives": 1,
    "keepalives_idle": 2,
    "keepalives_interval": 1,
    "keepalives_count": 3,
    "tcp_user_timeout": 5000,
    "client_encoding": "utf8",
}
# A server where commits are not durable when they are answered is used with durable ones.
_SETTINGS: Final = f"""
SET statement_timeout = '{STATEMENT_S}s';
SET lock_timeout = '{STATEMENT_S}s';
SET idle_in_transaction_session_timeout = '{IDLE_S}s';
SET TIME ZONE 'UTC';
SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off';
"""


class Rows(psycopg.Cursor[tuple[Any, ...]]):
    """A cursor with the two calls that Tx makes: rows of a statement that returns none are an empty
    iterator."""

    def get_description(self) -> list[psycopg.Column]:
        return self.description or []

    def __iter__(self) -> Iterator[tuple[Any, ...]]:  # type: ignore[override]  # itself, or nothing
        return self if self.description is not None else iter(())


class _Limited(psycopg.Connection[tuple[Any, ...]]):
    """No wait for the server is longer than `silent_s`, or ends after `until_s` (monotonic). After one that
    would, the connection is closed."""

    silent_s: float | None = None
    until_s: float | None = None

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        if timeout is not None:
            return super().wait(gen, interval, timeout)
        limit_s = self.silent_s
        if limit_s is not None and self.until_s is not None:
            limit_s = max(0.001, min(limit_s, self.until_s - time.monotonic()))
        try:
            return super().wait(gen, interval, limit_s)
        except psycopg.OperationalError:
            if self.pgconn.transaction_status == TransactionStatus.ACTIVE:
                self.pgconn.finish()
            raise


class PostgresConnection:
    """A session. tx.Database."""

    def __init__(self, url: str, *, is_patient: bool = False, until_s: float | None = None) -> None:
        """`is_patient`: without limits of time, for migrations. `until_s`: as in `limit`. Raises
        psycopg.OperationalError."""
        self.raw = _Limited.connect(url, autocommit=True, application_name=_name(), **_CONNECT)
        self.raw.silent_s, self.raw.until_s = SILENT_S, until_s
        self.raw.cursor_factory = Rows
        self.raw.adapters.register_dumper(int, Int8Dumper)  # one type, whatever the value: plans are reused
        self._escaping = Escaping(self.raw.pgconn)
        self._changed = 0
        try:
            self.run(_SETTINGS)
            if is_patient:
                self.raw.silent_s = None
                self.run("SET statement_timeout = 0; SET lock_timeout = 0")
        except BaseException:
            self.raw.close()
            raise

    def execute(self, statements: str, bindings: Any = (), /) -> Rows:
        """One statement of the common SQL, with its parameters."""
        if not bindings:
            rows = self.raw.execute(statements)
        else:
            values = bindings if isinstance(bindings, Mapping) else tuple(bindings)
            rows = self.raw.execute(placeholders(statements), values)
        self._changed = max(rows.rowcount, 0)
        return cast(Rows, rows)

    def changes(self) -> int:
        """Rows that the last statement changed."""
        return self._changed

    def run(self, sql: str, values: Any = None) -> Rows:
        """PostgreSQL's own SQL, placeholders %s. Without values also several statements, in one exchange."""
        return cast(Rows, self.raw.execute(sql, values))

    def literal(self, text: object) -> str:
        """A text, or None, as a part of a statement for `run`; quoted by the client library of the server."""
        if text is None:
            return "NULL"
        return bytes(self._escaping.escape_literal(str(text).encode())).decode()

    @property
    def status(self) -> TransactionStatus:
        return self.raw.info.transaction_status

    @property
    def is_lost(self) -> bool:
        return self.raw.closed

    def rollback(self) -> None:
        """End the transaction if one is open; a connection that fails at it is closed."""
        if self.status not in (TransactionStatus.INTRANS, TransactionStatus.INERROR):
            return
        try:
            self.run("ROLLBACK")
        except psycopg.Error:
            self.raw.close()

    def limit(self, until_s: float | None) -> None:
        """No call waits for the server after this monotonic time; None: each for SILENT_S."""
        self.raw.until_s = until_s

    def interrupt(self) -> None:
        """From another thread: whatever waits on this connection fails now."""
        try:
            with socket.socket(fileno=os.dup(self.raw.fileno())) as line:
                line.shutdown(socket.SHUT_RDWR)
        except (OSError, psycopg.Error):
            pass  # it is closed already

    def close(self) -> None:
        self.raw.close()


def _name() -> str:
    """What the server shows of a connection: which process of ours it is."""
    return f"appliance {socket.gethostname()[:40]} {os.getpid()}"
