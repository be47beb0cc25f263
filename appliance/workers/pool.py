"""The worker pool: keeps `count` workers alive and gives them jobs. The daemon's only access to FFmpeg code.

Owns the slots and the queue before them. Must not know what the jobs are for.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar, cast

import trio

from appliance.kernel.errors import Unavailable
from appliance.workers.jobs import CheckedJpeg, FrameJob, ThumbnailJob, WorkerJob
from appliance.workers.queue import JobFailed, JobQueue, Priority
from appliance.workers.slot import PoolState, Slot, SlotState

__all__ = ["CheckedJpeg", "JobFailed", "PoolStatistics", "Priority", "WorkerPoolHandle", "run_worker_pool"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PoolStatistics:
    """A copy, taken at one moment. `lost` counts workers, `interrupted` those of them that were doing a job;
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
    """What other modules may call. Every job may raise Unavailable (no worker, queue full, stopping) or
    JobFailed."""

    _shared: PoolState

    async def run(
        self,
        job: WorkerJob[T],
        descriptors: Sequence[int],
        priority: Priority = Priority.LIVE,
        on_progress: Callable[[float], None] = lambda second: None,
    ) -> T:
        """Do `job` with `descriptors`, inputs first, output last; the caller closes them.

        If cancelled: a waiting job is dropped, a running bulk job is stopped, a running live job ends without
        effect.
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
    ) -> CheckedJpeg:
        """The JPEG of one keyframe of the open `recording`."""
        return await self._picture(job, (recording,), priority)

    async def frame(
        self, job: FrameJob, inputs: Sequence[int], priority: Priority = Priority.LIVE
    ) -> CheckedJpeg:
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

    async def _picture(
        self, job: WorkerJob[CheckedJpeg], inputs: Sequence[int], priority: Priority
    ) -> CheckedJpeg:
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

    Start: the handle is returned at once; jobs wait for the first worker (0.1 s). With `socket_dir`, slot n
    uses the unit listening at `<socket_dir>/<n>.sock` if there is one (n from 1), else a child process of
    this thread.
    Stop: waiting jobs end with Unavailable, idle workers leave, busy ones are killed.
    """
    shared = PoolState(JobQueue(count), tuple(SlotState(number + 1) for number in range(count)), socket_dir)
    try:
        async with trio.open_nursery() as nursery:
            for state in shared.slots:
                nursery.start_soon(Slot(shared, state).run, name=f"worker slot {state.number}")
            task_status.started(WorkerPoolHandle(shared))
    finally:
        shared.queue.close(Unavailable("stopping", "the box is stopping", "try again in a moment"))
