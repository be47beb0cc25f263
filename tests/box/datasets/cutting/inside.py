"""A unit's worker inside the test's process: the same jobs and checks without starting one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import pytest

from appliance.box.datasets.cutting import unit
from appliance.box.datasets.cutting.worker import JobFailed
from appliance.media.decode.thumbnail import BadMedia
from appliance.workers.clips import perform as perform_clips
from appliance.workers.jobs import WorkerJob
from appliance.workers.perform import perform
from appliance.workers.protocol import WorkerRequest, decode, encode

T = TypeVar("T")


@dataclass
class InsideWorker:
    """`fails` is raised by the next jobs, one each (None: that job is done)."""

    fails: list[JobFailed | None] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)

    async def run(self, job: WorkerJob[T], descriptors: Sequence[int]) -> T:
        self.kinds.append(job.kind)
        if self.fails and (failure := self.fails.pop(0)) is not None:
            raise failure
        request = WorkerRequest(1, job.kind, decode(encode(job.args())), job.cpu_s, job.output_bytes)
        try:
            answer = perform(request, list(descriptors))
        except BadMedia as exc:
            raise JobFailed("bad_media", str(exc)) from exc
        except OSError as exc:
            raise JobFailed("io", str(exc)) from exc
        return job.result(decode(encode(answer)), descriptors)

    def cpu_s(self) -> float:
        return 0.0


def use_inside_worker(monkeypatch: pytest.MonkeyPatch) -> InsideWorker:
    """Units started by this test use it."""
    worker = InsideWorker()

    @asynccontextmanager
    async def opened(socket: Path | None) -> AsyncIterator[InsideWorker]:
        yield worker

    monkeypatch.setattr(unit, "open_unit_worker", opened)
    monkeypatch.setattr(perform_clips, "_lower_priority", lambda: None)
    return worker
