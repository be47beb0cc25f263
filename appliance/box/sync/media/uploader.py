"""Sends files to the cloud by tus, one at a time, piece by piece, until cancelled.

Owns: when it may send (media = "idle": while no session runs), how fast, and what each answer means. Where it
is stands in rows: a restart goes on with the next byte. Control goes first: this has its own pace and never
more than one piece under way. Must not know: SQL, where bytes lie.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final, Protocol

import structlog
import trio

from appliance.box.sync.client import CloudClient, CloudUnavailable
from appliance.box.sync.media import store as rows
from appliance.box.sync.media.content import Content, Lost, Planned
from appliance.box.sync.media.core import FIRST_PIECE, Bucket, metadata_of, next_size
from appliance.box.sync.media.machine import MediaState
from appliance.box.sync.media.model import Job
from appliance.kernel.errors import Refused, Unavailable
from appliance.kernel.retry import Backoff
from appliance.kernel.store import Store

log = structlog.get_logger("media")

PATH: Final = "/edge/v1/uploads"
LOOK_S: Final = 5.0  # between two looks for something to send, or at a file that the cloud is joining
RETRY_MAX_S: Final = 300.0
PIECE_TIMEOUT_S: Final = 60.0
_TUS: Final = {"Tus-Resumable": "1.0.0"}
_OFFSET_TYPE: Final = "application/offset+octet-stream"
_GONE: Final = ("not_found", "deleted")  # codes: the cloud has no such upload
_ELSEWHERE: Final = ("wrong_offset", "upload_ended", "upload_locked", "checksum_mismatch")


class Clock(Protocol):
    def now_us(self) -> int: ...


@dataclass(slots=True)
class MediaLink:
    """What the actor shows to Health and the metrics. `waits`: why nothing is sent now; ""."""

    backlog: rows.MediaBacklog = field(default_factory=rows.MediaBacklog)
    waits: str = ""
    error: str = ""
    sent_bytes: int = 0  # of this run of the program


async def run_media(
    store: Store,
    client: CloudClient,
    content: Content,
    keeping: rows.Keeping,
    *,
    when: str,
    max_bytes_s: float = 0.0,
    task_status: trio.TaskStatus[MediaLink] = trio.TASK_STATUS_IGNORED,
) -> None:
    """`when`: idle, always. Until cancelled. Raises StoreBroken."""
    sender = Sender(store, client, content, keeping, is_always=when == "always", max_bytes_s=max_bytes_s)
    task_status.started(sender.shown)
    backoff = Backoff(base_s=1.0, cap_s=RETRY_MAX_S)
    while True:
        try:
            did = await sender.step()
            backoff.reset()
            sender.shown.error = ""
            pause_s = 0.0 if did else LOOK_S
        except (Refused, Unavailable) as error:
            pause_s = max(backoff.next_s(), getattr(error, "retry_after_s", 0.0))
            if error.detail != sender.shown.error:
                log.warning("media_not_sent", reason=error.detail, code=error.code, again_s=round(pause_s, 1))
            sender.shown.error = error.detail
        await trio.sleep(pause_s)


class Sender:
    """`step` is one exchange with the cloud, or one plan."""

    def __init__(
        self,
        store: Store,
        client: CloudClient,
        content: Content,
        keeping: rows.Keeping,
        *,
        is_always: bool,
        max_bytes_s: float = 0.0,
    ) -> None:
        self._store, self._client, self._content = store, client, content
        self._keeping, self._is_always = keeping, is_always
        self._bucket = Bucket(max_bytes_s)
        self._piece = next_size(FIRST_PIECE // 2, 0.0, max_bytes_s)
        self._kept: tuple[str, Planned] | None = None  # of the job under way
        self.shown = MediaLink()

    async def step(self) -> bool:
        """Do what is next; False: there is nothing to do now. Raises Refused, Unavailable."""
        if await self._store.read(rows.is_any_wanted):
            await self._store.write(partial(rows.take_wanted, keeping=self._keeping))
        is_running = not self._is_always and await self._store.read(rows.is_session_running)
        job = await self._store.read(partial(rows.next_job, may_send=not is_running))
        self.shown.backlog = await self._store.read(rows.read_backlog)
        self.shown.waits = "a session runs" if is_running and self.shown.backlog.files else ""
        if job is None:
            return False
        try:
            if job.state is MediaState.ASKED:
                await self._plan(job)
                return True
            if not job.upload_path:
                job = await self._begin(job)
            if job.state is MediaState.SENT:
                return await self._look(job)
            await self._send(job)
        except Lost as error:
            log.error("media_lost", media_upload=job.id, reason=str(error))
            await self._store.write(partial(rows.lose, job_id=job.id, reason=str(error)))
        return True

    async def _plan(self, job: Job) -> None:
        span = await self._store.read(partial(rows.span_of, job=job))
        if span is None:
            raise Lost("the session has no beginning or no end")
        plan = await self._content.plan(span)
        ranges = [(each.name, each.offset, each.length) for each in plan.ranges]
        keep = partial(rows.plan, job_id=job.id, header=plan.header, ranges=ranges, size=plan.size)
        await self._store.write(keep)

    async def _begin(self, job: Job) -> Job:
        """Begin its upload; asked for again after a lost answer, the cloud answers with the same one."""
        pairs = {
            "filename": job.filename,
            "kind": job.kind,
            "event_id": job.event_id,
            "session_id": job.session_id,
            "clip_id": job.clip_id,
            "channel_id": job.channel_id,
        }
        headers = {
            **_TUS,
            "Upload-Length": str(job.size),
            "Upload-Metadata": metadata_of(pairs),
            "Idempotency-Key": f"{job.id}:{job.attempt}",
        }
        made = await self._client.call("POST", PATH, headers=headers)
        path = f"{PATH}/{_text(made, 'id')}"
        await self._store.write(partial(rows.begin, job_id=job.id, upload_path=path, attempt=job.attempt))
        return replace(job, upload_path=path, sent_bytes=0)

    async def _send(self, job: Job) -> None:
        """One piece. Raises Lost too."""
        await trio.sleep(self._bucket.wait_s(trio.current_time()))
        length = min(self._piece, job.size - job.sent_bytes)
        clip_file = await self._store.read(partial(rows.clip_file, job=job))
        data = await self._content.read(await self._planned(job), clip_file, job.sent_bytes, length)
        digest = base64.b64encode(hashlib.sha256(data).digest()).decode()
        headers = {**_TUS, "Upload-Offset": str(job.sent_bytes), "Upload-Checksum": f"sha256 {digest}"}
        began_s = trio.current_time()
        try:
            await self._client.call(
                "PATCH",
                job.upload_path,
                body=data,
                content_type=_OFFSET_TYPE,
                headers=headers,
                timeout_s=PIECE_TIMEOUT_S,
            )
        except CloudUnavailable:
            self._piece = next_size(self._piece, None, self._bucket.max_bytes_s)
            await self._catch_up(job)
            raise
        except Refused as refused:
            if refused.code in _GONE:
                await self._anew(job)
                return
            if refused.code not in _ELSEWHERE:
                raise
            await self._catch_up(job)
            if refused.code in ("upload_locked", "checksum_mismatch"):
                raise
            return
        now_s = trio.current_time()
        self._bucket.spend(length, now_s)
        self._piece = next_size(self._piece, now_s - began_s, self._bucket.max_bytes_s)
        self.shown.sent_bytes += length
        await self._arrived(job, job.sent_bytes + length)

    async def _planned(self, job: Job) -> Planned:
        if self._kept is None or self._kept[0] != job.id:
            self._kept = (job.id, await self._store.read(partial(rows.planned_bytes, job_id=job.id)))
        return self._kept[1]

    async def _arrived(self, job: Job, sent_bytes: int) -> None:
        await self._store.write(partial(rows.note_sent, job_id=job.id, sent_bytes=sent_bytes))
        if sent_bytes >= job.size:
            await self._store.write(partial(rows.sent, job_id=job.id))

    async def _catch_up(self, job: Job) -> None:
        """Ask the cloud what it has. Raises Refused, Unavailable."""
        upload = await self._ask(job)
        if upload is not None:
            await self._arrived(job, int(upload.get("received") or 0))

    async def _look(self, job: Job) -> bool:
        """Whether the cloud has made the file of what was sent; False: not yet."""
        upload = await self._ask(job)
        if upload is None:
            return True
        state, reason = _text(upload, "state"), _text(upload, "reason")
        if state == "complete":
            await self._store.write(partial(rows.confirm, job_id=job.id))
            log.info("media_sent", media_upload=job.id, bytes=job.size)
        elif state == "failed":
            log.error("media_failed", media_upload=job.id, reason=reason)
            await self._store.write(partial(rows.fail, job_id=job.id, reason=reason[:300]))
        elif state == "receiving":  # the cloud was restored from a copy
            await self._anew(job)
        return state != "joining"

    async def _ask(self, job: Job) -> dict[str, Any] | None:
        """None: the cloud has no such upload any more, so it is begun anew."""
        try:
            return await self._client.call("GET", job.upload_path, headers=_TUS)
        except Refused as refused:
            if refused.code not in _GONE:
                raise
        await self._anew(job)
        return None

    async def _anew(self, job: Job) -> None:
        log.warning("media_begun_anew", media_upload=job.id)
        await self._store.write(partial(rows.again, job_id=job.id, attempt=job.attempt + 1))


def _text(document: dict[str, Any], name: str) -> str:
    value = document.get(name)
    return value if isinstance(value, str) else ""
