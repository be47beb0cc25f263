"""Runs the schedules that are due, until cancelled. Every process of the service runs one.

Tournaments run at the same time, so that a slow one delays no other. A run whose process dies is begun again
by another, once its lease is over: updates may be repeated.
"""

from __future__ import annotations

import resource
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

import structlog
import trio

from appliance.cloud.scoring.notices.messages import Receivers, queue_error
from appliance.cloud.scoring.schedules.caller import CallerFailed, ServiceCaller
from appliance.cloud.scoring.schedules.due import Claim, claim_due, next_due_us, prune, record_run
from appliance.cloud.scoring.schedules.model import target_of_row
from appliance.cloud.scoring.schedules.planning import Setting, ensure_daily, plan_rows
from appliance.kernel import json
from appliance.kernel.clock import S_US
from appliance.kernel.errors import Unavailable
from appliance.kernel.follow import Follower, follow
from appliance.kernel.ids import new_uuid
from appliance.kernel.journal import Entry
from appliance.kernel.leases import LeaseLost, keeping_lease
from appliance.kernel.signal import Signal
from appliance.kernel.store import Store

log = structlog.get_logger("scheduler")

AT_ONCE: Final = 32
LOOK_S: Final = 5.0
PRUNE_S: Final = 3600.0


@dataclass
class Scheduler:
    """`ready`: set once the service listens; nothing is called before."""

    store: Store
    caller: ServiceCaller
    setting: Setting
    receivers: Receivers
    owner: str
    ready: Callable[[], bool] = lambda: True
    _under_way: int = 0

    async def serve(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        wake = Signal()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._waking, follow(self.store.journal), wake)
            nursery.start_soon(self._planning, follow(self.store.journal))
            nursery.start_soon(self._pruning)
            task_status.started()
            await self.store.write_retrying(partial(ensure_daily, setting=self.setting))
            while True:
                seen = wake.count
                if self.ready() and self._under_way < AT_ONCE:
                    await self._start_due(nursery, wake)
                with trio.move_on_after(await self._next_look_s()):
                    await wake.wait_past(seen)

    async def _start_due(self, nursery: trio.Nursery, wake: Signal) -> None:
        asked_s = trio.current_time()
        claim = partial(claim_due, setting=self.setting, owner=self.owner, limit=AT_ONCE - self._under_way)
        for claimed in await self.store.write_retrying(claim):
            self._under_way += 1
            nursery.start_soon(self._run, claimed, asked_s, wake, name=f"schedule {claimed.row['id']}")

    async def _run(self, claimed: Claim, asked_s: float, wake: Signal) -> None:
        run_id, begun_s, row = new_uuid(), trio.current_time(), claimed.row
        facts = {"request_id": run_id, "function": row["function"], "schedule": row["id"]}
        log.info("run_started", env=self.setting.environment, stage="caller", **facts)
        try:
            async with keeping_lease(self.store, claimed.lease, asked_s):
                error = await self._call(claimed, run_id)
                took_us = round((trio.current_time() - begun_s) * S_US)
                memory_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
                end = partial(
                    record_run,
                    setting=self.setting,
                    claim=claimed,
                    run_id=run_id,
                    took_us=took_us,
                    memory_mb=memory_mb,
                    error=error,
                )
                await self.store.write_retrying(end)
        except* LeaseLost:
            log.warning("run_lost", **facts)  # another process runs it
        else:
            log.info(
                "run_ended",
                env=self.setting.environment,
                duration_ms=round(took_us / 1000),
                memory_mb=memory_mb,
                status="success" if error is None else "failure",
                reason=error,
                **facts,
            )
        finally:
            self._under_way -= 1
            wake.notify()

    async def _call(self, claimed: Claim, run_id: str) -> str | None:
        """Why the run has failed; None: it has not."""
        row = claimed.row
        target = target_of_row(row, self.caller.base_url())
        try:
            if row["what"] == "daily":
                await self.caller.plan(target)
            elif row["what"] == "knockouts":
                await self.caller.redraw(target)
            else:
                await self.caller.update(target)
        except CallerFailed as failed:
            return failed.detail[:1000]
        except Exception as error:
            log.error("run_crashed", request_id=run_id, schedule=row["id"], exc_info=error)
            tags = {"schedule": row["id"], "run": run_id, "function": row["function"]}
            about = partial(queue_error, receivers=self.receivers, subject=f"run:{run_id}", tags=tags)
            await self.store.write_retrying(partial(about, error=error))
            return f"an error of the program: {type(error).__name__}"
        return None

    # -- what wakes it ---------------------------------------------------------------------------------------

    async def _next_look_s(self) -> float:
        """Leases that other processes release are not in the journal: a look every few seconds."""
        try:
            wait_us = await self.store.read(partial(next_due_us, setting=self.setting))
        except Unavailable:
            return LOOK_S
        return LOOK_S if wait_us is None else min(LOOK_S, max(0.1, wait_us / S_US))

    async def _waking(self, follower: Follower, wake: Signal) -> None:
        while True:
            await follower.wait_for(lambda entry: entry.type == "schedule_changed")
            wake.notify()

    async def _planning(self, follower: Follower) -> None:
        """Matches that are made during the day have their schedules at once."""
        while True:
            await follower.wait_for(_has_new_matches)
            rows = await self.store.write_retrying(partial(plan_rows, setting=self.setting))
            log.info("day_planned", stage="schedule", schedules=len(rows))

    async def _pruning(self) -> None:
        while True:
            while await self.store.write_retrying(prune):
                pass
            await trio.sleep(PRUNE_S)


def _has_new_matches(entry: Entry) -> bool:
    if entry.type != "matches_changed":
        return False
    return bool(json.decode_stored(entry.event).get("created"))
