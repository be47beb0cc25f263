"""One connection to PostgreSQL: opening, limits of time, the calls that a closure makes. All of it blocks.

Owns: what every connection is set to. A server, a network or a process of ours that stops in the middle of
something must not block others for ever: each wait ends. Must not know: batches, the journal.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping
from typing import Any, Final, cast

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.types.numeric import Int8Dumper

from appliance.kernel.postgres.dialect import placeholders

STATEMENT_S: Final = 10  # seconds; one statement, and waiting for one lock
IDLE_S: Final = 5  # seconds; the server ends a transaction whose process has stopped
SILENT_S: Final = 15.0  # seconds; a server that has not answered by then will not
_CONNECT: Final[dict[str, Any]] = {
    "connect_timeout": 3,
    "keepalives": 1,
    "keepalives_idle": 2,
    "keepalives_interval": 1,
    "keepalives_count": 3,
    "tcp_user_timeout": 5000,
    "client_encoding": "utf8",
    "application_name": "appliance",
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
    """No wait for the server is longer than `silent_s`. After one that is, the connection is closed."""

    silent_s: float | None = SILENT_S

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        if timeout is not None:
            return super().wait(gen, interval, timeout)
        try:
            return super().wait(gen, interval, self.silent_s)
        except psycopg.OperationalError:
            if self.pgconn.transaction_status == TransactionStatus.ACTIVE:
                self.pgconn.finish()
            raise


class Connection:
    """A session. tx.Database."""

    def __init__(self, url: str, *, is_patient: bool = False) -> None:
        """`is_patient`: without limits of time, for migrations. Raises psycopg.OperationalError."""
        self.raw = _Limited.connect(url, autocommit=True, **_CONNECT)
        self.raw.cursor_factory = Rows
        self.raw.adapters.register_dumper(int, Int8Dumper)  # one type, whatever the value: plans are reused
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

    def interrupt(self) -> None:
        """From another thread: whatever waits on this connection fails now."""
        try:
            with socket.socket(fileno=os.dup(self.raw.fileno())) as line:
                line.shutdown(socket.SHUT_RDWR)
        except (OSError, psycopg.Error):
            pass  # it is closed already

    def close(self) -> None:
        self.raw.close()
