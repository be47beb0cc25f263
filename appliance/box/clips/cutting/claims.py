"""Start cutting in OUT's own transaction when its footage is already indexed.

Owns: which clips those are, and planning them all in one pass. Must not know: waits, deadlines, clips that
could not be planned (cutter.py).
This way a play of four angles takes two commits from OUT to ready instead of one per step. The attempt is
still stored before a byte of footage is read, so a clip that crashes the box is not tried forever.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog

from appliance.box.clips.cutting.planner import PlanTogether, Wanted
from appliance.box.clips.records import cut_states as cuts
from appliance.box.clips.records.cut_states import Job
from appliance.box.clips.records.expiry import footage_is_gone
from appliance.domain import session_counters
from appliance.kernel.operation import Answer
from appliance.kernel.store import Store
from appliance.kernel.tx import Row, Tx
from appliance.media.cut.plan import Plan

log = structlog.get_logger("cutter")


@dataclass(frozen=True, slots=True)
class Claims:
    """The claims of one OUT; `jobs` is valid once the transaction is committed.

    `video_until_us` is called in the writer's thread: it must only look up a number.
    """

    video_until_us: Callable[[str], int | None]
    jobs: list[Job] = field(default_factory=list)

    def take(self, tx: Tx, answer: Answer) -> Answer:
        """Claim the clips of `answer` (a clip or a play) that can be cut at once; returns `answer`."""
        self.jobs.clear()  # a transaction may be run again
        counters: Mapping[str, Any] | None = None
        for clip_id in answer.resource.get("clip_ids", [answer.resource["id"]]):
            row = tx.one("SELECT * FROM clips WHERE id = ? AND duration_us > 0", (clip_id,))
            if row is not None and cuts.is_pending(row) and self._is_there(tx, row, cuts.job_of(row)):
                counters = counters or session_counters(tx, row["session_id"])
                self.jobs.append(cuts.claim_row(tx, row, counters))
        return answer

    def _is_there(self, tx: Tx, row: Row, job: Job) -> bool:
        until_us = self.video_until_us(job.channel_id)
        if until_us is None or until_us - job.latency_ms * 1000 < job.end_us or job.is_export:
            return False
        return footage_is_gone(tx, row, job.start_us, job.end_us - job.start_us) is None


async def cut_together(store: Store, plan_together: PlanTogether, claimed: Sequence[Job]) -> list[Job]:
    """Plan all and store all in one transaction; returns the jobs without a plan."""
    plans = await _plans(plan_together, claimed)
    made = [(job, plan) for job, plan in zip(claimed, plans, strict=True) if plan is not None]
    if made:
        await store.write_retrying(lambda tx: cuts.finish_all(tx, made))
    return [job for job, plan in zip(claimed, plans, strict=True) if plan is None]


async def _plans(plan_together: PlanTogether, claimed: Sequence[Job]) -> Sequence[Plan | None]:
    spans = [Wanted(job.channel_id, job.start_us, job.end_us, job.latency_ms * 1000) for job in claimed]
    try:
        return await plan_together(spans)
    except Exception:  # border: each clip is then cut by itself, which shows the one at fault
        log.exception("cuts_failed_together", clips=[job.clip_id for job in claimed])
        return [None] * len(claimed)
