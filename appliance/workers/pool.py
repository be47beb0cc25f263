"""The worker pool: keeps `count` workers alive and gives them jobs. The daemon's only door to FFmpeg code.

Owns the slots and the line in front of them. Must not know what the jobs are for.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar, cast

import trio

from appliance.kernel.errors import Unavailable
from appliance.workers.jobs import FrameJob, Job, Picture, ThumbnailJob
from appliance.workers.queue import JobFailed, JobQueue, Priority
from appliance.workers.slot import Shared, Slot, SlotState

__all__ = ["JobFailed", "Picture", "PoolStatistics", "Priority", "WorkerPoolHandle", "run_worker_pool"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PoolStatistics:
    """A copy, taken at one moment. `lost` counts workers, `interrupted` those of them that had a job in hand;
    `done` and `failed` count jobs."""

    slots: tuple[SlotState, ...]
    waiting_live: int
    waiting_bulk: int
    done: int
    failed: int
    lost: int
    interrupted: int


@dataclass(frozen=True, slots=True)
class WorkerPoolHandle:
    """What others hold. Every job may raise Unavailable (no worker, line full, stopping) or JobFailed."""

    _shared: Shared

    async def run(
        self,
        job: Job[T],
        descriptors: Sequence[int],
        priority: Priority = Priority.LIVE,
        on_progress: Callable[[float], None] = lambda second: None,
    ) -> T:
        """Do `job` with `descriptors`, inputs first, output last; they stay the caller's to close.

        Cancelled: a waiting job is dropped, running bulk work is stopped, a running live job ends unheard.
        """
        queue = self._shared.queue
        ticket = queue.put(job, descriptors, priority, on_progress)
        try:
            await ticket.done.wait()
        finally:
            if not ticket.done.is_set():
                queue.abandon(ticket)
        return cast(T, ticket.result())

    async def thumbnail(
        self, job: ThumbnailJob, recording: int, priority: Priority = Priority.LIVE
    ) -> Picture:
        """The JPEG of one keyframe of the open `recording`."""
        return await self._picture(job, (recording,), priority)

    async def frame(
        self, job: FrameJob, inputs: Sequence[int], priority: Priority = Priority.LIVE
    ) -> Picture:
        """The JPEG of one exact frame of the MP4 that `job.pieces` of `inputs` make."""
        return await self._picture(job, inputs, priority)

    def statistics(self) -> PoolStatistics:
        shared = self._shared
        return PoolStatistics(
            slots=tuple(replace(slot) for slot in shared.slots),
            waiting_live=shared.queue.waiting(Priority.LIVE),
            waiting_bulk=shared.queue.waiting(Priority.BULK),
            done=shared.done,
            failed=shared.failed,
            lost=shared.lost,
            interrupted=shared.interrupted,
        )

    async def _picture(self, job: Job[Picture], inputs: Sequence[int], priority: Priority) -> Picture:
        output = os.memfd_create("picture", os.MFD_CLOEXEC)
        try:
            return await self.run(job, (*inputs, output), priority)
        finally:
            os.close(output)


async def run_worker_pool(
    *,
    count: int,
    socket_dir: Path | None = None,
    task_status: trio.TaskStatus[WorkerPoolHandle] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Keep `count` workers running until cancelled.

    Start: the handle is given at once; jobs wait for the first worker (0.1 s). With `socket_dir`, slot n
    uses the unit listening at `<socket_dir>/<n>.sock` where there is one (n from 1), else a child process
    of this thread.
    Stop: waiting jobs end with Unavailable, idle workers leave, busy ones are killed.
    """
    shared = Shared(JobQueue(count), tuple(SlotState(number + 1) for number in range(count)), socket_dir)
    try:
        async with trio.open_nursery() as nursery:
            for state in shared.slots:
                nursery.start_soon(Slot(shared, state).run, name=f"worker slot {state.number}")
            task_status.started(WorkerPoolHandle(shared))
    finally:
        shared.queue.close(Unavailable("stopping", "the box is stopping", "try again in a moment"))
