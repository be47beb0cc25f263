"""The rows of the processes that run: each writes its own every few seconds.

Owns: the table `processes`, and after how long without a sign a process counts as gone. A process that ends
cleanly deletes its row; that of one that was killed is shown as gone for a day.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from typing import Any, Final

import trio

from appliance.kernel.clock import DAY_US, S_US, to_rfc3339
from appliance.kernel.errors import Unavailable
from appliance.kernel.store import Store
from appliance.kernel.tx import ReadTx, Tx

BEAT_S: Final = 5.0
GONE_US: Final = 20 * S_US  # four signs are missing
KEEP_US: Final = DAY_US


def beat(tx: Tx, *, name: str, version: str, journal_seq: int) -> None:
    """The process runs, and has read the journal up to this entry."""
    tx.run(
        "INSERT INTO processes (name, version, started_us, seen_us, journal_seq) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (name) DO UPDATE SET seen_us = excluded.seen_us, journal_seq = excluded.journal_seq",
        (name, version, tx.now_us, tx.now_us, journal_seq),
    )
    tx.run("DELETE FROM processes WHERE seen_us < ?", (tx.now_us - KEEP_US,))


def leave(tx: Tx, name: str) -> None:
    """The process ends."""
    tx.run("DELETE FROM processes WHERE name = ?", (name,))


def list_processes(tx: ReadTx) -> list[dict[str, Any]]:
    """Every process with a row, the oldest first."""
    rows = tx.all("SELECT * FROM processes ORDER BY started_us, name")
    return [_resource(tx, row) for row in rows]


def _resource(tx: ReadTx, row: Mapping[str, Any]) -> dict[str, Any]:
    is_alive = tx.now_us - row["seen_us"] < GONE_US
    return {
        "name": row["name"],
        "version": row["version"],
        "started_at": to_rfc3339(row["started_us"]),
        "seen_at": to_rfc3339(row["seen_us"]),
        "is_alive": is_alive,
        "journal_seq": row["journal_seq"],
        "lag_s": _lag_s(tx, row) if is_alive else None,
    }


def _lag_s(tx: ReadTx, row: Mapping[str, Any]) -> float:
    """For how long, when it last wrote its row, an entry had been in the journal that the process had not
    read; 0: there was none."""
    sql = "SELECT ts_us FROM journal WHERE seq > ? ORDER BY seq LIMIT 1"
    unread_us = tx.value(sql, (row["journal_seq"],))
    return 0.0 if unread_us is None else max(0, row["seen_us"] - unread_us) / S_US


async def run_beats(
    store: Store,
    process: str,
    version: str,
    *,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Keep the row of this process up to date until cancelled, then delete it. Start: after the first
    attempt. A database that is away is reported by others; the row is written again when it is back."""
    try:
        while True:
            with suppress(Unavailable):
                sign = partial(beat, name=process, version=version, journal_seq=store.journal.head)
                await store.write(sign)
            task_status.started()
            task_status = trio.TASK_STATUS_IGNORED
            await trio.sleep(BEAT_S)
    finally:
        with trio.CancelScope(shield=True), suppress(Unavailable):
            await store.write(partial(leave, name=process))
