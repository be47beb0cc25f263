"""Transactions of cutting: claim, finish, fail, and recovery at startup.

A job's result is used only while (clip, media_rev, attempt) are still what was claimed: if the clip was
trimmed or deleted meanwhile, the result is discarded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from appliance.box.clips.records.machine import CLIP, ClipEvent, ClipState
from appliance.box.clips.records.marks import MarkRules, close_ghost
from appliance.box.clips.records.media_revs import first_media_rev, next_media_rev
from appliance.box.clips.records.plays import box_length_us, close_play
from appliance.box.clips.records.rows import change_and_journal_clip, drop_picture, journal_clip
from appliance.domain import session_counters
from appliance.kernel import json
from appliance.kernel.clock import DAY_US, to_rfc3339
from appliance.kernel.tx import ReadTx, Row, Tx
from appliance.media.cut.coverage import MissingSpan, absent_us
from appliance.media.cut.plan import Plan

MAX_ATTEMPTS = 3
LATE_FOOTAGE_US = DAY_US  # footage found within a day of a clip's OUT re-cuts it automatically


@dataclass(frozen=True, slots=True)
class Job:
    """One cut to make: the row as it was claimed."""

    clip_id: str
    media_rev: int
    channel_id: str
    start_us: int
    end_us: int
    latency_ms: int
    out_received_us: int
    attempt: int = 0
    mode: str = "instant"
    session_id: str = ""
    waiting_for: str | None = field(default=None, compare=False)  # of the row; not part of what is to be cut

    @property
    def is_export(self) -> bool:
        """Re-encoded by a worker: takes seconds to minutes, and has a file of its own."""
        return self.mode != "instant"


def job_of(row: Row) -> Job:
    return Job(
        clip_id=row["id"],
        media_rev=row["media_rev"],
        channel_id=row["channel_id"],
        start_us=row["start_us"],
        end_us=row["start_us"] + row["duration_us"],
        latency_ms=row["latency_ms"],
        out_received_us=row["out_received_us"] or row["created_us"],
        attempt=row["attempts"],
        mode=row["mode"],
        session_id=row["session_id"],
        waiting_for=row["waiting_for"],
    )


def waiting_jobs(tx: ReadTx) -> list[Job]:
    """Every ended clip that waits to be cut, oldest OUT first."""
    rows = tx.all(
        "SELECT * FROM clips WHERE status = 'pending' AND duration_us > 0 AND deleted_us IS NULL"
        " ORDER BY out_received_us, id"
    )
    return [job_of(row) for row in rows]


@dataclass(frozen=True, slots=True)
class Ghost:
    """A play, or a clip of no play, that has no OUT yet."""

    id: str
    kind: str
    since_us: int  # when the box received it, or its start if that is later


def open_ghosts(tx: ReadTx) -> list[Ghost]:
    """Ghosts. The maximum length counts from when the box received the mark, not from the mark's start: a
    mark made far back in the footage, or sent by a tablet that was offline, still gets its OUT."""
    since = "max(start_us, created_us) AS since_us"
    rows = tx.all(
        f"SELECT id, 'play' AS kind, {since} FROM plays WHERE duration_us = 0 AND deleted_us IS NULL"
        f" UNION ALL SELECT id, 'clip', {since} FROM clips"
        " WHERE duration_us = 0 AND play_id IS NULL AND deleted_us IS NULL"
    )
    return [Ghost(**row) for row in rows]


def close_overdue(tx: Tx, rules: MarkRules, kind: str, row_id: str) -> None:
    """The box's OUT at max_duration_s; nothing when the ghost was ended meanwhile."""
    row = tx.one(f"SELECT * FROM {kind}s WHERE id = ? AND duration_us = 0 AND deleted_us IS NULL", (row_id,))
    if row is None:
        return
    close = close_play if kind == "play" else close_ghost
    close(tx, row, box_length_us(tx, rules, row), by_box=True)


def claim(tx: Tx, job: Job) -> Job | None:
    """pending -> processing; the attempt is counted in the same transaction. None: no longer to be cut."""
    row = _current(tx, job, ClipState.PENDING)
    return None if row is None else claim_row(tx, row)


def claim_again(tx: Tx, job: Job) -> Job | None:
    """`claim` after one whose COMMIT was not answered: that one may have been made."""
    claimed = replace(job, media_rev=max(job.media_rev, first_media_rev(tx)))
    row = _current(tx, claimed, ClipState.PROCESSING)
    if row is not None and row["attempts"] == job.attempt + 1:
        return job_of(row)
    return claim(tx, job)


def is_pending(row: Row) -> bool:
    """Whether a clip waits to be cut; its length is not looked at."""
    return row["status"] == ClipState.PENDING and row["deleted_us"] is None


def claim_row(tx: Tx, row: Row, counters: Mapping[str, Any] | None = None) -> Job:
    """`claim` for the row of a pending clip, read in this transaction. `counters`: the session's, which a
    claim does not change."""
    after = CLIP.next(ClipState.PENDING, ClipEvent.CLAIM)
    changes = {"status": after, "attempts": row["attempts"] + 1, "waiting_for": "worker"}
    changes["media_rev"] = max(row["media_rev"], first_media_rev(tx))
    change_and_journal_clip(tx, "clip_processing", row, changes, counters)
    return job_of({**row, **changes})


def is_wanted(tx: ReadTx, job: Job) -> bool:
    """True while the clip is still what this attempt was started for."""
    row = _current(tx, job, ClipState.PROCESSING)
    return row is not None and row["attempts"] == job.attempt


def finish_all(tx: Tx, made: Sequence[tuple[Job, Plan]]) -> None:
    """`finish` for several clips of one session, whose counters that does not change."""
    counters = session_counters(tx, made[0][0].session_id)
    for job, plan in made:
        finish(tx, job, plan, counters=counters)


def finish(
    tx: Tx,
    job: Job,
    plan: Plan,
    file_path: str | None = None,
    *,
    counters: Mapping[str, Any] | None = None,
) -> bool:
    """processing -> ready with its plan. False: the clip has changed, the plan is discarded.

    A plan of the same bytes as an earlier cut that still exists reuses that cut: its URL, its file and what
    players have loaded stay valid. With `file_path` the plan's bytes are those of that file, which is
    durable; a file that no plan names any more is deleted by the sweep.
    """
    row = _current(tx, job, ClipState.PROCESSING)
    if row is None or row["attempts"] != job.attempt:
        # a plan names it when this result was stored already, by a COMMIT that was not answered
        if file_path is not None and not is_named(tx, file_path):
            tx.run("INSERT OR REPLACE INTO garbage VALUES (?, ?)", (file_path, tx.now_us))
        return False
    has_cuts = tx.value("SELECT 1 FROM plans WHERE clip_id = ?", (job.clip_id,)) is not None
    same = _same_cut(tx, job, plan) if has_cuts else None
    if same is None:
        insert_plan(tx, job, plan, file_path)
    plays = job.media_rev if same is None else same["media_rev"]
    if has_cuts:
        supersede(tx, job.clip_id, plays)
    changes = {
        "status": CLIP.next(ClipState.PROCESSING, ClipEvent.FINISH),
        "waiting_for": None,
        "error_message": None,
        "ready_media_rev": plays,
        "coverage": json.encode(coverage(plan)).decode(),
        "preroll_us": round(plan.preroll_s * 1e6),
        "file_path": file_path if same is None else same["file_path"],
    }
    is_first = row["ready_media_rev"] is None and row["ready_after_us"] is None and row["retries"] == 0
    if is_first and job.media_rev == first_media_rev(tx):
        changes["ready_after_us"] = ready_after_us(job, tx.now_us)
    change_and_journal_clip(tx, "clip_ready", row, changes, counters)
    return True


def is_named(tx: ReadTx, file_path: str) -> bool:
    """Whether a cut plays from this file."""
    return tx.value("SELECT 1 FROM plans WHERE file_path = ? LIMIT 1", (file_path,)) is not None


def _same_cut(tx: ReadTx, job: Job, plan: Plan) -> Row | None:
    """The clip's earlier cut with the bytes of this plan: a trim within one frame, or one that was undone."""
    return tx.one(
        "SELECT media_rev, file_path FROM plans WHERE clip_id = ? AND header = ? AND ranges = ?"
        " AND length(header) > 0 ORDER BY media_rev DESC",
        (job.clip_id, plan.header, packed_ranges(plan)),
    )


def ready_after_us(job: Job, now_us: int) -> int:
    """Time from OUT to playable. For an OUT that names a future instant it counts from that instant."""
    return max(0, now_us - max(job.out_received_us, job.end_us))


def shown_us(plan: Plan, start_us: int, end_us: int) -> int:
    """How much of a span of capture time a plan shows."""
    absent = [(each.start_us, each.end_us) for each in plan.missing]
    return end_us - start_us - absent_us(absent, start_us, end_us)


def fail(tx: Tx, job: Job, message: str, had_us: int = 0) -> bool:
    """processing -> failed with a message for people. `had_us`: how much of its span could have been shown;
    only footage beyond that causes an automatic retry (clips/cutting/late_footage.py)."""
    row = _current(tx, job, ClipState.PROCESSING)
    if row is None or row["attempts"] != job.attempt:
        return False
    after = CLIP.next(ClipState.PROCESSING, ClipEvent.FAIL)
    changes = {"status": after, "waiting_for": None, "error_message": message, "failed_had_us": had_us}
    tx.update("clips", job.clip_id, changes)
    journal_clip(tx, "clip_failed", job.clip_id, error=message)
    return True


def queue_for_worker(tx: Tx, jobs: Sequence[Job]) -> None:
    """Mark exports whose footage is indexed as waiting for a worker."""
    for job in jobs:
        row = _current(tx, job, ClipState.PENDING)
        if row is not None and row["waiting_for"] == "footage":
            tx.update("clips", job.clip_id, {"waiting_for": "worker"})
            journal_clip(tx, "clip_updated", job.clip_id)


def journal_progress(tx: Tx, job: Job, share: float) -> None:
    """Journal how much of an export is done, 0..1: an event without a change of the row."""
    if is_wanted(tx, job):
        journal_clip(tx, "clip_updated", job.clip_id, progress=share)


def put_back(tx: Tx, job: Job, waiting_for: str = "worker") -> None:
    """processing -> pending: the box stops, no worker answers, or a disk fails. Not an error of the clip, so
    the attempt is not counted."""
    if not is_wanted(tx, job):
        return
    after = CLIP.next(ClipState.PROCESSING, ClipEvent.PUT_BACK)
    changes = {"status": after, "attempts": job.attempt - 1, "waiting_for": waiting_for}
    tx.update("clips", job.clip_id, changes)
    journal_clip(tx, "clip_updated", job.clip_id)


def running_jobs(tx: ReadTx) -> list[Job]:
    """Every clip that is being cut."""
    return [
        job_of(row)
        for row in tx.all("SELECT * FROM clips WHERE status = 'processing' AND deleted_us IS NULL")
    ]


def recover(tx: Tx, jobs: Sequence[Job] | None = None) -> None:
    """At startup: jobs that were running become pending; one that crashed the box three times fails. `jobs`:
    those of `running_jobs` before anything was claimed; None: nothing has been claimed yet."""
    for job in running_jobs(tx) if jobs is None else jobs:
        row = _current(tx, job, ClipState.PROCESSING)
        if row is None or row["attempts"] != job.attempt:
            continue
        state = CLIP.next(ClipState.PROCESSING, ClipEvent.CRASH)
        if row["attempts"] < MAX_ATTEMPTS:
            tx.update("clips", row["id"], {"status": state, "waiting_for": "footage"})
            journal_clip(tx, "clip_updated", row["id"])
            continue
        message = f"cutting this clip stopped the box {MAX_ATTEMPTS} times"
        changes = {
            "status": CLIP.next(state, ClipEvent.GIVE_UP),
            "waiting_for": None,
            "error_message": message,
            "failed_had_us": row["duration_us"],  # no new footage makes it worth another crash
        }
        tx.update("clips", row["id"], changes)
        journal_clip(tx, "clip_failed", row["id"], error=message)


def lost(tx: Tx, clip_id: str, media_rev: int) -> None:
    """ready -> pending: bytes its plan refers to are no longer on the disk. The plan is deleted too."""
    row = tx.one("SELECT * FROM clips WHERE id = ? AND deleted_us IS NULL", (clip_id,))
    if row is None or row["status"] != ClipState.READY or row["ready_media_rev"] != media_rev:
        return
    changes = {
        **drop_picture(tx, row),
        "status": CLIP.next(ClipState.READY, ClipEvent.LOST),
        "media_rev": (coming := next_media_rev(tx, row)),
        "ready_media_rev": None,
        "attempts": 0,
        "waiting_for": "footage",
        "out_received_us": tx.now_us,
    }
    tx.update("clips", clip_id, changes)
    drop_cut(tx, clip_id, media_rev)
    supersede(tx, clip_id, coming)
    journal_clip(tx, "clip_updated", clip_id)


def supersede(tx: Tx, clip_id: str, media_rev: int) -> None:
    """Delete every other cut of the clip once it is no longer played (clips/housekeeping/actor.py)."""
    tx.run(
        "UPDATE plans SET superseded_us = ? WHERE clip_id = ? AND media_rev <> ? AND superseded_us IS NULL",
        (tx.now_us, clip_id, media_rev),
    )
    tx.run("UPDATE plans SET superseded_us = NULL WHERE clip_id = ? AND media_rev = ?", (clip_id, media_rev))


def drop_cut(tx: Tx, clip_id: str, media_rev: int) -> None:
    """Delete a cut; its file becomes garbage."""
    cut = clip_id, media_rev
    path = tx.value("SELECT file_path FROM plans WHERE clip_id = ? AND media_rev = ?", cut)
    if path is not None:
        tx.run("INSERT OR REPLACE INTO garbage VALUES (?, ?)", (path, tx.now_us))
    tx.run("DELETE FROM plans WHERE clip_id = ? AND media_rev = ?", cut)


def coverage(plan: Plan) -> dict[str, Any]:
    """The clip's `coverage` as the API shows it."""
    return {
        "start": to_rfc3339(plan.coverage_start_us),
        "end": to_rfc3339(plan.coverage_end_us),
        "missing": missing_resource(plan.missing),
        "duration_s": plan.duration_s,
        "frames": plan.frames,
        "runs": len({run_id for run_id, _, _ in plan.media_spans}),
    }


def missing_resource(missing: Sequence[MissingSpan]) -> list[dict[str, str]]:
    return [
        {"start": to_rfc3339(each.start_us), "end": to_rfc3339(each.end_us), "reason": each.reason}
        for each in missing
    ]


def insert_plan(tx: Tx, job: Job, plan: Plan, file_path: str | None) -> None:
    """Insert the cut's row. A file that plays is taken off the garbage list."""
    if file_path is not None:
        tx.run("DELETE FROM garbage WHERE path = ?", (file_path,))
    tx.insert(
        "plans",
        {
            "clip_id": job.clip_id,
            "media_rev": job.media_rev,
            "header": plan.header,
            "ranges": packed_ranges(plan),
            "size": plan.size,
            "media_spans": json.encode([list(span) for span in plan.media_spans]).decode(),
            "frames": plan.frames,
            "width": plan.width,
            "height": plan.height,
            "codec": plan.codec,
            "file_path": file_path,
            "created_us": tx.now_us,
        },
    )


def packed_ranges(plan: Plan) -> str:
    """As the row of a plan has them."""
    return json.encode([[each.name, each.offset, each.length] for each in plan.ranges]).decode()


def _current(tx: ReadTx, job: Job, state: ClipState) -> Row | None:
    """The clip's row if it is still what the job was made for."""
    row = tx.one("SELECT * FROM clips WHERE id = ? AND deleted_us IS NULL", (job.clip_id,))
    if row is None or row["media_rev"] != job.media_rev or row["status"] != state:
        return None
    return row
