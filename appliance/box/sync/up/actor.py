"""Sends the journal to the cloud, entry by entry in its order, until cancelled.

Owns: what is done with each answer. A cloud that is gone, slow or broken is asked again, ever more seldom;
one that refuses is asked again too, since only a person can change that, on either side. Nothing of the box's
own waits for the cloud. Must not know: SQL, the wire form.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, Protocol

import structlog
import trio

from appliance.box.sync.client import CloudClient, CloudUnavailable
from appliance.box.sync.link import Link
from appliance.box.sync.up import state as rows
from appliance.box.sync.up.backlog import Backlog, measure
from appliance.box.sync.up.events import CONTENT_TYPE, EVENTS_MAX, Batch, Wire, make_batch, sha256_of
from appliance.box.sync.up.snapshot import Content, ask_commit, send_parts
from appliance.box.sync.up.state import UpState
from appliance.kernel.errors import Refused, Unavailable
from appliance.kernel.follow import follow
from appliance.kernel.retry import Backoff
from appliance.kernel.store import Store
from appliance.kernel.tx import Tx

log = structlog.get_logger("sync")

PATH: Final = "/edge/v1/events"
UP: Final = "up"
SHOW_S: Final = 30.0  # between two requests of a box that has nothing to send: they show that it runs
RETRY_MAX_S: Final = 60.0
REFUSED_MAX_S: Final = 300.0
PAUSE_S: Final = 0.05  # between full batches: draining takes at most half of what marks leave
_NAMES_MAX: Final = 300  # characters
_NOT_HEARD: Final = (401, 403, 429)  # statuses of a refusal that says nothing of what was asked for
_READ: Final = 250  # entries of a batch: building it takes the loop 2 ms


class Clock(Protocol):
    def now_us(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Box:
    """What stays the same while the program runs."""

    site_id: str
    url: str
    version: str
    content: Content
    max_bytes_s: float = 0.0  # 0: no limit


@dataclass(slots=True)
class Uplink:
    """What the actor shows to Health and the metrics. `state` None: nothing was read yet."""

    state: UpState | None = None
    backlog: Backlog = field(default_factory=Backlog)
    sent: int = 0
    parked: int = 0


async def run_up(
    store: Store,
    client: CloudClient,
    link: Link,
    clock: Clock,
    box: Box,
    *,
    task_status: trio.TaskStatus[Uplink] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Until cancelled. Raises StoreBroken."""
    up = Upstream(store, client, link, clock, box)
    task_status.started(up.shown)
    backoff = Backoff(base_s=1.0, cap_s=RETRY_MAX_S)
    while True:
        try:
            await up.step()
            backoff.reset()
        except (Refused, Unavailable) as error:
            backoff.cap_s = REFUSED_MAX_S if isinstance(error, Refused) else RETRY_MAX_S
            pause_s = max(backoff.next_s(), getattr(error, "retry_after_s", 0.0))
            is_cloud = isinstance(error, Refused | CloudUnavailable)  # else the box's own database
            if is_cloud and link.failed(UP, error, clock.now_us()):
                log.warning("not_sent", reason=error.detail, code=error.code, again_s=round(pause_s, 1))
            await up.measure()
            await trio.sleep(pause_s)


class Upstream:
    """What is sent next. `step` is one exchange with the cloud, or a wait for something to send."""

    def __init__(self, store: Store, client: CloudClient, link: Link, clock: Clock, box: Box) -> None:
        self._store, self._client, self._link, self._clock, self._box = store, client, link, clock, box
        self.shown = Uplink()
        self._heard_s = float("-inf")  # when the cloud answered last
        self._anew = Backoff(base_s=1.0, cap_s=REFUSED_MAX_S)  # of a cloud that asks for it again and again
        self._limit = _READ  # entries of the next batch: fewer while a slow line carries none in time

    async def step(self) -> None:
        """Send what is next: a snapshot, a batch, or that the box is there. Raises Refused, Unavailable."""
        state = self.shown.state
        if state is None:
            ensure = partial(rows.ensure_state, url=self._box.url, box_id=self._client.box_id)
            state = self.shown.state = await self._store.write(ensure)
        if state.snapshot_seq is not None:
            await self._snapshot(state)
            return
        entries = await self._entries(state)
        if entries is None:
            log.warning("pruned_before_upload", acked=state.acked, oldest=self._store.journal.oldest)
            self.shown.state = await self._store.write(_wait_for_snapshot)
            return
        if entries:
            batch = make_batch(entries, self._wire(state))
            await self._send(state, batch)
            await self._pause(batch, is_full=self._store.journal.head > batch.last)
        elif trio.current_time() - self._heard_s >= SHOW_S:
            await self._send(state, None)
            await self.measure()
        else:
            with trio.move_on_after(SHOW_S):
                await follow(self._store.journal, state.acked).wait()

    def _wire(self, state: UpState) -> Wire:
        return Wire(self._box.site_id, state.epoch, self._box.content.share_notes)

    async def _entries(self, state: UpState) -> list[Any] | None:
        """The next ones; None: some were pruned."""
        entries = await self._store.journal.read(state.acked, self._limit)
        if entries and entries[0].seq != state.acked + 1:
            return None
        return entries

    async def _post(self, state: UpState, batch: Batch | None) -> dict[str, Any]:
        body, last = (b"[]", state.acked) if batch is None else (batch.body, batch.last)
        headers = {
            "Sync-After": f"{state.acked}:{state.acked_sha256}",
            "Sync-Epoch": state.epoch,
            "Sync-Backlog": str(max(0, self._store.journal.head - last)),  # when this was taken
            "Box-Version": self._box.version,
        }
        return await self._client.call("POST", PATH, body=body, content_type=CONTENT_TYPE, headers=headers)

    async def _send(self, state: UpState, batch: Batch | None) -> None:
        """Send a batch, or show that the box is there, and follow the answer. Raises Refused for one that
        leads nowhere, Unavailable."""
        try:
            answer = await self._post(state, batch)
        except Refused as error:
            await self._refused(state, error)
            return
        except CloudUnavailable:
            self._limit = max(1, self._limit // 2)
            raise
        self._heard_s = trio.current_time()
        self._limit = min(_READ, self._limit * 2)
        acked, rejected = _whole(answer, "acked_through"), answer.get("rejected", [])
        if not isinstance(rejected, list) or len(rejected) > EVENTS_MAX:
            raise _lie("answered with rejected events that are no list, or more than were sent")
        if acked > self._store.journal.head:
            reason = (
                f"the cloud has entries up to {acked}, and the journal ends at {self._store.journal.head}"
            )
            await self._begin_epoch(state, f"{reason}: the state was set back")
            return
        if batch is not None:
            if acked < batch.first:
                raise _lie(f"acknowledged entry {acked} of a batch that begins at {batch.first}")
            await self._move(state, *await self._up_to(min(acked, batch.last), batch))
            self.shown.sent += batch.last - batch.first + 1
            self._anew.reset()
        elif acked < state.acked:
            await self._move(state, *await self._up_to(acked, None))
        parked = answer.get("parked")
        if type(parked) is int and parked >= 0:  # not of an older cloud; those replayed no longer count
            self.shown.parked = parked
        else:
            self.shown.parked += len(rejected)
        for event in rejected:
            log.warning("parked_in_cloud", parked=str(event)[:300])
        self._link.worked(UP, self._clock.now_us())

    async def _refused(self, state: UpState, error: Refused) -> None:
        """Do what a 409 asks for. Raises the refusal when a person must act."""
        if error.code == "hole":
            expected = _whole(error.extra, "expected")
            if not 1 <= expected <= state.acked:
                raise _lie(f"expects entry {expected}, and {state.acked} was acknowledged last") from error
            log.warning("cloud_is_behind", expected=expected, acked=state.acked)
            await self._move(state, *await self._up_to(expected - 1, None))
            await trio.sleep(self._anew.next_s())  # one that is wrong says it again and again
        elif error.code == "diverged":
            await self._begin_epoch(state, error.detail)
        elif _may_begin(error):
            await self._begin_epoch(state, "an admin of the cloud let this box begin anew")
        elif error.code == "epoch_superseded" and error.extra.get("is_known") is False:
            log.warning("epoch_unknown_to_cloud", epoch=state.epoch)
            self.shown.state = await self._store.write(_wait_for_snapshot)
            await trio.sleep(self._anew.next_s())
        else:
            raise error
        self._link.answered(self._clock.now_us())

    async def _up_to(self, seq: int, batch: Batch | None) -> tuple[int, str]:
        """(seq, sha256 of its entry; "" when the journal no longer has it)."""
        if batch is not None and seq == batch.last:
            return seq, batch.sha256
        entries = await self._store.journal.read(seq - 1, 1) if seq > 0 else []
        return seq, sha256_of(entries[0]) if entries and entries[0].seq == seq else ""

    async def _move(self, state: UpState, seq: int, sha256: str) -> None:
        move = partial(rows.move, state=state, seq=seq, sha256=sha256)
        self.shown.state = await self._store.write_retrying(move)

    async def _begin_epoch(self, state: UpState, reason: str) -> None:
        log.error("sync_began_anew", reason=reason, epoch=state.epoch)
        begin = partial(rows.begin_epoch, url=state.url, box_id=state.box_id, reason=reason)
        self.shown.state = await self._store.write_retrying(begin)
        await trio.sleep(self._anew.next_s())

    async def _snapshot(self, state: UpState) -> None:
        try:
            if not state.commit_path:
                state = await self._parts(state)
            await ask_commit(self._client, state.commit_path, state.commit_body.encode())
        except Refused as error:
            if error.status not in _NOT_HEARD:
                self.shown.state = await self._store.write_retrying(rows.drop_commit)
            if error.code == "snapshot_too_old":
                await self._begin_epoch(state, f"the cloud is ahead: {error.detail}")
                return
            if _may_begin(error):
                await self._refused(state, error)
                return
            raise
        self.shown.state = await self._store.write_retrying(rows.end_snapshot)
        self._link.worked(UP, self._clock.now_us())
        await self.measure()
        log.info("snapshot_sent", epoch=state.epoch, as_of_seq=state.snapshot_seq)

    async def _parts(self, state: UpState) -> UpState:
        """Send all parts; the state with the commit that is to be asked for."""
        as_of_seq = await self._store.write(rows.begin_snapshot)
        log.info("snapshot_begins", epoch=state.epoch, as_of_seq=as_of_seq, reason=state.reason)
        await self.measure()
        box = self._box
        commit = await send_parts(
            self._store, self._client, box.content, state.epoch, as_of_seq, state.reason, box.max_bytes_s
        )
        left_out = ", ".join(commit.left_out)[:_NAMES_MAX]
        keep = partial(rows.keep_commit, path=commit.path, body=commit.body.decode(), left_out=left_out)
        self.shown.state = await self._store.write_retrying(keep)
        return self.shown.state

    async def measure(self) -> None:
        """The backlog, for Health. A database that cannot be read is reported by its own part of Health."""
        if self.shown.state is None:
            return
        try:
            self.shown.backlog = await self._store.read(partial(measure, acked=self.shown.state.in_cloud))
        except Unavailable:
            pass

    async def _pause(self, batch: Batch, *, is_full: bool) -> None:
        """Leave the machine to marks while a backlog drains, and the line to others."""
        pause_s = len(batch.body) / self._box.max_bytes_s if self._box.max_bytes_s else 0.0
        if is_full:
            await self.measure()
            pause_s = max(pause_s, PAUSE_S)
        else:
            self.shown.backlog = Backlog()
        if pause_s:
            await trio.sleep(pause_s)


def _may_begin(error: Refused) -> bool:
    """The epoch has ended, and an admin opened the site to its next box."""
    extra = error.extra
    return (
        error.code == "epoch_superseded" and extra.get("is_known") is True and extra.get("may_begin") is True
    )


def _wait_for_snapshot(tx: Tx) -> UpState:
    rows.begin_snapshot(tx)
    return rows.existing_state(tx)


def _whole(answer: Any, name: str) -> int:
    value = answer.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise _lie(f"answered without {name}")
    return value


def _lie(what: str) -> CloudUnavailable:
    return CloudUnavailable("cloud_answer", f"the cloud {what}", "is it the cloud of this box? see its log")
