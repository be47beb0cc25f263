"""The connection that writes to PostgreSQL, as a batch uses it.

Owns: the transaction of a batch. It takes the journal's head row first, so that all batches of all processes
are one after another (measured with two processes and 200 hot rows: 3,500 to 6,200 closures/s and nothing
lost; with the head taken last 34/s, and 17 to 25 acknowledged changes lost). Must not know: when a batch is
made, what happens after a lost connection.
"""

from __future__ import annotations

from collections.abc import Sequence

import psycopg
from psycopg.pq import TransactionStatus

from appliance.kernel.batch import LostTransaction, StoreBroken
from appliance.kernel.journal import Entry, Journal, read_entries
from appliance.kernel.postgres.connection import PostgresConnection
from appliance.kernel.postgres.errors import belongs_to_batch, refusal
from appliance.kernel.postgres.tx import BatchConnection, Entries, EntriesState, PostgresTx
from appliance.kernel.tx import ReadTx

NOW_US = "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)"
CHANNEL = "journal"
EARLIER_MAX = 1000  # entries of other processes that a batch reads itself; more are left to the tailer


class PostgresWriter:
    """batch.Writer of one batch on one connection.

    `process`, `number`: written into `writers` with the batch, so that after a lost connection the process
    can find out whether it was committed. `is_sent`: COMMIT was sent and not answered. `started`: closures
    run since `begin`.
    """

    def __init__(self, connection: PostgresConnection, journal: Journal, process: str, number: int) -> None:
        self._connection = connection
        self._journal = journal
        self._process = process
        self.number = number
        self._next = ""  # statements before the next closure, sent with its savepoint
        self.is_sent = False
        self.started = 0
        self.earlier: Sequence[Entry] = ()

    def begin(self) -> None:
        rows = self._connection.run(
            "BEGIN ISOLATION LEVEL READ COMMITTED;"
            "SELECT seq FROM journal_head FOR UPDATE;"
            f"SELECT {NOW_US};"  # read once the row is locked: time rises with seq
            "INSERT INTO writers (process, batch, used_us)"
            f" VALUES ('{self._process}', {self.number}, {NOW_US})"
            " ON CONFLICT (process) DO UPDATE SET batch = excluded.batch, used_us = excluded.used_us;"
            "SAVEPOINT request"
        )
        rows.nextset()
        head = rows.fetchone()
        rows.nextset()
        now = rows.fetchone()
        if head is None or now is None:
            raise StoreBroken("the journal's head row is gone from the database")
        self.now_us = int(now[0])
        self._entries = Entries(int(head[0]))
        self._database = BatchConnection(self._connection, self._entries)
        self._next = ""
        self._mark = EntriesState(0, 0)
        self.started = 0

    def start(self) -> PostgresTx:
        if self._next:
            self._connection.run(self._next)
            self._next = ""
        self._mark = self._entries.mark()
        self.started += 1
        return PostgresTx(self._database, self.now_us, self._entries)

    def keep(self) -> None:
        self._next = "RELEASE request; SAVEPOINT request"

    def undo(self) -> None:
        self._connection.run("ROLLBACK TO request")  # the savepoint stays, for the next closure
        self._entries.back_to(self._mark)

    def is_sound(self) -> bool:
        return self._connection.status == TransactionStatus.INTRANS

    def can_undo(self) -> bool:
        if self._connection.is_lost:
            raise psycopg.OperationalError("the connection was lost")
        return self._connection.status in (TransactionStatus.INTRANS, TransactionStatus.INERROR)

    def spoils(self, error: BaseException) -> bool:
        return belongs_to_batch(error) or self._connection.is_lost

    def refusal(self, error: BaseException) -> BaseException:
        return refusal(error)

    def commit(self) -> None:
        """Raises LostTransaction when COMMIT was answered by ROLLBACK."""
        sql = "COMMIT"
        if self._entries.head > self._entries.first_head:
            self._read_earlier()
            sql = (
                f"{self._entries.insertion(self._connection)}"
                f"UPDATE journal_head SET seq = {self._entries.head}; NOTIFY {CHANNEL}; COMMIT"
            )
        self.is_sent = True
        rows = self._connection.run(sql)
        self.is_sent = False
        while rows.nextset():
            pass
        if rows.statusmessage != "COMMIT":
            raise LostTransaction

    def _read_earlier(self) -> None:
        """What other processes have committed and this one has not published: without it this batch's own
        entries would have to wait for the tailer."""
        known, before = self._journal.head, self._entries.first_head
        if known < before and before - known <= EARLIER_MAX:
            entries = read_entries(ReadTx(self._connection, self.now_us), known, before - known)
            self.earlier = [entry for entry in entries if entry.seq <= before]

    def rollback(self) -> None:
        self._connection.rollback()
