"""An engine for tests that cuts nothing: it writes a few bytes that depend on the source and the times."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import trio

from appliance.box.datasets.model import ClipJob, ClipResult, ErrorCode, Unit, UnitResult
from appliance.box.datasets.runs.engine import OnClip


class HandEngine:
    """`fails`: the error of a job, or None. `before`: awaited before each clip. Counts what it was asked
    for."""

    def __init__(
        self,
        fails: Callable[[Unit, ClipJob], ErrorCode | None] = lambda unit, job: None,
        before: Callable[[ClipJob], Awaitable[None]] | None = None,
        parallel: int = 2,
    ) -> None:
        self.fails, self.before, self.parallel = fails, before, parallel
        self.units: list[Unit] = []
        self.cut_clips: list[str] = []
        self.most_at_once = self.at_once = 0

    async def cut(self, unit: Unit, on_clip: OnClip) -> UnitResult:
        self.units.append(unit)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        results = []
        try:
            source = Path(unit.source).read_bytes()  # noqa: ASYNC240  a few bytes
            for job in unit.jobs:
                await trio.lowlevel.checkpoint()
                if self.before is not None:
                    await self.before(job)
                results.append(self._cut(unit, job, source))
                on_clip(results[-1])
        finally:
            self.at_once -= 1
        return UnitResult(
            game_id=unit.game_id,
            camera=unit.camera,
            results=tuple(results),
            source_opens=1,
            source_bytes=len(source),
            bytes_read=len(source),
            bytes_written=sum(result.bytes for result in results),
            cpu_s=0.5,
        )

    def _cut(self, unit: Unit, job: ClipJob, source: bytes) -> ClipResult:
        names: dict[str, Any] = {"play_id": job.play_id, "camera": job.camera, "path": job.path}
        if (error := self.fails(unit, job)) is not None:
            return ClipResult(**names, attempts=2, error=error, detail=f"{error} of {job.play_id}")
        data = b"clip %r %r of " % (job.start_s, job.end_s) + source
        Path(job.path).write_bytes(data)
        self.cut_clips.append(f"{unit.game_id}/{Path(job.path).name}")
        duration_s = job.end_s - job.start_s
        return ClipResult(
            **names,
            sha256=hashlib.sha256(data).hexdigest(),
            bytes=len(data),
            frames=round(duration_s * 25),
            duration_s=duration_s,
            attempts=1,
        )
