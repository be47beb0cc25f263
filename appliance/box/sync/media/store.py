"""Transactions on files that go to the cloud. Only this file writes `media_uploads`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from appliance.box.sync.media.core import Range
from appliance.box.sync.media.machine import MEDIA, MediaEvent, MediaState
from appliance.box.sync.media.model import Job, MediaUploadIn, MediaUploadsQuery, job_of, media_resource
from appliance.kernel import json
from appliance.kernel.clock import DAY_US
from appliance.kernel.errors import Refused, invalid
from appliance.kernel.ids import new_uuid
from appliance.kernel.operation import Answer
from appliance.kernel.paging import list_page
from appliance.kernel.rows import load_row
from appliance.kernel.tx import ReadTx, Row, Tx

LOCAL_COPY: Final = "local_copy"
_JOBS: Final = (
    "SELECT id, kind, session_id, clip_id, media_rev, channel_id, event_id, filename, state, size,"
    " sent_bytes, upload_path, attempt FROM media_uploads WHERE"
)
_OLDEST: Final = "ORDER BY created_us, id LIMIT 1"
OPEN: Final = (MediaState.ASKED, MediaState.PLANNED, MediaState.SENT)


@dataclass(frozen=True, slots=True)
class Keeping:
    """`channel`: whose footage is a session's Local Copy; "": of its first camera. `pin_us`: how long its
    recordings are kept for it."""

    channel: str
    pin_us: int


@dataclass(frozen=True, slots=True)
class Span:
    """What a Local Copy shows: capture time, microseconds."""

    channel_id: str
    start_us: int
    end_us: int
    latency_us: int


# -- asking --------------------------------------------------------------------------------------------------


def keep_session(tx: Tx, keeping: Keeping, session_id: str) -> None:
    """A session of an event is complete: fix the bytes of its Local Copy, in case the cloud asks for it.
    Completed again, it is planned again, unless its upload has begun."""
    session = load_row(tx, "session", session_id)
    row = _local_copy(tx, session_id)
    if row is None and (session["event_id"] is None or not _channel_of(tx, keeping, session)):
        return
    if row is None:
        _create_local_copy(tx, keeping, session, is_wanted=0)
    elif not row["upload_path"] and row["state"] != MediaState.UP:
        changes: dict[str, Any] = {"state": MediaState.ASKED, "header": None, "ranges": None, "size": None}
        changes |= {"event_id": session["event_id"], "reason": ""}
        _change(tx, row["id"], {**changes, "pinned_until_us": tx.now_us + keeping.pin_us})


def ask(tx: Tx, keeping: Keeping, body: MediaUploadIn) -> Answer:
    """Send it; asked for again it is the same. Raises Refused: 422 neither or both, 404, 409 `not_ready`."""
    if (body.session_id is None) == (body.clip_id is None):
        raise invalid("session_id", "give session_id or clip_id")
    if body.clip_id is not None:
        return _ask_clip(tx, keeping, body.clip_id)
    session = load_row(tx, "session", str(body.session_id))
    row = _local_copy(tx, session["id"])
    if row is not None:
        return Answer(200, _want(tx, row))
    if session["status"] != "completed":
        hint = "complete the session first"
        raise Refused(409, "not_ready", f"the session is {session['status']}", hint)
    return Answer(201, _create_local_copy(tx, keeping, session, is_wanted=1))


_WANTED: Final = (
    "SELECT sessions.* FROM sessions JOIN replicas"
    " ON replicas.kind = 'local_copy_wanted' AND replicas.id = sessions.event_id"
    " WHERE sessions.status = 'completed' AND sessions.deleted_us IS NULL AND NOT EXISTS"
    " (SELECT 1 FROM media_uploads WHERE media_uploads.session_id = sessions.id"
    " AND media_uploads.kind = 'local_copy' AND media_uploads.is_wanted = 1) ORDER BY sessions.id"
)


def is_any_wanted(tx: ReadTx) -> bool:
    """Whether the cloud wants the Local Copy of a session that is complete, for the first time."""
    return tx.one(f"{_WANTED} LIMIT 1") is not None


def take_wanted(tx: Tx, keeping: Keeping) -> None:
    """Send what the cloud wants. It may have wanted it before the session was complete."""
    for session in tx.all(_WANTED):
        row = _local_copy(tx, session["id"])
        if row is not None:
            _want(tx, row)
        elif _channel_of(tx, keeping, session):
            _create_local_copy(tx, keeping, session, is_wanted=1)


def _ask_clip(tx: Tx, keeping: Keeping, clip_id: str) -> Answer:
    clip = load_row(tx, "clip", clip_id)
    media_rev = clip["ready_media_rev"]
    if media_rev is None:
        raise Refused(409, "not_ready", f"the clip is {clip['status']}", "wait for clip_ready on /ws")
    sql = "SELECT * FROM media_uploads WHERE clip_id = ? AND media_rev = ?"
    if (row := tx.one(sql, (clip_id, media_rev))) is not None:
        return Answer(200, _want(tx, row))
    sql = "SELECT header, ranges, size FROM plans WHERE clip_id = ? AND media_rev = ?"
    plan = tx.one(sql, (clip_id, media_rev))
    if plan is None:
        raise Refused(409, "not_ready", "the clip has no bytes yet", "wait for clip_ready on /ws")
    session = load_row(tx, "session", clip["session_id"])
    made = {
        "kind": "clip",
        "clip_id": clip_id,
        "media_rev": media_rev,
        "channel_id": clip["channel_id"],
        "filename": f"{clip_id}.mp4",
        "state": MediaState.PLANNED,
        "is_wanted": 1,
        **plan,
    }
    return Answer(201, _create(tx, keeping, session, made))


def _create_local_copy(tx: Tx, keeping: Keeping, session: Row, *, is_wanted: int) -> dict[str, Any]:
    channel_id = _channel_of(tx, keeping, session)
    if not channel_id:
        raise Refused(409, "no_footage", "the session has no camera", "set [cloud] local_copy_channel")
    made = {
        "kind": LOCAL_COPY,
        "clip_id": None,
        "media_rev": None,
        "channel_id": channel_id,
        "filename": f"{session['name'][:100]} {channel_id}.mp4",
        "state": MediaState.ASKED,
        "is_wanted": is_wanted,
        "header": None,
        "ranges": None,
        "size": None,
    }
    return _create(tx, keeping, session, made)


def _channel_of(tx: ReadTx, keeping: Keeping, session: Row) -> str:
    """ "": there is none."""
    if keeping.channel:
        return keeping.channel
    sql = "SELECT id FROM channels ORDER BY id LIMIT 1"
    values: tuple[str, ...] = ()
    if not session["all_channels"]:
        sql = "SELECT channel_id FROM session_channels WHERE session_id = ? ORDER BY channel_id LIMIT 1"
        values = (session["id"],)
    return str(tx.value(sql, values) or "")


def _create(tx: Tx, keeping: Keeping, session: Row, made: dict[str, Any]) -> dict[str, Any]:
    row = {
        "id": new_uuid(),
        "session_id": session["id"],
        "event_id": session["event_id"],
        **made,
        "sent_bytes": 0,
        "upload_path": "",
        "attempt": 0,
        "reason": "",
        "pinned_until_us": tx.now_us + keeping.pin_us,
        "created_us": tx.now_us,
        "updated_us": tx.now_us,
    }
    tx.create("media_uploads", row)
    return _journal(tx, row["id"])


def _want(tx: Tx, row: Row) -> dict[str, Any]:
    """Wanted from now on; one that failed or was lost is tried once more."""
    state = MEDIA.next(MediaState(row["state"]), MediaEvent.ASK)
    changes: dict[str, Any] = {"is_wanted": 1}
    if state != row["state"]:
        changes |= {"state": state, "reason": "", "upload_path": "", "sent_bytes": 0}
    if row["is_wanted"] and state == row["state"]:
        return media_resource(row)
    return _change(tx, row["id"], changes)


def drop_session(tx: Tx, session_id: str) -> None:
    """The session is deleted: what is not sent will not be."""
    sql = "SELECT * FROM media_uploads WHERE session_id = ? AND state IN (?, ?) ORDER BY id"
    for row in tx.all(sql, (session_id, MediaState.ASKED, MediaState.PLANNED)):
        lose(tx, row["id"], "the session was deleted")


def list_media(tx: ReadTx, query: MediaUploadsQuery) -> dict[str, Any]:
    """Oldest first."""
    where: list[tuple[str, tuple[Any, ...]]] = []
    for name in ("state", "session_id"):
        if (value := getattr(query, name)) is not None:
            where.append((f"{name} = ?", (value,)))
    return list_page(
        tx,
        query,
        table="media_uploads",
        key="created_us",
        where=where,
        resource=lambda _, row: media_resource(row),
        gone="NULL",
    )


# -- sending -------------------------------------------------------------------------------------------------


def next_job(tx: ReadTx, *, may_send: bool) -> Job | None:
    """Plan first, for recordings may be deleted; then send, the oldest first."""
    row = tx.one(f"{_JOBS} state = ? {_OLDEST}", (MediaState.ASKED,))
    if row is None and may_send:
        states = (MediaState.SENT, MediaState.PLANNED)
        row = tx.one(f"{_JOBS} state IN (?, ?) AND is_wanted = 1 {_OLDEST}", states)
    return None if row is None else job_of(row)


def planned_bytes(tx: ReadTx, job_id: str) -> tuple[bytes, tuple[Range, ...]]:
    """Header and ranges: megabytes for a long session, so they are read once."""
    row = tx.one("SELECT header, ranges FROM media_uploads WHERE id = ?", (job_id,))
    assert row is not None and row["ranges"] is not None  # of a job that is planned
    ranges = json.decode_long(row["ranges"].encode())
    return bytes(row["header"]), tuple((name, offset, length) for name, offset, length in ranges)


def is_session_running(tx: ReadTx) -> bool:
    sql = "SELECT 1 FROM sessions WHERE status IN ('active', 'paused') AND deleted_us IS NULL LIMIT 1"
    return tx.value(sql) is not None


def span_of(tx: ReadTx, job: Job) -> Span | None:
    """None: the session has no beginning and end any more."""
    session = tx.one("SELECT * FROM sessions WHERE id = ?", (job.session_id,))
    latency = tx.value("SELECT latency_ms FROM channels WHERE id = ?", (job.channel_id,)) or 0
    if session is None or session["actual_start_us"] is None or session["actual_end_us"] is None:
        return None
    return Span(job.channel_id, session["actual_start_us"], session["actual_end_us"], latency * 1000)


def clip_file(tx: ReadTx, job: Job) -> str | None:
    """The clip's own file, which has the same bytes as its ranges; None: it has none."""
    sql = "SELECT file_path FROM plans WHERE clip_id = ? AND media_rev = ?"
    path = None if job.clip_id is None else tx.value(sql, (job.clip_id, job.media_rev))
    return None if path is None else str(path)


def plan(tx: Tx, job_id: str, header: bytes, ranges: Sequence[Range], size: int) -> None:
    text = json.encode([list(each) for each in ranges]).decode()
    _step(tx, job_id, MediaEvent.PLAN, header=header, ranges=text, size=size)


def begin(tx: Tx, job_id: str, upload_path: str, attempt: int) -> None:
    """The cloud has an upload for it; '': it has none any more."""
    changes = {"upload_path": upload_path, "attempt": attempt, "sent_bytes": 0}
    _change(tx, job_id, changes)


def note_sent(tx: Tx, job_id: str, sent_bytes: int) -> None:
    """Where the next byte belongs. Not journaled: it happens for every piece."""
    tx.update("media_uploads", job_id, {"sent_bytes": sent_bytes})


def sent(tx: Tx, job_id: str) -> None:
    _step(tx, job_id, MediaEvent.SEND)


def confirm(tx: Tx, job_id: str) -> None:
    _step(tx, job_id, MediaEvent.CONFIRM, header=None, ranges=None)


def fail(tx: Tx, job_id: str, reason: str) -> None:
    _step(tx, job_id, MediaEvent.FAIL, reason=reason)


def lose(tx: Tx, job_id: str, reason: str) -> None:
    """Its recordings are gone: the cloud learns it by the journal."""
    _step(tx, job_id, MediaEvent.LOSE, reason=reason)


def again(tx: Tx, job_id: str, attempt: int) -> None:
    """The cloud does not have its upload any more: it is begun anew."""
    row = _load(tx, job_id)
    state = MEDIA.next(MediaState(row["state"]), MediaEvent.ASK)
    _change(tx, job_id, {"state": state, "upload_path": "", "sent_bytes": 0, "attempt": attempt})


@dataclass(frozen=True, slots=True)
class MediaBacklog:
    """`files` and `bytes`: wanted and not sent. `kept`: planned in case they are wanted. `lost`, `failed`: in
    the last week."""

    files: int = 0
    bytes: int = 0
    kept: int = 0
    lost: int = 0
    failed: int = 0


def read_backlog(tx: ReadTx) -> MediaBacklog:
    wanted = tx.one(
        "SELECT count(*) AS files, coalesce(sum(coalesce(size, 0) - sent_bytes), 0) AS bytes"
        " FROM media_uploads WHERE is_wanted = 1 AND state IN (?, ?, ?)",
        OPEN,
    )
    kept = "SELECT count(*) FROM media_uploads WHERE is_wanted = 0 AND state IN (?, ?, ?)"
    ended = "SELECT count(*) FROM media_uploads WHERE state = ? AND is_wanted = 1 AND updated_us > ?"
    week = tx.now_us - 7 * DAY_US
    assert wanted is not None
    lost = tx.value(ended, (MediaState.LOST, week))
    failed = tx.value(ended, (MediaState.FAILED, week))
    return MediaBacklog(wanted["files"], wanted["bytes"], tx.value(kept, OPEN), lost, failed)


def _local_copy(tx: ReadTx, session_id: str) -> Row | None:
    return tx.one("SELECT * FROM media_uploads WHERE session_id = ? AND kind = ?", (session_id, LOCAL_COPY))


def _load(tx: ReadTx, job_id: str) -> Row:
    row = tx.one("SELECT * FROM media_uploads WHERE id = ?", (job_id,))
    assert row is not None  # rows are not deleted
    return row


def _step(tx: Tx, job_id: str, event: MediaEvent, **changes: Any) -> None:
    """A step that the row's state no longer has, because a person acted meanwhile, changes nothing."""
    state = MediaState(_load(tx, job_id)["state"])
    if event in MEDIA.allowed(state):
        _change(tx, job_id, {"state": MEDIA.next(state, event), **changes})


def _change(tx: Tx, job_id: str, changes: dict[str, Any]) -> dict[str, Any]:
    tx.update("media_uploads", job_id, changes)
    return _journal(tx, job_id)


def _journal(tx: Tx, job_id: str) -> dict[str, Any]:
    row = _load(tx, job_id)
    resource = media_resource(row)
    tx.append(
        "media_upload_changed",
        f"media_upload:{job_id}",
        {"media_upload_id": job_id, "media_upload": resource},
        session_id=row["session_id"],
    )
    return resource
