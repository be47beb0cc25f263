"""The cutter: watches ended clips and the index, and makes a plan the moment the footage is there.

Owns: the queue of clips that wait, their deadlines, and the jobs under way. It keeps no row: what it holds
is checked against the row in the transaction that uses it. Woken, level-triggered, by the journal and by the
index. One clip's failure is that clip's alone (one of the four borders that catch Exception).
"""

from __future__ import annotations

import math
import os
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

import structlog
import trio

from appliance.clips import cuts
from appliance.clips.claims import Claims, cut_together
from appliance.clips.core import ChannelFacts, covered, footage_deadline_s, wait_is_over
from appliance.clips.cuts import Job
from appliance.clips.expiry import OwnFile
from appliance.clips.exports import STOP_S, BadExport, Exports
from appliance.clips.footage import Footage
from appliance.clips.late import find_late, recut_late
from appliance.clips.marks import MarkRules
from appliance.clips.owncut import OwnCuts, source_of
from appliance.clips.planner import PlanSpan, PlanTogether
from appliance.kernel.backoff import Backoff
from appliance.kernel.clock import Clock, to_rfc3339
from appliance.kernel.errors import Refused, Unavailable
from appliance.kernel.journal import Entry
from appliance.kernel.operation import Answer
from appliance.kernel.putoff import PutOff
from appliance.kernel.signal import Signal
from appliance.kernel.store import Store, StoreBroken
from appliance.kernel.troubles import Troubles
from appliance.kernel.tx import Tx
from appliance.media.plan import NoFootage, Plan
from appliance.web.ranges import FileRange

log = structlog.get_logger("cutter")

QUEUED_AT_ONCE = 20  # exports told in one transaction that they wait for a worker
SETTLE_S = 0.25  # an answer to OUT waits this long for a clip whose footage is there already
LATE_CHECK_S = 2.0  # how often clips with missing footage are held against the index


@dataclass(slots=True)
class _Desk:
    """State of the running cutter."""

    store: Store
    footage: Footage
    source_down: Callable[[str], bool]
    rules: MarkRules
    clock: Clock
    plan_span: PlanSpan
    exports: Exports | None
    own_cuts: OwnCuts | None
    started_us: int
    plan_together: PlanTogether | None = None
    jobs: trio.Nursery | None = None  # None: paused
    waiting: dict[str, tuple[Job, float]] = field(default_factory=dict)  # clip id -> job, deadline
    ghosts: list[tuple[float, str, str]] = field(default_factory=list)  # deadline, kind, id
    running: dict[str, Job] = field(default_factory=dict)
    exports_from_s: float = -math.inf  # none is begun before this: there was no worker for the last one
    put_off: PutOff = field(default_factory=PutOff)  # clips whose disk refused
    troubles: Troubles = field(default_factory=lambda: Troubles("cutter"))
    no_worker: Backoff = field(default_factory=lambda: Backoff(base_s=2.0, cap_s=60.0))
    wake: Signal = field(default_factory=Signal)
    rows_loaded: int = -1  # journal.changed.count the queue was last loaded after

    def facts(self, job: Job) -> ChannelFacts:
        latency_us = job.latency_ms * 1000
        until_us = self.footage.video_until_us(job.channel_id)
        return ChannelFacts(
            video_until_us=None if until_us is None else until_us - latency_us,
            run_begun_after_end=self.footage.run_begun_after(job.channel_id, job.end_us + latency_us),
            source_down=self.source_down(job.channel_id),
            newest_part_age_s=self.footage.newest_part_age_s(job.channel_id),
        )

    async def follow_rows(self) -> None:
        """Keep the queue equal to the rows: reload whenever the journal says a clip or play changed."""
        journal = self.store.journal
        cursor = journal.head
        while True:
            seen = journal.changed.count
            jobs, ghosts = await self.store.read(lambda tx: (cuts.waiting_jobs(tx), cuts.open_ghosts(tx)))
            self._load(jobs, ghosts)
            self.rows_loaded = seen
            self.wake.ring()
            while True:
                await journal.changed.wait_past(seen)
                seen, entries = journal.changed.count, journal.recent(cursor)
                cursor = journal.head
                if entries is None or any(_matters(entry) for entry in entries):
                    break
                self.rows_loaded = seen

    def _load(self, jobs: list[Job], ghosts: list[cuts.Ghost]) -> None:
        now_us, now_s = self.clock.now_us(), trio.current_time()
        known = self.waiting
        self.waiting = {}
        for job in jobs:
            before = known.get(job.clip_id)
            deadline_s = before[1] if before and before[0] == job else self._deadline_s(job, now_us, now_s)
            self.waiting[job.clip_id] = (job, deadline_s)
        self.put_off.keep(self.waiting.keys() | self.running.keys())
        self._settled()
        limit_us = round(self.rules.clips.max_duration_s * 1e6)
        self.ghosts = [(now_s + (g.since_us + limit_us - now_us) / 1e6, g.kind, g.id) for g in ghosts]

    def _deadline_s(self, job: Job, now_us: int, now_s: float) -> float:
        return footage_deadline_s(
            end_us=job.end_us,
            out_received_us=job.out_received_us,
            started_us=self.started_us,
            latency_ms=job.latency_ms,
            wait_s=self.rules.clips.coverage_wait_s,
            now_us=now_us,
            now_s=now_s,
        )

    async def follow_footage(self) -> None:
        seen = self.footage.changed.count
        while True:
            seen = await self.footage.changed.wait_past(seen)
            if self.waiting:
                self.wake.ring()

    async def serve(self, jobs: trio.Nursery) -> None:
        """Start every job whose wait is over; close ghosts nobody ended; sleep until the next deadline."""
        self.jobs = jobs
        while True:
            seen, now_s = self.wake.count, trio.current_time()
            for job, deadline_s in list(self.waiting.values()):
                if job.clip_id in self.running or now_s < self.put_off.until_s(job.clip_id):
                    continue
                if not wait_is_over(job.end_us, self.facts(job), now_s=now_s, deadline_s=deadline_s):
                    continue
                if not job.is_export or self._may_export(now_s):
                    self.running[job.clip_id] = job
                    jobs.start_soon(self.cut, job, name=f"cut {job.clip_id}")
            await self._close_overdue(now_s)
            with trio.move_on_at(self._next_deadline_s(now_s)):
                await self.wake.wait_past(seen)

    def _may_export(self, now_s: float) -> bool:
        """Exports wait as rows, not in the workers' line: a crash then counts against the one under way."""
        if self.exports is None or now_s < self.exports_from_s:
            return False
        return sum(job.is_export for job in self.running.values()) < self.exports.slots

    async def say_queued(self) -> None:
        """Tell of exports that are held up by others, no longer by footage."""
        while True:
            seen, now_s = self.wake.count, trio.current_time()
            queued = [
                job
                for job, deadline_s in self.waiting.values()
                if job.is_export and job.waiting_for == "footage" and job.clip_id not in self.running
                if wait_is_over(job.end_us, self.facts(job), now_s=now_s, deadline_s=deadline_s)
            ]
            if queued:
                some = queued[:QUEUED_AT_ONCE]
                await self.store.insist(partial(cuts.queue_for_worker, jobs=some))
            await self.wake.wait_past(seen)

    def _next_deadline_s(self, now_s: float) -> float:
        """The earliest deadline, and each second while a source is down (its silence is judged by age)."""
        idle = [(job, at) for job, at in self.waiting.values() if job.clip_id not in self.running]
        off_s = self.put_off.until_s
        times = [max(at, off_s(job.clip_id)) for job, at in idle if at > now_s or not job.is_export]
        times += [at for job, _ in idle if (at := off_s(job.clip_id)) > now_s]
        if self.exports_from_s > now_s and any(job.is_export for job, _ in idle):
            times.append(self.exports_from_s)
        times += [at for at, _, _ in self.ghosts]
        if any(self.source_down(job.channel_id) for job, _ in self.waiting.values()):
            times.append(now_s + 1.0)
        return max(min(times, default=math.inf), now_s + 0.001)

    async def _close_overdue(self, now_s: float) -> None:
        overdue = [ghost for ghost in self.ghosts if ghost[0] <= now_s]
        # at once: each write wakes follow_rows, which loads a new list while the next one is written
        self.ghosts = [ghost for ghost in self.ghosts if ghost[0] > now_s]
        for _, kind, row_id in overdue:
            await self.store.insist(partial(cuts.close_overdue, rules=self.rules, kind=kind, row_id=row_id))

    async def follow_late(self) -> None:
        """Re-cut clips whose missing footage has turned up."""
        seen = self.footage.changed.count
        while True:
            seen = await self.footage.changed.wait_past(seen)
            for late in await self.store.read(find_late):
                if late.gained(self.footage):
                    await self.store.insist(partial(recut_late, late=late))
            await trio.sleep(LATE_CHECK_S)

    async def cut(self, waiting: Job) -> None:
        """One job, from claim to ready or failed."""
        try:
            job = await self.store.insist(lambda tx: cuts.claim(tx, waiting))
            if job is not None:
                await self._cut(job)
        finally:
            del self.running[waiting.clip_id]
            self.wake.ring()

    def begin(self, claimed: Sequence[Job]) -> None:
        """Cut what an OUT has claimed."""
        self.running |= {job.clip_id: job for job in claimed}
        if claimed and self.jobs is not None:
            self.jobs.start_soon(self._cut_claimed, claimed, name=f"cut {claimed[0].clip_id} and others")

    async def _cut_claimed(self, claimed: Sequence[Job]) -> None:
        """All in one pass; what it does not get is cut by itself."""
        assert self.plan_together is not None
        try:
            left = await cut_together(self.store, self.plan_together, claimed)
            async with trio.open_nursery() as others:
                for job in left:
                    others.start_soon(self._cut, job, name=f"cut {job.clip_id}")
        finally:
            for job in claimed:
                del self.running[job.clip_id]
            self.wake.ring()

    async def _cut(self, job: Job) -> None:
        try:
            await self._make(job)
        except OSError as error:
            await self._refused(job, error)
        else:
            self._settled(job)

    async def _refused(self, job: Job, error: OSError) -> None:
        """A disk refuses: tried again for ten minutes, then the clip says so."""
        log.warning("cut put off", clip=job.clip_id, channel=job.channel_id, reason=str(error))
        self.troubles.fail("cutting", error)
        if self.put_off.refuse(job.clip_id):
            await self.store.insist(partial(cuts.put_back, job=job, waiting_for="footage"))
            return
        reason = f"The disk refused for ten minutes: {error.strerror or error}"
        await self.store.insist(lambda tx: cuts.fail(tx, job, reason))
        self._settled(job)

    def _settled(self, job: Job | None = None) -> None:
        if job is not None:
            self.put_off.settle(job.clip_id)
        if not self.put_off:
            self.troubles.worked("cutting")

    async def _make(self, job: Job) -> None:
        """Raises OSError: nothing is known of the clip, its disk refuses."""
        try:
            own = await self.store.read(lambda tx: source_of(tx, job))
            if own and self.own_cuts:
                return await self._make_from(own, self.own_cuts, job)
            plan = await self.plan_span(job.channel_id, job.start_us, job.end_us, job.latency_ms * 1000)
        except NoFootage:
            span = f"{to_rfc3339(job.start_us)} - {to_rfc3339(job.end_us)}"
            await self.store.insist(lambda tx: cuts.fail(tx, job, f"No footage of {job.channel_id} {span}"))
        except (StoreBroken, OSError):
            raise
        except Exception as error:  # border: one clip's job
            log.exception("cut failed", clip=job.clip_id, channel=job.channel_id)
            reason = f"The recording could not be read: {error or type(error).__name__}"
            await self.store.insist(lambda tx: cuts.fail(tx, job, reason))
        else:
            if job.is_export:
                await self._export(job, plan)
            else:
                await self.store.insist(lambda tx: cuts.finish(tx, job, plan))

    async def _make_from(self, own: OwnFile, own_cuts: OwnCuts, job: Job) -> None:
        """The recording is gone, the clip's file shows all of the span."""
        if not job.is_export:
            return await own_cuts.make(job, own)
        plan, samples = await own_cuts.open(job, own)
        try:
            await self._export(job, plan, samples)
        finally:
            os.close(samples.fd)

    async def _export(self, job: Job, plan: Plan, samples: FileRange | None = None) -> None:
        assert self.exports is not None
        try:
            await self.exports.make(job, plan, samples)
            self.no_worker.reset()
        except Unavailable as error:
            log.warning("export put off", clip=job.clip_id, reason=error.detail)
            self.exports_from_s = trio.current_time() + self.no_worker.next_s()
            await self.store.insist(lambda tx: cuts.put_back(tx, job))
        except (Refused, BadExport) as error:
            log.error("export failed", clip=job.clip_id, mode=job.mode, reason=str(error))
            said = error.detail if isinstance(error, Refused) else str(error)
            reason = f"The clip could not be encoded: {said}"
            await self.store.insist(lambda tx: cuts.fail(tx, job, reason))
        except BaseException:
            if trio.current_effective_deadline() == -math.inf:  # cancelled: the box stops
                with trio.move_on_after(STOP_S, shield=True), suppress(Unavailable):
                    await self.store.write(lambda tx: cuts.put_back(tx, job))
            raise


def _matters(entry: Entry) -> bool:
    return entry.type.startswith(("clip_", "play_", "session_deleted"))


@dataclass(frozen=True, slots=True)
class CutterHandle:
    """What others may ask of the cutter."""

    _desk: _Desk

    async def marked(
        self, write: Callable[[Callable[[Tx], Answer]], Awaitable[Answer]], mark: Callable[[Tx], Answer]
    ) -> Answer:
        """Run a mark's transaction by `write`; clips it ends whose footage is there are begun with it."""
        desk = self._desk
        if desk.plan_together is None or desk.jobs is None:
            return await write(mark)
        claims = Claims(desk.footage.video_until_us)
        answer = await write(lambda tx: claims.take(tx, mark(tx)))
        desk.begin(claims.jobs)  # nothing can cancel us between the commit and here: no claim is left lying
        return answer

    async def settle(self, clip_ids: list[str]) -> None:
        """Wait, at most 0.25 s, until none of these clips could be cut right now: so that the answer to an
        OUT whose footage is indexed already carries a stream_url."""
        desk = self._desk
        wanted = set(clip_ids)
        asked = desk.store.journal.changed.count
        with trio.move_on_after(SETTLE_S):
            while desk.rows_loaded < asked or self._busy(wanted):
                await desk.wake.wait_past(desk.wake.count)

    def _busy(self, wanted: set[str]) -> bool:
        desk = self._desk
        waiting = [job for job, _ in desk.waiting.values() if covered(job.end_us, desk.facts(job))]
        at_work = [*waiting, *desk.running.values()]
        return any(job.clip_id in wanted and not job.is_export for job in at_work)

    @property
    def troubles(self) -> Troubles:
        """What disks said to it, for health."""
        return self._desk.troubles

    def statistics(self) -> dict[str, int]:
        """Queue lengths for health and metrics."""
        desk = self._desk
        exports = sum(job.is_export for job, _ in desk.waiting.values())
        return {
            "waiting": len(desk.waiting) - exports,
            "running": len(desk.running),
            "ghosts": len(desk.ghosts),
            "exports": exports,
        }


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
    paused: bool = False,
    task_status: trio.TaskStatus[CutterHandle] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Cut clips until cancelled.

    `paused` (safe mode): marks queue up and nothing is cut. Without `exports` clips of other modes than
    instant stay pending; without `plan_together` an OUT claims nothing.
    Start: jobs a crash left running are pending again. Stop: cancel; a job in between its transactions is
    found again at the next start. Raises: StoreBroken.
    """
    desk = _Desk(store, footage, source_down, rules, clock, plan_span, exports, own_cuts, clock.now_us())
    desk.plan_together = plan_together
    async with trio.open_nursery() as nursery:
        try:
            await store.write(cuts.recover)
        except Unavailable:  # the box starts on a full disk too: health says so, and what is ready plays
            nursery.start_soon(store.insist, cuts.recover, name="cutter: recovery")
        nursery.start_soon(desk.follow_rows, name="cutter: rows")
        task_status.started(CutterHandle(desk))
        if paused:
            return
        nursery.start_soon(desk.follow_footage, name="cutter: footage")
        nursery.start_soon(desk.follow_late, name="cutter: late footage")
        nursery.start_soon(desk.say_queued, name="cutter: queued exports")
        nursery.start_soon(desk.serve, nursery, name="cutter: queue")
