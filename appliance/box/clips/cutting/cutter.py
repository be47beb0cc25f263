"""The cutter: an actor that makes a plan of every ended clip as soon as its footage is indexed.

Owns: when jobs begin. Woken, level-triggered, by the journal and by the index. The waiting clips are in
queue.py, making one clip in job.py.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial

import trio

from appliance.box.clips.cutting.claims import Claims
from appliance.box.clips.cutting.exports import Exports
from appliance.box.clips.cutting.from_own_file import OwnCuts
from appliance.box.clips.cutting.job import Cutting
from appliance.box.clips.cutting.late_footage import LateFootage
from appliance.box.clips.cutting.planner import PlanSpan, PlanTogether
from appliance.box.clips.cutting.queue import Queue
from appliance.box.clips.files.footage import Footage
from appliance.box.clips.records import cut_states as cuts
from appliance.box.clips.records.cut_states import Job
from appliance.box.clips.records.marks import MarkRules
from appliance.kernel.clock import Clock
from appliance.kernel.errors import Unavailable
from appliance.kernel.operation import Answer
from appliance.kernel.retry import DiskErrors
from appliance.kernel.store import Store
from appliance.kernel.tx import Tx

SETTLE_S = 0.25  # seconds that an answer to OUT waits for a clip whose footage is indexed already


@dataclass(slots=True)
class CutterHandle:
    """What other modules may call."""

    _queue: Queue
    _cutting: Cutting
    _jobs: trio.Nursery | None = None  # None: paused, or not yet started

    async def marked(
        self, write: Callable[[Callable[[Tx], Answer]], Awaitable[Answer]], mark: Callable[[Tx], Answer]
    ) -> Answer:
        """Run a mark's transaction with `write`; start cutting the clips it ends whose footage is indexed."""
        if self._cutting.plan_together is None or self._jobs is None:
            return await write(mark)
        claims = Claims(self._queue.footage.video_until_us)
        try:
            answer = await write(lambda tx: claims.take(tx, mark(tx)))
        except Unavailable:
            if claims.jobs:  # the COMMIT may have been made, and only its answer is missing
                self._jobs.start_soon(self._cut_if_claimed, tuple(claims.jobs))
            raise
        if claims.jobs:  # nothing can cancel this task between the commit and here, so no claim is lost
            self._start(claims.jobs)
        return answer

    def _start(self, claimed: Sequence[Job]) -> None:
        assert self._jobs is not None
        self._queue.running |= {job.clip_id: job for job in claimed}
        self._jobs.start_soon(self._cutting.cut_claimed, claimed, name=f"cut {claimed[0].clip_id} and others")

    async def _cut_if_claimed(self, jobs: Sequence[Job]) -> None:
        """Cut what a COMMIT that was not answered has claimed; otherwise it would wait for the next start."""
        made = await self._cutting.store.write_retrying(
            lambda tx: [job for job in jobs if cuts.is_wanted(tx, job)]
        )
        if left := [job for job in made if job.clip_id not in self._queue.running]:
            self._start(left)

    async def settle(self, clip_ids: list[str]) -> None:
        """Wait, at most 0.25 s, until none of these clips could be cut right now: so that the answer to an
        OUT whose footage is indexed already contains a stream_url."""
        queue, wanted = self._queue, set(clip_ids)
        head = queue.store.journal.head
        with trio.move_on_after(SETTLE_S):
            while queue.loaded_to < head or queue.is_busy(wanted):
                await queue.wake.wait_past(queue.wake.count)

    @property
    def disk_errors(self) -> DiskErrors:
        """Current disk errors of the cutter, for health."""
        return self._queue.disk_errors

    def cut_too_often(self) -> dict[str, int]:
        """Clips cut more than three times in the last minute without a person's request, with the number of
        cuts."""
        return self._cutting.rate.too_often()

    def statistics(self) -> dict[str, int]:
        """Queue lengths for health and metrics."""
        return self._queue.lengths()


async def run_cutter(
    *,
    store: Store,
    footage: Footage,
    source_down: Callable[[str], bool],
    rules: MarkRules,
    clock: Clock,
    plan_span: PlanSpan,
    plan_together: PlanTogether | None = None,
    exports: Exports | None = None,
    own_cuts: OwnCuts | None = None,
    hold: trio.Event | None = None,
    task_status: trio.TaskStatus[CutterHandle] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Cut clips until cancelled.

    Until `hold` is set (safe mode) marks queue up and nothing is cut. Without `exports`, clips of other modes
    than instant stay pending; without `plan_together`, OUT claims nothing.
    Start: jobs that a crash left running become pending again. Stop: cancel; a job between two transactions
    is resumed at the next start. Raises: StoreBroken.
    """
    slots = 0 if exports is None else exports.slots
    queue = Queue(store, footage, source_down, rules, clock, clock.now_us(), slots)
    cutting = Cutting(store, queue, plan_span, plan_together, exports, own_cuts)
    handle = CutterHandle(queue, cutting)
    async with trio.open_nursery() as nursery:
        interrupted = await store.read(cuts.running_jobs)
        recover = partial(cuts.recover, jobs=interrupted)
        try:
            await store.write(recover)
        except Unavailable:  # the box starts on a full disk too: health reports it, and ready clips play
            nursery.start_soon(store.write_retrying, recover, name="cutter: recovery")
        nursery.start_soon(queue.follow_rows, name="cutter: rows")
        task_status.started(handle)
        if hold is not None:
            await hold.wait()
        nursery.start_soon(queue.follow_footage, name="cutter: footage")
        late = LateFootage(store, footage, plan_span, cutting.rate)
        nursery.start_soon(late.follow, name="cutter: late footage")
        nursery.start_soon(queue.mark_queued, name="cutter: queued exports")
        handle._jobs = nursery
        nursery.start_soon(_serve, queue, cutting, nursery, name="cutter: queue")


async def _serve(queue: Queue, cutting: Cutting, jobs: trio.Nursery) -> None:
    """Start every job whose wait is over; close overdue ghosts; sleep until the next deadline."""
    while True:
        seen, now_s = queue.wake.count, trio.current_time()
        for job in queue.due(now_s):
            jobs.start_soon(cutting.cut, job, name=f"cut {job.clip_id}")
        await queue.close_overdue(now_s)
        with trio.move_on_at(queue.next_deadline_s(now_s)):
            await queue.wake.wait_past(seen)
