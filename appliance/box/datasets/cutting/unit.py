"""A unit of work from beginning to end: its clips are cut, checked, hashed, and what failed is tried again.

Owns: the order of work, retries, the accounting. Must not know: games, outputs, databases.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import trio

from appliance.box.datasets.cutting.attempt import Account, Attempt, Cut
from appliance.box.datasets.cutting.files import discard
from appliance.box.datasets.cutting.planning import Laid, Refusal, duplicates
from appliance.box.datasets.cutting.sources import Pass, Source, open_source
from appliance.box.datasets.cutting.worker import open_unit_worker
from appliance.box.datasets.model import ClipJob, ClipResult, ErrorCode, Unit, UnitResult

_MAY_PASS: Final = frozenset({"bad_media", "timeout", "worker_lost", "io", "short"})
"""Failures worth another try: alone, and by a fresh process where the last one was lost."""

OnClip = Callable[[ClipResult], None]


def cut_unit(unit: Unit) -> UnitResult:
    """`run_unit` for a caller without an event loop: blocks until all clips are cut or have failed."""
    return trio.run(partial(run_unit, unit))


async def run_unit(
    unit: Unit, *, worker_socket: Path | None = None, on_clip: OnClip = lambda result: None
) -> UnitResult:
    """Cut every clip of `unit` in a sandboxed process of its own, at a lower CPU priority than the caller's.

    `worker_socket`: of a worker unit (systemd) to use instead of a child process. `on_clip` is called as each
    clip ends, in no particular order.

    Start: files that an earlier run left under the clips' names are removed. Stop: cancelled, it ends the
    process and removes what is not complete. Raises nothing for media, files or disks: their errors are in
    the result.
    """
    run = _Run(unit, on_clip)
    begun_s = time.monotonic()
    try:
        source = await run.account.in_thread(partial(open_source, unit))
    except Refusal as refusal:
        return run.skipped(refusal, time.monotonic() - begun_s)
    try:
        async with open_unit_worker(worker_socket) as worker:
            await run.cut(Attempt(unit, source, worker, run.account))
            return run.result(source, time.monotonic() - begun_s, worker.cpu_s())
    finally:
        run.discard_unfinished()
        source.close()


class _Run:
    """The state of one unit."""

    def __init__(self, unit: Unit, on_clip: OnClip) -> None:
        self._unit, self._on_clip = unit, on_clip
        self._results: dict[int, ClipResult] = {}
        self._tries = [0] * len(unit.jobs)
        self.account = Account()

    async def cut(self, attempt: Attempt) -> None:
        laid = await self._lay(attempt.source)
        passes = await attempt.passes(laid)
        while passes:
            again: list[Pass] = []
            for each in passes:
                for number in each.numbers:
                    self._tries[number] += 1
                for cut in await attempt.cut(each, laid):
                    if not self._settle(cut):
                        again.append(Pass((cut.number,), laid[cut.number]))
            passes = again

    async def _lay(self, source: Source) -> dict[int, Laid]:
        """The plan of each job that can be cut; the others end here."""
        laid: dict[int, Laid] = {}
        again = duplicates(self._unit.jobs)
        for number, job in enumerate(self._unit.jobs):
            if number in again:
                refusal = Refusal("bad_range", "the unit has another clip of this play and camera")
                self._end(number, self._failed(job, refusal.error, refusal.detail))
                continue
            discard(job.path)
            try:
                laid[number] = await self.account.in_thread(partial(source.clip, number))
            except Refusal as refusal:
                self._end(number, self._failed(job, refusal.error, refusal.detail))
        return laid

    def _settle(self, cut: Cut) -> bool:
        """Record what a try gave; False: it is worth another one."""
        if cut.error in _MAY_PASS and self._tries[cut.number] <= self._unit.retries:
            return False
        job = self._unit.jobs[cut.number]
        if cut.error is not None:
            discard(job.path)
        self._end(
            cut.number,
            ClipResult(
                play_id=job.play_id,
                camera=job.camera,
                path=job.path,
                sha256=cut.sha256,
                bytes=cut.bytes,
                frames=cut.frames,
                duration_s=cut.duration_s,
                checks=cut.checks,
                attempts=self._tries[cut.number],
                error=cut.error,
                detail=cut.detail,
            ),
        )
        return True

    def _failed(self, job: ClipJob, error: ErrorCode, detail: str) -> ClipResult:
        return ClipResult(play_id=job.play_id, camera=job.camera, path=job.path, error=error, detail=detail)

    def _end(self, number: int, result: ClipResult) -> None:
        self._results[number] = result
        self._on_clip(result)

    def discard_unfinished(self) -> None:
        for number, job in enumerate(self._unit.jobs):
            if number not in self._results:
                discard(job.path)

    def skipped(self, refusal: Refusal, wall_s: float) -> UnitResult:
        for number, job in enumerate(self._unit.jobs):
            self._end(number, self._failed(job, refusal.error, refusal.detail))
        return self._unit_result(wall_s=wall_s, error=refusal.error, detail=refusal.detail)

    def result(self, source: Source, wall_s: float, worker_cpu_s: float) -> UnitResult:
        made = self.account
        return self._unit_result(
            source_opens=source.opens,
            source_bytes=source.size,
            bytes_read=made.bytes_read,
            bytes_written=sum(result.bytes for result in self._results.values()),
            encoder_s=round(made.encoder_s, 6),
            cpu_s=round(made.own_cpu_s + worker_cpu_s, 6),
            wall_s=round(wall_s, 6),
        )

    def _unit_result(self, **facts: object) -> UnitResult:
        results: Sequence[ClipResult] = [self._results[number] for number in range(len(self._unit.jobs))]
        return UnitResult.model_validate(
            {"game_id": self._unit.game_id, "camera": self._unit.camera, "results": tuple(results), **facts}
        )
