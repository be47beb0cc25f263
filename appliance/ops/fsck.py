"""`appliance fsck`: gathers the facts that consistency.py judges, and repairs what is safe to repair.

Safe means: nothing that was ever shown is lost. A reference to a missing picture or file is removed (it is
made again from the plan); an unfinished file without a row is deleted; a finished one is moved to the folder
`aside` of the clips, where the box keeps it for a week more and reports it. The rest is for a person.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import trio

from appliance.box.domains import resources
from appliance.box.settings import Settings
from appliance.kernel import json
from appliance.kernel.clock import BoxClock
from appliance.kernel.store import Store, open_store
from appliance.kernel.threads import in_thread
from appliance.kernel.tx import ReadTx, Row, Tx
from appliance.ops.consistency import (
    ASIDE,
    BoxFacts,
    ClipRow,
    Finding,
    JournalFacts,
    PlanRow,
    check,
    repaired,
)
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
    facts = await store.read(
        partial(gather, clips=settings.storage.clips, recordings=settings.storage.recordings_dir)
    )
    return check(facts)


def gather(tx: ReadTx, clips: Path, recordings: Path) -> BoxFacts:
    """One snapshot of the database, then the disks. Blocks; runs in a reader's thread."""
    clip_rows = [
        ClipRow(**row)
        for row in tx.all(
            "SELECT id, session_id, status, ready_media_rev, file_path, thumbnail_path, media_rev FROM clips"
            " WHERE deleted_us IS NULL"
        )
    ]
    plans = [
        _plan(row)
        for row in tx.all(
            "SELECT clip_id, plans.media_rev, size, length(header) AS header_bytes, ranges, plans.file_path"
            " FROM plans JOIN clips ON clips.id = clip_id WHERE clips.deleted_us IS NULL"
        )
    ]
    deleted = tx.all(
        "SELECT plans.file_path AS path FROM plans JOIN clips ON clips.id = clip_id"
        " WHERE clips.deleted_us IS NOT NULL AND plans.file_path IS NOT NULL"
    )
    return BoxFacts(
        clips=clip_rows,
        plans=plans,
        garbage=frozenset(row["path"] for row in tx.all("SELECT path FROM garbage")),
        deleted_files=frozenset(row["path"] for row in deleted),
        clip_files=dict(_files(clips)),
        recordings=_sizes(recordings, {name for plan in plans for name, _, _ in plan.ranges}),
        journal=_journal(tx),
        database=_database(tx),
    )


def _plan(row: Row) -> PlanRow:
    ranges = tuple(
        (str(name), int(at), int(length)) for name, at, length in json.decode(row["ranges"].encode())
    )
    return PlanRow(
        row["clip_id"], row["media_rev"], row["size"], row["header_bytes"], ranges, row["file_path"]
    )


def _files(folder: Path) -> Iterable[tuple[str, int]]:
    for place, _, names in os.walk(folder):
        for name in names:
            path = Path(place, name)
            try:
                yield str(path.relative_to(folder)), path.lstat().st_size
            except FileNotFoundError:
                pass  # deleted during the check


def _sizes(folder: Path, names: Iterable[str]) -> dict[str, int]:
    sizes: dict[str, int] = {}
    for name in names:
        try:
            sizes[name] = (folder / name).stat().st_size
        except OSError:
            pass  # missing: it is left out
    return sizes


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
    if finding.mend == "unlink":
        path = settings.storage.clips / finding.subject
        await in_thread(lambda: path.unlink(missing_ok=True))
    elif finding.mend == "set_aside":
        if not await in_thread(_set_aside, settings.storage.clips, finding.subject):
            return finding
    elif finding.mend:
        await store.write(partial(_forget, finding=finding))
    else:
        return finding
    return repaired(finding)


def _set_aside(clips: Path, subject: str) -> bool:
    """Move a file as box/clips/housekeeping/strays.py does at startup, which counts the files there.
    False: an older one is there and stays."""
    target = clips / ASIDE / subject
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(clips / subject, target)
    except FileExistsError:
        return False
    (clips / subject).unlink()
    return True


def _forget(tx: Tx, finding: Finding) -> None:
    """Remove the row's reference to a missing file. No revision: what the clip shows has not changed."""
    clip_id = finding.subject.removeprefix("clip:").split(" m")[0]
    if finding.mend == "forget_picture":
        tx.run("UPDATE clips SET thumbnail_path = NULL WHERE id = ?", (clip_id,))
        return
    media_rev = int(finding.subject.rsplit(" m", 1)[1])
    if finding.mend == "forget_plan":  # of an export that a newer cut has replaced
        tx.run("DELETE FROM plans WHERE clip_id = ? AND media_rev = ?", (clip_id, media_rev))
        return
    tx.run("UPDATE plans SET file_path = NULL WHERE clip_id = ? AND media_rev = ?", (clip_id, media_rev))
    tx.run("UPDATE clips SET file_path = NULL WHERE id = ? AND ready_media_rev = ?", (clip_id, media_rev))
