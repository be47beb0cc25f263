"""How far the box and its cloud are in step: rows, and the rules by which a new epoch begins.

Only this file writes `sync_up` and the cursor `cloud`. An epoch names one course of the box's journal:
another cloud, machine or database begins a new one, and so does a cloud that has other entries than the
journal. A new epoch begins with a snapshot.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from typing import Any, Final

from appliance.kernel.follow import find_cursor, place_cursor, remove_cursor
from appliance.kernel.tx import ReadTx, Row, Tx

CURSOR: Final = "cloud"


@dataclass(frozen=True, slots=True)
class UpState:
    """The row, and its cursor. `snapshot_seq` not None: events wait until a snapshot was accepted.
    `commit_path` not "": the cloud has all its parts, and the commit there was not answered yet. `left_out`:
    resources of the last snapshot that were too large to be sent."""

    url: str
    box_id: str
    journal_epoch: str
    epoch: str
    reason: str
    acked: int
    acked_sha256: str
    snapshot_seq: int | None
    began_us: int
    commit_path: str = ""
    commit_body: str = ""
    left_out: str = ""

    @property
    def in_cloud(self) -> int:
        """Entries up to it need not be sent; 0 while a snapshot waits: none of them counts there."""
        return self.acked if self.snapshot_seq is None else 0


def read_state(tx: ReadTx) -> UpState | None:
    row = tx.one("SELECT * FROM sync_up")
    return None if row is None else _state(tx, row)


def _state(tx: ReadTx, row: Row) -> UpState:
    cursor = find_cursor(tx, CURSOR)
    needs_resync = cursor is None or cursor.needs_resync
    acked = 0 if cursor is None else cursor.seq
    waits = acked if needs_resync and row["snapshot_seq"] is None else row["snapshot_seq"]
    of_epoch = ("url", "box_id", "journal_epoch", "epoch", "reason", "began_us")
    kept = {name: row[name] for name in (*of_epoch, "commit_path", "commit_body", "left_out")}
    return UpState(**kept, acked=acked, acked_sha256=row["acked_sha256"], snapshot_seq=waits)


def ensure_state(tx: Tx, url: str, box_id: str) -> UpState:
    """The state for this cloud, on this machine, with this database; with a new epoch where one of them is
    another."""
    journal_epoch = str(tx.value("SELECT value FROM meta WHERE key = 'epoch'"))
    state = read_state(tx)
    if state is None:
        return begin_epoch(tx, url, box_id, "the first connection to this cloud")
    reasons = (
        ("[cloud] url is another one", state.url != url),
        ("the state folder is on another machine", state.box_id != box_id),
        ("the database was restored from a copy", state.journal_epoch != journal_epoch),
    )
    reason = next((reason for reason, is_so in reasons if is_so), None)
    return state if reason is None else begin_epoch(tx, url, box_id, reason)


def begin_epoch(tx: Tx, url: str, box_id: str, reason: str) -> UpState:
    """A new epoch. The cursor stands at the head: what is before it is in the snapshot."""
    head = tx.head()
    values: dict[str, Any] = {
        "url": url,
        "box_id": box_id,
        "journal_epoch": str(tx.value("SELECT value FROM meta WHERE key = 'epoch'")),
        "epoch": secrets.token_hex(16),
        "reason": reason,
        "acked_sha256": "",
        "snapshot_seq": head,
        "began_us": tx.now_us,
    }
    tx.run("DELETE FROM sync_up")
    tx.insert("sync_up", {"id": 1, **values})
    place_cursor(tx, CURSOR, head)
    return UpState(**values, acked=head)


def begin_snapshot(tx: Tx) -> int:
    """The seq as of which a snapshot is sent now: the journal is kept from there on."""
    head = tx.head()
    tx.run(
        "UPDATE sync_up SET snapshot_seq = ?, acked_sha256 = '', commit_path = '', commit_body = '',"
        " left_out = ''",
        (head,),
    )
    place_cursor(tx, CURSOR, head)
    return head


def keep_commit(tx: Tx, path: str, body: str, left_out: str) -> UpState:
    """The cloud has all parts: after a restart too the same commit is asked for, not a new snapshot begun."""
    tx.run("UPDATE sync_up SET commit_path = ?, commit_body = ?, left_out = ?", (path, body, left_out))
    return existing_state(tx)


def drop_commit(tx: Tx) -> UpState:
    """The cloud refused it: the snapshot is begun anew."""
    tx.run("UPDATE sync_up SET commit_path = '', commit_body = ''")
    return existing_state(tx)


def end_snapshot(tx: Tx) -> UpState:
    """The cloud has it: events past it are sent."""
    tx.run("UPDATE sync_up SET snapshot_seq = NULL, commit_path = '', commit_body = ''")
    return existing_state(tx)


def existing_state(tx: ReadTx) -> UpState:
    """The state, once `ensure_state` has written it."""
    state = read_state(tx)
    assert state is not None
    return state


def move(tx: Tx, state: UpState, seq: int, sha256: str) -> UpState:
    """Everything up to `seq` is in the cloud; `seq` may be lower than before: a cloud that was restored."""
    tx.run("UPDATE sync_up SET acked_sha256 = ?", (sha256,))
    place_cursor(tx, CURSOR, seq)
    return replace(state, acked=seq, acked_sha256=sha256)


def forget(tx: Tx) -> None:
    """The box has no cloud any more: the journal is not kept for one."""
    if find_cursor(tx, CURSOR) is not None:
        remove_cursor(tx, CURSOR)
        tx.run("DELETE FROM sync_up")
