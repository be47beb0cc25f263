"""One sandboxed process for one unit: not of the pool, for it works at a low priority and for long.

Owns: starting it again after a loss. Must not know: clips, plans.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TypeVar

import trio

from appliance.workers.jobs import WorkerJob
from appliance.workers.protocol import Failed, WorkerProtocolError, WorkerRequest
from appliance.workers.worker import Worker, WorkerLost, open_worker

T = TypeVar("T")


class JobFailed(Exception):
    """`code`: bad_media, io, bad_request as the worker said, `lost` (with the reason), `no_worker`."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code, self.detail = code, detail


class UnitWorker:
    """Make it with `open_unit_worker`."""

    def __init__(self, stack: AsyncExitStack, socket: Path | None) -> None:
        self._stack, self._socket = stack, socket
        self._worker: Worker | None = None
        self._requests = 0
        self._cpu_before_s = 0.0

    async def run(self, job: WorkerJob[T], descriptors: Sequence[int]) -> T:
        """Do one job; a process that was lost before is replaced. Raises JobFailed."""
        worker = await self._ready()
        self._requests += 1
        request = WorkerRequest(self._requests, job.kind, job.args(), job.cpu_s, job.output_bytes)
        try:
            with trio.fail_after(job.wall_s):
                reply = await worker.run(request, descriptors, lambda second: None)
            if isinstance(reply, Failed):
                raise JobFailed(reply.code, reply.detail)
            return job.result(reply.result, descriptors)
        except trio.TooSlowError:
            await self._end()
            raise JobFailed("lost", f"killed: not done in {job.wall_s:g} s") from None
        except (WorkerLost, WorkerProtocolError) as exc:
            await self._end()
            raise JobFailed("lost", str(exc)) from exc

    def cpu_s(self) -> float:
        """User and system time of the unit's processes so far."""
        running = _cpu_s_of(self._worker.hello.pid) if self._worker is not None else 0.0
        return self._cpu_before_s + running

    async def _ready(self) -> Worker:
        if self._worker is None:
            try:
                self._worker = await self._stack.enter_async_context(open_worker(self._socket))
            except WorkerLost as exc:
                raise JobFailed("no_worker", str(exc)) from exc
        return self._worker

    async def _end(self) -> None:
        self._cpu_before_s = self.cpu_s()
        self._worker = None
        await self._stack.aclose()


def _cpu_s_of(pid: int) -> float:
    """0 for a process that has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@asynccontextmanager
async def open_unit_worker(socket: Path | None) -> AsyncIterator[UnitWorker]:
    """Starts no process yet. Leaving the block ends it, by SIGKILL when it is in the middle of a job."""
    async with AsyncExitStack() as stack:
        yield UnitWorker(stack, socket)
