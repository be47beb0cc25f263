"""Delete journal entries and idempotency keys that are too old to be of use.

Owns: the rules, and deleting in small transactions that never delay a mark. A journal entry is deleted after
30 days, or later when a durable cursor has not passed it yet; after 90 days, or when the journal is larger
than 2 GB, it is deleted in any case, and a cursor that still needed it is marked `needs_resync`. A leap of
the clock deletes nothing for a day (`trusted_now`).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import structlog
import trio

from appliance.kernel.clock import trusted_now
from appliance.kernel.errors import Unavailable
from appliance.kernel.follow import all_cursors, mark_pruned
from appliance.kernel.operation import KEEP_KEYS_S
from appliance.kernel.store import Store
from appliance.kernel.tx import ReadTx, Tx

log = structlog.get_logger("pruning")

KEEP_JOURNAL_S = 30 * 24 * 3600
KEEP_FOR_CURSORS_S = 90 * 24 * 3600
JOURNAL_MAX_BYTES = 2e9
EVERY_S = 3600.0
BATCH = 200  # rows per closure: well under a millisecond
PAGE = 1000  # entries whose age is read at once: the client of a database server holds all rows in memory
SAMPLE = 1000  # newest entries, from whose mean the size of all is estimated
ROW_BYTES = 120  # bytes of an entry besides its body: columns, and its share of pages and indexes


async def run_pruning(*, store: Store, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
    """Prune once an hour until cancelled; a failing disk is retried then. Raises: StoreBroken."""
    task_status.started()
    looked_s = trio.current_time()
    while True:
        elapsed_s = trio.current_time() - looked_s
        try:
            now_us = await store.write(partial(trusted_now, purpose="pruning", elapsed_s=elapsed_s))
            looked_s += elapsed_s
            await prune(store, now_us)
        except Unavailable as error:
            log.warning("not_pruned", reason=str(error))
        await trio.sleep(EVERY_S)


async def prune(store: Store, now_us: int) -> None:
    """Delete everything that is due at `now_us`."""
    while await store.write(partial(_prune_keys, before_us=now_us - KEEP_KEYS_S * 1_000_000)):
        pass
    due_to = await store.read(partial(_journal_due_to, now_us=now_us))
    while (pruned := await store.write(partial(_prune_journal, due_to=due_to))) is not None:
        oldest, lost = pruned
        store.journal.note_oldest(oldest)
        for name in lost:
            log.error("cursor_needs_resync", cursor=name, oldest=oldest)


def _prune_keys(tx: Tx, before_us: int) -> int:
    due = "SELECT device, key FROM idempotency WHERE created_us < ? LIMIT ?"
    sql = f"DELETE FROM idempotency WHERE (device, key) IN ({due})"
    return tx.run(sql, (before_us, BATCH))


def _journal_due_to(tx: ReadTx, now_us: int) -> int:
    """The seq up to which entries are due; 0: none. Never the newest entry: the head is read from it."""
    newest = tx.value("SELECT max(seq) FROM journal") or 0
    passed = min((cursor.seq for cursor in all_cursors(tx) if not cursor.needs_resync), default=newest)
    due_to = _aged_to(tx, _too_large_to(tx), passed, now_us)
    return min(due_to, newest - 1)


def _aged_to(tx: ReadTx, due_to: int, passed: int, now_us: int) -> int:
    """The seq up to which entries after `due_to` are too old; `due_to` itself when none is. `passed`: the seq
    that every cursor has passed."""
    sql, last = f"SELECT seq, ts_us FROM journal WHERE seq > ? ORDER BY seq LIMIT {PAGE}", due_to
    while rows := tx.all(sql, (last,)):
        for row in rows:
            last, age_s = row["seq"], (now_us - row["ts_us"]) / 1e6
            if age_s > (KEEP_JOURNAL_S if last <= passed else KEEP_FOR_CURSORS_S):
                due_to = last
            elif age_s >= 0:  # below 0 the clock was set back since: later entries give its age
                return due_to
    return due_to


def _too_large_to(tx: ReadTx) -> int:
    """The seq up to which entries are deleted because the journal exceeds JOURNAL_MAX_BYTES; 0: it does
    not."""
    first, last = (tx.value(f"SELECT {end}(seq) FROM journal") or 0 for end in ("min", "max"))
    sample = f"SELECT body FROM journal ORDER BY seq DESC LIMIT {SAMPLE}"
    mean = f"SELECT CAST(avg(length(body)) AS REAL) FROM ({sample}) AS newest"
    each = ROW_BYTES + float(tx.value(mean) or 0)
    return max(0, int(last - JOURNAL_MAX_BYTES / each)) if last - first + 1 > JOURNAL_MAX_BYTES / each else 0


def _prune_journal(tx: Tx, due_to: int) -> tuple[int, Sequence[str]] | None:
    """(new oldest seq, cursors that still needed deleted entries), or None when nothing was due."""
    due = "SELECT seq FROM journal WHERE seq <= ? ORDER BY seq LIMIT ?"
    if not tx.run(f"DELETE FROM journal WHERE seq IN ({due})", (due_to, BATCH)):
        return None
    oldest = int(tx.value("SELECT min(seq) FROM journal"))
    return oldest, mark_pruned(tx, oldest)
