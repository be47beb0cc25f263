"""Asks the cloud for what is new, stores it, and asks again, until cancelled.

Owns: when to ask: at once after a nudge and after every pause of the nudging socket; without that socket by
requests that the cloud holds until something is new. Must not know: SQL, what a resource means.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Final, Protocol

import structlog
import trio

from appliance.box.sync.client import CloudClient, CloudUnavailable
from appliance.box.sync.down.model import Answer, BadAnswer, read_answer
from appliance.box.sync.down.replicas import (
    OnEvent,
    Position,
    apply_changes,
    apply_snapshot,
    events,
    forget_cursor,
    position,
)
from appliance.kernel.clock import Clock
from appliance.kernel.errors import Refused, Unavailable
from appliance.kernel.retry import Backoff
from appliance.kernel.signal import Signal
from appliance.kernel.store import Store
from appliance.kernel.tx import Tx

log = structlog.get_logger("sync")

CHANGES: Final = "/edge/v1/changes"
SNAPSHOT: Final = "/edge/v1/snapshot"
WAIT_S: Final = 25.0  # the cloud holds a request for so long
ANSWER_S: Final = 20.0  # it may take so long besides
LEAST_S: Final = 1.0  # from one such question to the next
REST_S: Final = 60.0  # asked again after so long although no nudge came
CAP_S: Final = 60.0  # longest pause after a failure
PAGES_MAX: Final = 1000  # of a snapshot


class Reports(Protocol):
    """Where the result of each call is recorded (sync/link.py)."""

    def worked(self, direction: str, now_us: int) -> None: ...

    def failed(self, direction: str, error: Refused | Unavailable, now_us: int) -> bool: ...


@dataclass(slots=True)
class Nudges:
    """`signal`: notified for each nudge, and when the socket connects or ends. `are_heard`: it is there."""

    signal: Signal = field(default_factory=Signal)
    are_heard: bool = False

    def set_heard(self, are_heard: bool) -> None:
        self.are_heard = are_heard
        self.signal.notify()


@dataclass(frozen=True, slots=True)
class Reading:
    """The cloud that is read, for which site, and where the result of each call is recorded."""

    client: CloudClient
    url: str
    site_id: str
    reports: Reports


@dataclass(slots=True)
class Down:
    """`on_event`: for each event that is stored, in the same transaction; None: nothing. `position`: as it
    was stored last, for health."""

    store: Store
    clock: Clock
    reading: Reading
    nudges: Nudges
    on_event: OnEvent | None = None
    position: Position = field(default_factory=Position)
    _is_new: bool = False  # the cursor is that of a snapshot

    async def run(self, *, task_status: trio.TaskStatus[Down] = trio.TASK_STATUS_IGNORED) -> None:
        """Until cancelled; errors of cloud and network are reported and tried again."""
        self.position = await self.store.read(partial(position, url=self.reading.url))
        if self.on_event is not None:  # the setting may be new, the events known
            await self.store.write_retrying(partial(_plan_known, on_event=self.on_event))
        task_status.started(self)
        backoff = Backoff(base_s=1.0, cap_s=CAP_S)
        while True:
            seen, asked_s = self.nudges.signal.count, trio.current_time()
            try:
                more = await self.ask()
            except (Refused, Unavailable) as error:
                pause_s = await self._failed(error, backoff)
            else:
                backoff.reset()
                least_s = max(0.0, asked_s + LEAST_S - trio.current_time())  # a cloud that does not hold it
                pause_s = 0.0 if more else REST_S if self.nudges.are_heard else least_s
            with trio.move_on_after(pause_s):
                await self.nudges.signal.wait_past(seen)

    async def ask(self) -> bool:
        """One question and its answer, stored; True: there is more. Raises Refused, Unavailable."""
        if self.position.cursor:
            more = await self._changes()
        else:
            more = await self._snapshot()
        self.reading.reports.worked("down", self.clock.now_us())
        return more

    async def _changes(self) -> bool:
        asked = self.position.cursor
        wait_s = 0.0 if self.nudges.are_heard else WAIT_S
        params = {"cursor": asked, "wait": f"{wait_s:g}"}
        try:
            answer = await self._call(CHANGES, params, wait_s + ANSWER_S)
        except Refused as error:
            if error.status != 410:
                raise
            log.warning("cloud_cursor_expired", reason=error.detail)
            await self._write(partial(forget_cursor, url=self.reading.url))
            if self._is_new:
                raise _unusable("the cloud does not know the cursor of its own snapshot") from None
            return True
        write = partial(
            apply_changes, url=self.reading.url, asked=asked, answer=answer, on_event=self.on_event
        )
        await self._write(write)
        self._is_new = False
        return answer.more and bool(answer.changes)

    async def _snapshot(self) -> bool:
        pages = [await self._call(SNAPSHOT, {}, ANSWER_S)]
        while (following := pages[-1].next) is not None:
            if len(pages) == PAGES_MAX:
                raise _unusable("the cloud's snapshot does not end")
            pages.append(await self._call(SNAPSHOT, {"page": following}, ANSWER_S))
        write = partial(apply_snapshot, url=self.reading.url, asked="", pages=pages, on_event=self.on_event)
        await self._write(write)
        self._is_new = True
        log.info("replicas_replaced", changes=sum(len(page.changes) for page in pages))
        return True  # what came meanwhile

    async def _call(self, path: str, params: dict[str, str], timeout_s: float) -> Answer:
        value = await self.reading.client.call("GET", path, params=params, timeout_s=timeout_s)
        try:
            return read_answer(value, self.reading.site_id)
        except BadAnswer as error:
            raise _unusable(str(error)) from None

    async def _write(self, closure: Callable[[Tx], object]) -> None:
        def written(tx: Tx) -> Position:
            closure(tx)
            return position(tx, self.reading.url)

        try:
            self.position = await self.store.write_retrying(written)
        except BadAnswer as error:
            raise _unusable(str(error)) from None

    async def _failed(self, error: Refused | Unavailable, backoff: Backoff) -> float:
        if self.reading.reports.failed("down", error, self.clock.now_us()):
            log.warning("changes_not_read", code=error.code, reason=error.detail)
        least_s = error.retry_after_s if isinstance(error, Unavailable) else CAP_S / 2
        return max(least_s, backoff.next_s())


def _plan_known(tx: Tx, on_event: OnEvent) -> None:
    for event in events(tx):
        on_event(tx, event, None)


def _unusable(detail: str) -> CloudUnavailable:
    hint = "[cloud] url and token must be those of this site; else tell who runs the cloud"
    return CloudUnavailable("cloud_answer", detail, hint)
