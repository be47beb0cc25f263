"""The clips that wait to be cut, and their deadlines.

Owns: the queue, deadlines, overdue ghosts, clips whose disk failed. It stores no row: the queue is read again
whenever the journal reports a change of a clip or play, and is checked against the row in the transaction
that uses it. Must not know: how a clip is made (job.py).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import structlog
import trio

from appliance.box.clips.cutting.core import FootageState, covered, footage_deadline_s, wait_is_over
from appliance.box.clips.files.footage import Footage
from appliance.box.clips.records import cut_states as cuts
from appliance.box.clips.records.cut_states import Job
from appliance.box.clips.records.marks import MarkRules
from appliance.kernel.clock import Clock
from appliance.kernel.follow import follow
from appliance.kernel.journal import Entry
from appliance.kernel.retry import DiskErrors, RetrySchedule
from appliance.kernel.signal import Signal
from appliance.kernel.store import Store

log = structlog.get_logger("cutter")

QUEUED_AT_ONCE = 20  # exports marked as waiting for a worker in one transaction


@dataclass(slots=True)
class Queue:
    """`wake` is notified when a job may have become due, or finished."""

    store: Store
    footage: Footage
    source_down: Callable[[str], bool]
    rules: MarkRules
    clock: Clock
    started_us: int
    export_slots: int  # exports running at once; 0: exports are not made here
    waiting: dict[str, tuple[Job, float]] = field(default_factory=dict)  # clip id -> job, deadline
    ghosts: list[tuple[float, str, str]] = field(default_factory=list)  # deadline, kind, id
    running: dict[str, Job] = field(default_factory=dict)
    exports_from_s: float = -math.inf  # no export starts before this: the last one got no worker
    retries: RetrySchedule = field(default_factory=RetrySchedule)  # clips whose disk failed
    disk_errors: DiskErrors = field(default_factory=lambda: DiskErrors("cutter"))
    wake: Signal = field(default_factory=Signal)
    loaded_to: int = -1  # the queue reflects the journal's entries up to this seq

    # -- what it holds --------------------------------------------------------------------------

    async def follow_rows(self) -> None:
        """Keep the queue equal to the rows: reload whenever the journal reports a change of a clip or
        play."""
        follower = follow(self.store.journal)
        while True:
            loaded_to = follower.cursor
            jobs, ghosts = await self.store.read(lambda tx: (cuts.waiting_jobs(tx), cuts.open_ghosts(tx)))
            self._load(jobs, ghosts)
            self._set_loaded_to(loaded_to)
            await follower.wait()
            while not follower.skip(_matters):
                self._set_loaded_to(follower.cursor)
                await follower.wait()

    def _set_loaded_to(self, seq: int) -> None:
        self.loaded_to = seq
        self.wake.notify()

    def _load(self, jobs: list[Job], ghosts: list[cuts.Ghost]) -> None:
        now_us, now_s = self.clock.now_us(), trio.current_time()
        known = self.waiting
        self.waiting = {}
        for job in jobs:
            before = known.get(job.clip_id)
            deadline_s = before[1] if before and before[0] == job else self._deadline_s(job, now_us, now_s)
            self.waiting[job.clip_id] = (job, deadline_s)
        self.retries.retain(self.waiting.keys() | self.running.keys())
        self.settled()
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
                self.wake.notify()

    def facts(self, job: Job) -> FootageState:
        latency_us = job.latency_ms * 1000
        until_us = self.footage.video_until_us(job.channel_id)
        return FootageState(
            video_until_us=None if until_us is None else until_us - latency_us,
            run_begun_after_end=self.footage.run_begun_after(job.channel_id, job.end_us + latency_us),
            source_down=self.source_down(job.channel_id),
            newest_part_age_s=self.footage.newest_part_age_s(job.channel_id),
        )

    def is_busy(self, clip_ids: set[str]) -> bool:
        """Whether one of them is being cut, or could be right now."""
        waiting = [job for job, _ in self.waiting.values() if covered(job.end_us, self.facts(job))]
        at_work = [*waiting, *self.running.values()]
        return any(job.clip_id in clip_ids and not job.is_export for job in at_work)

    def lengths(self) -> dict[str, int]:
        """For health and metrics."""
        exports = sum(job.is_export for job, _ in self.waiting.values())
        return {
            "waiting": len(self.waiting) - exports,
            "running": len(self.running),
            "ghosts": len(self.ghosts),
            "exports": exports,
        }

    # -- what is due ----------------------------------------------------------------------------

    def due(self, now_s: float) -> list[Job]:
        """Jobs whose wait is over. Each counts as running from here on, until `done`."""
        jobs: list[Job] = []
        for job, deadline_s in self.waiting.values():
            if job.clip_id in self.running or now_s < self.retries.not_before_s(job.clip_id):
                continue
            if not wait_is_over(job.end_us, self.facts(job), now_s=now_s, deadline_s=deadline_s):
                continue
            if not job.is_export or self._may_export(now_s):
                self.running[job.clip_id] = job
                jobs.append(job)
        return jobs

    def done(self, clip_ids: list[str]) -> None:
        for clip_id in clip_ids:
            del self.running[clip_id]
        self.wake.notify()

    def _may_export(self, now_s: float) -> bool:
        """Exports wait as rows, not in the workers' queue: a crash then counts against the running one
        only."""
        at_work = sum(job.is_export for job in self.running.values())
        return now_s >= self.exports_from_s and at_work < self.export_slots

    def next_deadline_s(self, now_s: float) -> float:
        """The earliest deadline, but each second while a source is down (its last part's age must be
        checked)."""
        idle = [(job, at) for job, at in self.waiting.values() if job.clip_id not in self.running]
        off_s = self.retries.not_before_s
        times = [max(at, off_s(job.clip_id)) for job, at in idle if at > now_s or not job.is_export]
        times += [at for job, _ in idle if (at := off_s(job.clip_id)) > now_s]
        if self.exports_from_s > now_s and any(job.is_export for job, _ in idle):
            times.append(self.exports_from_s)
        times += [at for at, _, _ in self.ghosts]
        if any(self.source_down(job.channel_id) for job, _ in self.waiting.values()):
            times.append(now_s + 1.0)
        return max(min(times, default=math.inf), now_s + 0.001)

    async def mark_queued(self) -> None:
        """Mark exports that wait for a worker, no longer for footage."""
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
                await self.store.write_retrying(partial(cuts.queue_for_worker, jobs=some))
            await self.wake.wait_past(seen)

    async def close_overdue(self, now_s: float) -> None:
        """End the ghosts that have reached the maximum length of a clip."""
        overdue = [ghost for ghost in self.ghosts if ghost[0] <= now_s]
        # before the writes: each one wakes follow_rows, which loads a new list meanwhile
        self.ghosts = [ghost for ghost in self.ghosts if ghost[0] > now_s]
        for _, kind, row_id in overdue:
            await self.store.write_retrying(
                partial(cuts.close_overdue, rules=self.rules, kind=kind, row_id=row_id)
            )

    # -- disks that refuse ----------------------------------------------------------------------

    def refuse(self, job: Job, error: OSError) -> bool:
        """Schedule a retry. False: the disk has failed for so long that the clip must fail."""
        log.warning("cut_put_off", clip=job.clip_id, channel=job.channel_id, reason=str(error))
        self.disk_errors.record("cutting", error)
        return self.retries.postpone(job.clip_id)

    def settled(self, job: Job | None = None) -> None:
        """Its disk works again, or the failed clip is gone."""
        if job is not None:
            self.retries.forget(job.clip_id)
        if not self.retries:
            self.disk_errors.clear("cutting")


def _matters(entry: Entry) -> bool:
    return entry.type.startswith(("clip_", "play_", "session_deleted"))
