"""Reads what other processes have committed into the journal's memory.

Owns: the connection that listens. A notification only says that something is there: entries are read in order
of seq, also after each reconnection and once a second. It needs a session of its own, so it does not work
through a pooler that shares connections between transactions.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import psycopg
import structlog
import trio

from appliance.kernel.journal import PAGE_MAX, Entry, Journal, read_entries
from appliance.kernel.postgres.connection import PostgresConnection
from appliance.kernel.postgres.errors import one_line
from appliance.kernel.postgres.writer import CHANNEL
from appliance.kernel.threads import in_thread
from appliance.kernel.tx import ReadTx

log = structlog.get_logger("store")

EVERY_S: Final = 1.0  # seconds after which entries are read without a notification
PAUSE_S: Final = 0.2  # seconds before the next attempt to connect


class Listener:
    """Waits for commits of other processes. `own_pid`: the server's process of the connection that writes
    here, whose entries are published without it; 0: none."""

    def __init__(self, url: str, journal: Journal, own_pid: Callable[[], int]) -> None:
        self._url = url
        self._journal = journal
        self._own_pid = own_pid
        self._connection: PostgresConnection | None = None
        self._is_behind = False
        self._looked_s = 0.0
        self.oldest = 1
        self.is_over = False

    def news(self) -> list[Entry]:
        """Wait, and return the entries past the journal's head: one page. Once a second also set `oldest`:
        another process may have pruned. Blocks for up to a second. Raises psycopg.Error; the next call
        connects again."""
        connection = self._connection
        try:
            if connection is None:
                connection = self._connection = PostgresConnection(self._url)
                connection.run(f"LISTEN {CHANNEL}")
            elif not self._is_behind:
                self._wait(connection)
            entries = read_entries(ReadTx(connection, 0), self._journal.head, PAGE_MAX)
            if time.monotonic() - self._looked_s >= EVERY_S:
                self.oldest, self._looked_s = _oldest(connection), time.monotonic()
        except psycopg.Error:
            self._connection = None
            if connection is not None:
                connection.close()
            raise
        self._is_behind = len(entries) == PAGE_MAX
        return entries

    def _wait(self, connection: PostgresConnection) -> None:
        until_s = time.monotonic() + EVERY_S
        while not self.is_over and (left_s := until_s - time.monotonic()) > 0:
            for notify in connection.raw.notifies(timeout=left_s, stop_after=1):
                if notify.pid != self._own_pid():
                    return

    def stop(self) -> None:
        """From another thread: `news` fails or returns at once."""
        self.is_over = True
        if (connection := self._connection) is not None:
            connection.interrupt()

    def close(self) -> None:
        """After the last `news`."""
        if self._connection is not None:
            self._connection.close()


async def run_tail(
    *, listener: Listener, journal: Journal, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    """Publish what other processes commit, until `listener.stop`."""
    task_status.started()
    reason = ""
    while not listener.is_over:
        try:
            entries = await in_thread(listener.news)
        except psycopg.Error as error:
            if not listener.is_over:
                if reason != one_line(error):
                    reason = one_line(error)
                    log.warning("journal_not_followed", reason=reason)
                await trio.sleep(PAUSE_S)
            continue
        reason = ""
        journal.publish_read(entries)
        journal.note_oldest(listener.oldest)


def _oldest(connection: PostgresConnection) -> int:
    """journal.oldest_of, from one snapshot."""
    row = connection.run(
        "SELECT coalesce((SELECT min(seq) FROM journal), head.seq + 1) FROM journal_head AS head"
    ).fetchone()
    return 1 if row is None else int(row[0])
