"""Runs executions in this process, and those whose process has died. Every process runs one.

Owns: the tasks of the executions that are under way here. A process that ends releases its leases, or they
end by time: then another process closes the execution as failed and runs it again.
"""

from __future__ import annotations

import resource
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import structlog
import trio

from appliance.cloud.scoring.executions.model import Order
from appliance.cloud.scoring.executions.pipeline import Pipeline, Tools
from appliance.cloud.scoring.executions.store import Begun, begin, get_row, take_over
from appliance.kernel.follow import follow
from appliance.kernel.journal import Entry
from appliance.kernel.leases import LeaseLost, keeping_lease
from appliance.kernel.tx import Row

log = structlog.get_logger("pipeline")

WAIT_S: Final = 20.0  # for how long a request waits for the end of its execution
AT_ONCE: Final = 32
LOOK_S: Final = 10.0


@dataclass
class Executor:
    """The handle of the actor. `wait_s`: then a request is answered 202."""

    tools: Tools
    wait_s: float = WAIT_S
    _nursery: trio.Nursery | None = None
    _slots: trio.CapacityLimiter = field(default_factory=lambda: trio.CapacityLimiter(AT_ONCE))

    async def serve(self, *, task_status: trio.TaskStatus[Executor] = trio.TASK_STATUS_IGNORED) -> None:
        """Run what is begun here and what others have left, until cancelled."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            nursery.start_soon(self._taking_over)
            task_status.started(self)

    async def execute(self, order: Order, *, request_id: str = "", created_by: str = "") -> Row:
        """Begin the execution and wait for its end, `wait_s` at most: then the row is in_progress."""
        store = self.tools.store
        follower = follow(store.journal)
        asked_s = trio.current_time()
        begun = await store.write(
            partial(begin, order=order, owner=self.tools.owner, request_id=request_id, created_by=created_by)
        )
        if isinstance(begun, Begun):
            self._start(begun, asked_s)
            execution_id = begun.id
        else:
            execution_id = begun["id"]

        def is_about(entry: Entry) -> bool:
            return entry.subject == f"execution:{execution_id}"

        with trio.move_on_after(self.wait_s):
            while (row := await store.read(partial(get_row, execution_id=execution_id)))["ended_us"] is None:
                await follower.wait_for(is_about)
            return row
        return await store.read(partial(get_row, execution_id=execution_id))

    def _start(self, begun: Begun, asked_s: float) -> None:
        assert self._nursery is not None, "the executor does not run"
        self._nursery.start_soon(self._run, begun, asked_s, name=f"execution {begun.id}")

    async def _run(self, begun: Begun, asked_s: float) -> None:
        tools, order = self.tools, begun.order
        begun_s, row = trio.current_time(), Row()
        facts = {
            "execution_id": begun.id,
            "request_id": begun.request_id,
            "operation": order.operation,
            "tournament": order.tournament_id,
        }
        log.info("execution_started", env=tools.environment, attempt=order.attempt, **facts)
        try:
            async with keeping_lease(tools.store, begun.lease, asked_s), self._slots:
                row = await Pipeline(tools, begun).run()
        except* LeaseLost:
            log.warning("execution_lost", **facts)  # another process has closed it, and runs it again
        if not row:
            return
        log.info(
            "execution_ended",
            env=tools.environment,
            status=row["status"],
            duration_ms=round((trio.current_time() - begun_s) * 1000),
            memory_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
            failures=row["failures"],
            reason=row["error"],
            **facts,
        )

    async def _taking_over(self) -> None:
        """Look for executions without a living process: at the start, then every few seconds."""
        store = self.tools.store
        while True:
            asked_s = trio.current_time()
            left = await store.write_retrying(partial(take_over, owner=self.tools.owner, limit=AT_ONCE))
            for begun in left:
                log.warning("execution_taken_over", execution_id=begun.id, repeats=begun.order.repeats)
                self._start(begun, asked_s)
            await trio.sleep(LOOK_S)
