"""`appliance fsck`: gathers the facts, checks them, and repairs what is safe to repair.

Owns: reading the database and the disks once, with each domain's part (appliance/domain.py, Consistency).
Safe means: nothing that was ever shown is lost. Other findings are left to a person.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import Any

import trio

from appliance.box.domains import consistency, resources
from appliance.box.settings import Settings
from appliance.domain import Consistency, Finding
from appliance.kernel.clock import BoxClock
from appliance.kernel.store import Store, open_store
from appliance.kernel.threads import in_thread
from appliance.kernel.tx import ReadTx
from appliance.ops.consistency import DatabaseFacts, JournalFacts, check
from appliance.ops.lock import StateBusy, hold_state

SETTLE_S = 1.0  # seconds between two checks of a running box: what both report is not a passing state


class NoDatabase(OSError):
    """There is nothing to check."""


async def check_box(settings: Settings, repair: bool) -> list[Finding]:
    """Every finding; with `repair`, those that were repaired are marked.

    Works on a running box too, and then reports only what two checks in a row report. Raises StateBusy when
    `repair` is requested while the box runs, NoDatabase.
    """
    path = settings.storage.state_dir / "box.db"
    if not path.exists():
        raise NoDatabase(f"no database at {path}")
    with ExitStack() as stack:
        is_running = False
        try:
            stack.enter_context(hold_state(settings.storage.state_dir))
        except StateBusy:
            if repair:
                raise
            is_running = True
        async with open_store(path, BoxClock.start(None, None)) as store:
            findings = await _look(store, settings)
            if is_running and findings:
                await trio.sleep(SETTLE_S)
                again = set(await _look(store, settings))
                findings = [finding for finding in findings if finding in again]
            if repair:
                findings = [await _mend(store, settings, finding) for finding in findings]
            return findings


async def _look(store: Store, settings: Settings) -> list[Finding]:
    return await store.read(partial(find, settings=settings, domains=consistency()))


def find(tx: ReadTx, settings: Any, domains: Sequence[Consistency]) -> list[Finding]:
    """Every finding: of the database, then of each domain. Blocks; runs in a reader's thread."""
    findings = check(DatabaseFacts(_journal(tx), _database(tx)))
    for domain in domains:
        findings += domain.check(tx, settings)
    return findings


def _journal(tx: ReadTx) -> JournalFacts:
    counts = tx.one(
        "SELECT count(*) AS n, coalesce(min(seq), 0) AS a, coalesce(max(seq), 0) AS b FROM journal"
    )
    assert counts is not None  # an aggregate always has one row
    newest: dict[str, int] = {}
    rows: dict[str, int] = {}
    for each in filter(lambda each: each.is_checked, resources()):
        kind = each.kind
        entries = tx.all(
            "SELECT subject, json_extract(body, ?) AS rev FROM journal WHERE seq IN"
            " (SELECT max(seq) FROM journal WHERE subject LIKE ? AND json_type(body, ?) = 'object'"
            "  GROUP BY subject)",
            (f"$.{kind}.rev", f"{kind}:%", f"$.{kind}"),
        )
        newest.update({row["subject"]: row["rev"] for row in entries if row["rev"] is not None})
        live = tx.all(f"SELECT id, rev FROM {each.table} WHERE {each.present}")
        rows.update({f"{kind}:{row['id']}": row["rev"] for row in live})
    return JournalFacts(tx.head(), counts["a"], counts["b"], counts["n"], newest, rows)


def _database(tx: ReadTx) -> list[str]:
    errors = [str(row[0]) for row in tx.db.execute("PRAGMA integrity_check(20)")]
    errors = [line for line in errors if line != "ok"]
    for table, row_id, parent, _ in tx.db.execute("PRAGMA foreign_key_check"):
        errors.append(f"row {row_id} of {table} names a missing row of {parent}")
    return errors


async def _mend(store: Store, settings: Settings, finding: Finding) -> Finding:
    of_rows = {name: each for domain in consistency() for name, each in domain.row_repairs.items()}
    of_files = {name: each for domain in consistency() for name, each in domain.file_repairs.items()}
    if (repair_row := of_rows.get(finding.mend)) is not None:
        await store.write(lambda tx: repair_row(tx, finding))
    elif (repair_file := of_files.get(finding.mend)) is not None:
        await in_thread(repair_file, settings, finding)
    else:
        return finding
    return replace(finding, repaired=True)
