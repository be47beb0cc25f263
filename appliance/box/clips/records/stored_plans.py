"""Stored plans, from which a media_rev is served. Transactions and queries of the `plans` table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from appliance.box.clips.model import is_forgotten
from appliance.kernel import json
from appliance.kernel.tx import ReadTx, Tx


@dataclass(frozen=True, slots=True)
class StoredPlan:
    """The plan that a clip's media_rev is served from."""

    clip_id: str
    session_id: str
    media_rev: int
    header: bytes
    ranges: tuple[tuple[str, int, int], ...]
    size: int
    file_path: str | None
    is_forgotten: bool = False  # closed by the box, and never viewed since

    @property
    def is_file_only(self) -> bool:
        """An export: it exists only as its file."""
        return not self.header and not self.ranges


class FileLost(Exception):
    """The file of an export does not exist, or is incomplete."""


_PLAN = (
    "SELECT plans.*, clips.session_id, {is_forgotten} AS is_forgotten"
    " FROM plans JOIN clips ON clips.id = plans.clip_id"
    " WHERE clips.deleted_us IS NULL AND "
)


_UNWRITTEN = _PLAN + "plans.file_path IS NULL AND plans.media_rev = clips.ready_media_rev"
_OLDEST = " ORDER BY plans.created_us LIMIT ?"


def stored_plan(tx: ReadTx, clip_id: str, media_rev: int) -> StoredPlan | None:
    """The plan of one media_rev of a clip that is not deleted."""
    plans = _plans(tx, _PLAN + "clip_id = ? AND plans.media_rev = ?", (clip_id, media_rev))
    return plans[0] if plans else None


def is_stored(tx: ReadTx, clip_id: str, media_rev: int) -> bool:
    """Whether a media_rev of a clip that is not deleted can still be served."""
    sql = "SELECT 1 FROM plans JOIN clips ON clips.id = clip_id"
    sql += " WHERE clips.deleted_us IS NULL AND clip_id = ? AND plans.media_rev = ?"
    return tx.value(sql, (clip_id, media_rev)) is not None


def unwritten_plans(tx: ReadTx, limit: int = 1) -> list[StoredPlan]:
    """Newest cuts without a file, oldest first."""
    return _plans(tx, _UNWRITTEN + _OLDEST, (limit,))


def plans_to_write(tx: ReadTx, limit: int = 1) -> list[StoredPlan]:
    """Cuts that are to have a file: a clip that the box closed gets one only once a person has viewed it."""
    return _plans(tx, _UNWRITTEN + " AND NOT {is_forgotten}" + _OLDEST, (limit,))


def note_looked(tx: Tx, clip_id: str) -> None:
    """Record that the clip was played. Not journaled: nothing that a client sees has changed."""
    tx.run("UPDATE clips SET looked_us = ? WHERE id = ? AND looked_us IS NULL", (tx.now_us, clip_id))


def written_twin(tx: ReadTx, plan: StoredPlan) -> str | None:
    """The file of another clip that has exactly the bytes of this plan."""
    rows = tx.all(
        "SELECT other.file_path, other.header = mine.header AND other.ranges = mine.ranges AS is_same"
        " FROM plans AS mine JOIN plans AS other ON other.size = mine.size AND other.file_path IS NOT NULL"
        " WHERE mine.clip_id = ? AND mine.media_rev = ? AND length(mine.header) > 0",
        (plan.clip_id, plan.media_rev),
    )
    return next((str(row["file_path"]) for row in rows if row["is_same"]), None)


def exported_plans(tx: ReadTx) -> list[StoredPlan]:
    """Clips that play from a file of their own, re-encoded."""
    return _plans(tx, _PLAN + "length(header) = 0 AND plans.media_rev = clips.ready_media_rev", ())


def without_plan(tx: ReadTx) -> list[tuple[str, int]]:
    """(clip id, media_rev) of ready clips whose plan row is missing, because of damage to the database."""
    sql = (
        "SELECT id, ready_media_rev FROM clips WHERE status = 'ready' AND ready_media_rev IS NOT NULL"
        " AND deleted_us IS NULL AND NOT EXISTS (SELECT 1 FROM plans WHERE plans.clip_id = clips.id"
        " AND plans.media_rev = clips.ready_media_rev)"
    )
    return [(row["id"], row["ready_media_rev"]) for row in tx.all(sql)]


def _plans(tx: ReadTx, sql: str, params: Sequence[object]) -> list[StoredPlan]:
    """The rows of a query made from `_PLAN`."""
    return [
        StoredPlan(
            clip_id=row["clip_id"],
            session_id=row["session_id"],
            media_rev=row["media_rev"],
            header=row["header"],
            ranges=tuple((str(n), int(o), int(k)) for n, o, k in json.decode_stored(row["ranges"])),
            size=row["size"],
            file_path=row["file_path"],
            is_forgotten=bool(row["is_forgotten"]),
        )
        for row in tx.all(sql.format(is_forgotten=is_forgotten()), params)
    ]


def keep_file(tx: Tx, plan: StoredPlan, path: str) -> None:
    """The file is durable: from now on it is served instead of the ranges."""
    tx.run("DELETE FROM garbage WHERE path = ?", (path,))  # left by an earlier state of the database
    tx.run(
        "UPDATE plans SET file_path = ? WHERE clip_id = ? AND media_rev = ?",
        (path, plan.clip_id, plan.media_rev),
    )
    current = tx.run(
        "UPDATE clips SET file_path = ? WHERE id = ? AND ready_media_rev = ? AND deleted_us IS NULL",
        (path, plan.clip_id, plan.media_rev),
    )
    if not current:  # deleted or cut again while the file was written
        tx.run("INSERT OR REPLACE INTO garbage VALUES (?, ?)", (path, tx.now_us))
        tx.run(
            "UPDATE plans SET file_path = NULL WHERE clip_id = ? AND media_rev = ?",
            (plan.clip_id, plan.media_rev),
        )


def file_name(plan: StoredPlan) -> str:
    """Relative to clips_dir."""
    return f"{plan.session_id}/{plan.clip_id}-m{plan.media_rev}.mp4"
