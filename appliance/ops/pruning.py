"""Taking out what is too old to be of use: journal entries after 30 days, idempotency keys after 7.

Owns: the deleting, in small closures that never hold up a mark. Readers with durable cursors (the cloud)
come later and will hold the journal back, up to 90 days.
"""

from __future__ import annotations

from functools import partial

import structlog
import trio

from appliance.kernel.errors import Unavailable
from appliance.kernel.operation import KEEP_KEYS_S
from appliance.kernel.store import Store
from appliance.kernel.tx import Tx

log = structlog.get_logger("pruning")

KEEP_JOURNAL_S = 30 * 24 * 3600
EVERY_S = 3600.0
BATCH = 200  # rows per closure: well under a millisecond


async def run_pruning(*, store: Store, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
    """Prune once an hour until cancelled; a disk that refuses is tried again then. Raises: StoreBroken."""
    task_status.started()
    while True:
        try:
            await prune(store)
        except Unavailable as error:
            log.warning("not_pruned", reason=str(error))
        await trio.sleep(EVERY_S)


async def prune(store: Store) -> None:
    """Delete everything that is due now."""
    while await store.write(partial(_prune_keys, keep_us=KEEP_KEYS_S * 1_000_000)):
        pass
    while True:
        oldest = await store.write(partial(_prune_journal, keep_us=KEEP_JOURNAL_S * 1_000_000))
        if oldest is None:
            return
        store.journal.oldest = oldest


def _prune_keys(tx: Tx, keep_us: int) -> int:
    due = "SELECT device, key FROM idempotency WHERE created_us < ? LIMIT ?"
    sql = f"DELETE FROM idempotency WHERE (device, key) IN ({due})"
    return tx.run(sql, (tx.now_us - keep_us, BATCH))


def _prune_journal(tx: Tx, keep_us: int) -> int | None:
    """The new oldest seq, or None when nothing was due. The newest entry stays: head is read from it."""
    newest = tx.value("SELECT max(seq) FROM journal")
    due = f"SELECT seq FROM journal WHERE ts_us < ? AND seq < {newest or 0} ORDER BY seq LIMIT ?"
    if not tx.run(f"DELETE FROM journal WHERE seq IN ({due})", (tx.now_us - keep_us, BATCH)):
        return None
    return int(tx.value("SELECT min(seq) FROM journal"))
