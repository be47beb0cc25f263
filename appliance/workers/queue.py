"""Jobs waiting for a worker: live before bulk, bounded, level-triggered.

Owns the order and the descriptors of waiting and running jobs. Must not know: processes. Not thread-safe:
trio thread only. Policy when full: refuse. Every waiting job holds descriptors, and callers with more bulk
work keep it as rows.
"""

from __future__ import annotations

import enum
import os
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import trio

from appliance.kernel.errors import Refused, Unavailable
from appliance.workers.jobs import WorkerJob

MAX_WAITING_LIVE = 128
"""A mark makes one picture per camera; more than this means that a client requests in a loop."""
MAX_WAITING_BULK = 512
"""A whole session's export at once."""


class Priority(enum.Enum):
    """LIVE: a person waits for the result. BULK: everything else."""

    LIVE = "live"
    BULK = "bulk"


_BOUNDS = {Priority.LIVE: MAX_WAITING_LIVE, Priority.BULK: MAX_WAITING_BULK}


class JobFailed(Refused):
    """The job was tried, and there is no result.

    code: bad_media (the input), bad_request (our error), io (its files), job_lost (two workers died, hung or
    sent invalid answers on it: `detail` has the reason), abandoned (its caller was cancelled).
    """

    def __init__(self, code: str, detail: str) -> None:
        status = 409 if code == "bad_media" else 500  # 409: the recording is the cause; 500: the box is
        super().__init__(status, code, detail, "look at the recording with `appliance fsck`")


@dataclass(eq=False, slots=True)
class Ticket:
    """One job in the queue or running. Ends with exactly one of `answer` and `error` and its descriptors
    closed."""

    job: WorkerJob[object]
    priority: Priority
    descriptors: tuple[int, ...]
    on_progress: Callable[[float], None]
    attempts: int = 0
    answer: object = None
    error: Exception | None = None
    done: trio.Event = field(default_factory=trio.Event)
    running: trio.CancelScope | None = None
    abandoned: bool = False

    def finish(self, answer: object = None, error: Exception | None = None) -> None:
        if self.done.is_set():
            return
        self.answer, self.error = answer, error
        for descriptor in self.descriptors:
            os.close(descriptor)
        self.done.set()

    def result(self) -> object:
        """The answer; raises the error. Call once."""
        error, self.error = self.error, None
        if error is None:
            return self.answer
        try:
            raise error
        finally:
            del error  # breaks the reference cycle frame - error - ticket


class JobQueue:
    """The queue before `workers` workers."""

    def __init__(self, workers: int) -> None:
        self._waiting: dict[Priority, deque[Ticket]] = {priority: deque() for priority in Priority}
        # With two workers or more one is always free of bulk work, so that a picture never waits for an
        # export.
        self._bulk_room = max(1, workers - 1)
        self._closed: Unavailable | None = None
        self._change = trio.Event()

    def put(
        self,
        job: WorkerJob[object],
        descriptors: Sequence[int],
        priority: Priority,
        report: Callable[[float], None],
    ) -> Ticket:
        """Add a job to the queue. The descriptors are duplicated: the caller may close its own at any time.

        Raises Unavailable when the queue is full or no worker can be started.
        """
        if self._closed is not None:
            raise replace(self._closed)
        line = self._waiting[priority]
        if len(line) >= _BOUNDS[priority]:
            raise Unavailable("workers_busy", f"{len(line)} {priority.value} jobs wait already", "try later")
        ticket = Ticket(job, priority, _duplicate(descriptors), report)
        line.append(ticket)
        self._wake()
        return ticket

    async def take(self) -> Ticket:
        """Wait for and return the next job that this caller may do. Call `release` with it when it is
        over."""
        while (ticket := self._next()) is None:
            await self._change.wait()
        if ticket.priority is Priority.BULK:
            self._bulk_room -= 1
        return ticket

    def release(self, ticket: Ticket) -> None:
        """The job has ended, with any result."""
        if ticket.priority is Priority.BULK:
            self._bulk_room += 1
            self._wake()

    def abandon(self, ticket: Ticket) -> None:
        """Its caller was cancelled.

        A running live job may finish (it is short, a fresh worker costs more); a running bulk job is stopped.
        """
        ticket.abandoned = True
        if ticket in self._waiting[ticket.priority]:
            self._waiting[ticket.priority].remove(ticket)
            ticket.finish(error=JobFailed("abandoned", "its caller was cancelled"))
        elif ticket.running is not None and ticket.priority is Priority.BULK:
            ticket.running.cancel()

    def close(self, reason: Unavailable) -> None:
        """Refuse all waiting and new jobs, until `reopen`."""
        self._closed = reason
        for line in self._waiting.values():
            while line:
                line.popleft().finish(error=replace(reason))

    def reopen(self) -> None:
        self._closed = None

    def waiting(self, priority: Priority) -> int:
        return len(self._waiting[priority])

    def _next(self) -> Ticket | None:
        if self._waiting[Priority.LIVE]:
            return self._waiting[Priority.LIVE].popleft()
        if self._waiting[Priority.BULK] and self._bulk_room > 0:
            return self._waiting[Priority.BULK].popleft()
        return None

    def _wake(self) -> None:
        self._change.set()
        self._change = trio.Event()


def _duplicate(descriptors: Sequence[int]) -> tuple[int, ...]:
    made: list[int] = []
    try:
        for descriptor in descriptors:
            made.append(os.dup(descriptor))
    except OSError:
        for descriptor in made:
            os.close(descriptor)
        raise
    return tuple(made)
