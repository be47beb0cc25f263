"""One slot of the pool: one worker after another, and the job whose first worker died.

Owns what happens when a worker is lost: the job is tried once more on a fresh worker, then fails with the
reason; a worker that dies repeatedly is restarted with growing pauses. Must not know: what jobs are for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count as count_up
from pathlib import Path

import trio

from appliance.kernel.errors import Unavailable
from appliance.kernel.retry import Backoff
from appliance.workers.protocol import Done, Failed, WorkerHello, WorkerProtocolError, WorkerRequest
from appliance.workers.queue import JobFailed, JobQueue, Ticket
from appliance.workers.worker import Worker, WorkerLost, open_worker

MAX_ATTEMPTS = 2
JOBS_PER_WORKER = 1000
"""Jobs until a worker is replaced, so that a leak in a decoder stays small."""
FREE_RESTARTS = 2
"""A job that crashes its worker kills two, and the jobs behind it need not wait for that. More losses in a
row cause pauses."""
FAILED_STARTS_TO_CLOSE = 3
"""After so many failed starts without another worker, waiting longer is useless: callers get an error."""

_FAILURE_CODES = frozenset({"bad_media", "bad_request", "io"})


@dataclass(slots=True)
class SlotState:
    """One worker as shown in /readyz and doctor. `hello` is the last one received, also when that worker is
    gone.
    """

    number: int
    up: bool = False
    hello: WorkerHello | None = None
    job: str = ""
    last_loss: str = ""


@dataclass(slots=True)
class PoolState:
    """What the slots of one pool have in common."""

    queue: JobQueue
    slots: tuple[SlotState, ...]
    socket_dir: Path | None
    done: int = 0
    failed: int = 0
    lost: int = 0
    interrupted: int = 0
    next_id: Callable[[], int] = field(default_factory=lambda: count_up(1).__next__)


class Slot:
    """`run` is a task of the pool and ends by cancellation only."""

    def __init__(self, shared: PoolState, state: SlotState) -> None:
        self._shared = shared
        self._state = state
        self._held: Ticket | None = None
        self._losses_in_a_row = 0
        self._failed_starts = 0
        self._backoff = Backoff(base_s=0.2, cap_s=5.0)

    async def run(self) -> None:
        try:
            while True:
                try:
                    await self._one_worker()
                except WorkerLost as lost:
                    self._after_loss(str(lost))
                if self._losses_in_a_row > FREE_RESTARTS:
                    await trio.sleep(self._backoff.next_s())
        finally:
            self._drop_held(Unavailable("stopping", "the box is stopping", "try again in a moment"))

    async def _one_worker(self) -> None:
        """From start to loss (WorkerLost) or to its last job."""
        self._failed_starts += 1  # until it sends hello
        try:
            async with open_worker(_unit_socket(self._shared.socket_dir, self._state.number)) as worker:
                self._came_up(worker.hello)
                for _ in range(JOBS_PER_WORKER):
                    ticket = self._held or await self._take(worker)
                    await self._do(worker, ticket)
                    self._let_go(ticket)
                    self._losses_in_a_row = 0
                    self._backoff.reset()
        finally:
            self._state.up, self._state.job = False, ""

    async def _take(self, worker: Worker) -> Ticket:
        """The next job. Raises WorkerLost as soon as the idle worker dies, so that no job is wasted on a dead
        worker.
        """
        async with trio.open_nursery() as nursery:

            async def watch() -> None:
                await worker.wait_end()
                nursery.cancel_scope.cancel()

            nursery.start_soon(watch, name="idle worker watch")
            self._held = await self._shared.queue.take()
            nursery.cancel_scope.cancel()
        if self._held is None:
            raise WorkerLost(await worker.last_words())
        return self._held

    async def _do(self, worker: Worker, ticket: Ticket) -> None:
        """Raises WorkerLost when the ticket got no answer."""
        if ticket.abandoned:
            return
        job = ticket.job
        ticket.attempts += 1
        self._state.job = job.kind
        request = WorkerRequest(self._shared.next_id(), job.kind, job.args(), job.cpu_s, job.output_bytes)
        with trio.move_on_after(job.wall_s) as ticket.running:
            reply = await worker.run(request, ticket.descriptors, ticket.on_progress)
            self._conclude(ticket, reply)
        stopped, ticket.running, self._state.job = ticket.running.cancelled_caught, None, ""
        if stopped:
            raise WorkerLost("stopped" if ticket.abandoned else f"killed: not done in {job.wall_s:g} s")

    def _conclude(self, ticket: Ticket, reply: Done | Failed) -> None:
        if isinstance(reply, Failed) and reply.code in _FAILURE_CODES:
            self._shared.failed += 1
            ticket.finish(error=JobFailed(reply.code, reply.detail))
            return
        try:
            if isinstance(reply, Failed):
                raise WorkerProtocolError(f"an unknown failure {reply.code[:40]!r}")
            answer = ticket.job.result(reply.result, ticket.descriptors)
        except WorkerProtocolError as exc:
            raise WorkerLost(f"sent an invalid answer: {exc}") from exc
        self._shared.done += 1
        ticket.finish(answer)

    def _came_up(self, hello: WorkerHello) -> None:
        self._state.up, self._state.hello = True, hello
        self._failed_starts = 0
        self._shared.queue.reopen()

    def _after_loss(self, reason: str) -> None:
        self._shared.lost += 1
        self._losses_in_a_row += 1
        self._state.last_loss = reason
        self._shared.interrupted += self._held is not None and self._held.attempts > 0
        if (ticket := self._held) is not None and (ticket.abandoned or ticket.attempts >= MAX_ATTEMPTS):
            self._shared.failed += 1
            self._drop_held(JobFailed("job_lost", f"{ticket.attempts} workers were lost on it: {reason}"))
        if self._failed_starts >= FAILED_STARTS_TO_CLOSE and not any(slot.up for slot in self._shared.slots):
            closed = Unavailable(
                "no_worker", f"media workers do not start: {reason}", "run `appliance doctor` on the box"
            )
            self._drop_held(closed)
            self._shared.queue.close(closed)

    def _drop_held(self, error: Exception) -> None:
        if self._held is not None:
            self._held.finish(error=error)
            self._let_go(self._held)

    def _let_go(self, ticket: Ticket) -> None:
        ticket.finish(error=JobFailed("abandoned", "its caller was cancelled"))  # no effect after an answer
        self._held = None
        self._shared.queue.release(ticket)


def _unit_socket(socket_dir: Path | None, number: int) -> Path | None:
    """The unit's socket for slot `number`; None = no such unit, use a child process."""
    if socket_dir is None:
        return None
    path = socket_dir / f"{number}.sock"
    return path if path.exists() else None
