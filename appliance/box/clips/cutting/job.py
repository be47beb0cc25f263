"""One clip's job, from its claim to ready or failed.

Owns: what happens to a job whose footage, disk or worker is missing. An unexpected error fails one clip only
(one of the four borders that catch Exception). Must not know: which job is due when (queue.py).
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

import structlog
import trio

from appliance.box.clips.cutting.claims import cut_together
from appliance.box.clips.cutting.cut_rate import CutRate
from appliance.box.clips.cutting.exports import STOP_S, BadExport, Exports
from appliance.box.clips.cutting.from_own_file import OwnCuts, source_of
from appliance.box.clips.cutting.planner import PlanSpan, PlanTogether
from appliance.box.clips.cutting.queue import Queue
from appliance.box.clips.records import cut_states as cuts
from appliance.box.clips.records.cut_states import Job, shown_us
from appliance.box.clips.records.expiry import OwnFile
from appliance.http.ranges import FileRange
from appliance.kernel.clock import to_rfc3339
from appliance.kernel.errors import Refused, Unavailable
from appliance.kernel.retry import Backoff
from appliance.kernel.store import Store, StoreBroken
from appliance.media.cut.plan import NoEntry, NoFootage, Plan

log = structlog.get_logger("cutter")


@dataclass(slots=True)
class Cutting:
    """What every job needs."""

    store: Store
    queue: Queue
    plan_span: PlanSpan
    plan_together: PlanTogether | None
    exports: Exports | None
    own_cuts: OwnCuts | None
    rate: CutRate = field(default_factory=CutRate)
    no_worker: Backoff = field(default_factory=lambda: Backoff(base_s=2.0, cap_s=60.0))

    async def cut(self, waiting: Job) -> None:
        """Run a job that is due."""
        try:
            claim, again = partial(cuts.claim, job=waiting), partial(cuts.claim_again, job=waiting)
            job = await self.store.write_retrying(claim, again)
            if job is not None:
                await self._cut(job)
        finally:
            self.queue.done([waiting.clip_id])

    async def cut_claimed(self, claimed: Sequence[Job]) -> None:
        """Cut what an OUT has claimed: all in one pass; a clip without a plan is then cut by itself."""
        assert self.plan_together is not None
        try:
            left = await cut_together(self.store, self.plan_together, claimed)
            for job in claimed:
                if job not in left:
                    self.rate.note(job.clip_id, _requested(job))
            async with trio.open_nursery() as others:
                for job in left:
                    others.start_soon(self._cut, job, name=f"cut {job.clip_id}")
        finally:
            self.queue.done([job.clip_id for job in claimed])

    async def _cut(self, job: Job) -> None:
        try:
            await self._make(job)
        except OSError as error:
            await self._refused(job, error)
        else:
            self.queue.settled(job)
            self.rate.note(job.clip_id, _requested(job))

    async def _refused(self, job: Job, error: OSError) -> None:
        """A disk error: retried for ten minutes, then the clip fails with the reason."""
        if self.queue.refuse(job, error):
            await self.store.write_retrying(partial(cuts.put_back, job=job, waiting_for="footage"))
            return
        reason = f"The disk refused for ten minutes: {error.strerror or error}"
        await self.store.write_retrying(lambda tx: cuts.fail(tx, job, reason))
        self.queue.settled(job)

    async def _make(self, job: Job) -> None:
        """Raises OSError on a disk error, which says nothing about the clip."""
        had_us = 0
        try:
            own = await self.store.read(lambda tx: source_of(tx, job))
            if own and self.own_cuts:
                had_us = job.end_us - job.start_us  # its file shows all of the span
                return await self._make_from(own, self.own_cuts, job)
            plan = await self.plan_span(job.channel_id, job.start_us, job.end_us, job.latency_ms * 1000)
        except NoEntry as error:
            reason = f"{job.channel_id}: {error}"
            await self.store.write_retrying(lambda tx: cuts.fail(tx, job, reason))
        except NoFootage:
            span = f"{to_rfc3339(job.start_us)} - {to_rfc3339(job.end_us)}"
            await self.store.write_retrying(
                lambda tx: cuts.fail(tx, job, f"No footage of {job.channel_id} {span}")
            )
        except (StoreBroken, OSError):
            raise
        except Exception as error:  # border: one clip's job
            log.exception("cut_failed", clip=job.clip_id, channel=job.channel_id)
            reason = f"The recording could not be read: {error or type(error).__name__}"
            await self.store.write_retrying(lambda tx: cuts.fail(tx, job, reason, had_us))
        else:
            if job.is_export:
                await self._export(job, plan)
            else:
                await self.store.write_retrying(lambda tx: cuts.finish(tx, job, plan))

    async def _make_from(self, own: OwnFile, own_cuts: OwnCuts, job: Job) -> None:
        """Cut from the clip's own file: the recording is gone, and the file shows all of the span."""
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
            log.warning("export_put_off", clip=job.clip_id, reason=error.detail)
            self.queue.exports_from_s = trio.current_time() + self.no_worker.next_s()
            await self.store.write_retrying(lambda tx: cuts.put_back(tx, job))
        except (Refused, BadExport) as error:
            log.error("export_failed", clip=job.clip_id, mode=job.mode, reason=str(error))
            reason_text = error.detail if isinstance(error, Refused) else str(error)
            reason = f"The clip could not be encoded: {reason_text}"
            had_us = shown_us(plan, job.start_us, job.end_us)
            await self.store.write_retrying(lambda tx: cuts.fail(tx, job, reason, had_us))
        except BaseException:
            if trio.current_effective_deadline() == -math.inf:  # cancelled: the box stops
                with trio.move_on_after(STOP_S, shield=True), suppress(Unavailable):
                    await self.store.write(lambda tx: cuts.put_back(tx, job))
            raise


def _requested(job: Job) -> tuple[int, int, str]:
    """What a person requested: a trim or another mode is a different request."""
    return job.start_us, job.end_us, job.mode
