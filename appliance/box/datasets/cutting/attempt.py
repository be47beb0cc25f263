"""One try at some clips of a unit: encoded or copied, checked, hashed, given their names.

Owns: what is asked of the worker and what its answers mean for a clip. Must not know: retries, results of a
unit.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from appliance.box.datasets.cutting import files
from appliance.box.datasets.cutting.checks import Found, judge
from appliance.box.datasets.cutting.planning import Laid, Refusal
from appliance.box.datasets.cutting.sources import Pass, Source
from appliance.box.datasets.cutting.worker import JobFailed, UnitWorker
from appliance.box.datasets.model import Checks, ErrorCode, Unit
from appliance.kernel.threads import in_thread
from appliance.workers.clips.job import ClipWindow, CutClipReport, CutClipsJob
from appliance.workers.jobs import ProbeJob, ProbeReport, SourceRange

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Cut:
    """What a try gave for job `number`."""

    number: int
    sha256: str = ""
    bytes: int = 0
    frames: int = 0
    duration_s: float = 0.0
    checks: Checks | None = None
    error: ErrorCode | None = None
    detail: str = ""


@dataclass(slots=True)
class Account:
    """What the work has cost so far."""

    bytes_read: int = 0
    encoder_s: float = 0.0
    own_cpu_s: float = 0.0
    """Of this process, for this unit: others may be cut beside it."""

    async def in_thread(self, call: Callable[[], T]) -> T:
        """A blocking call, its CPU time counted."""

        def timed() -> T:
            begun_s = time.thread_time()
            try:
                return call()
            finally:
                self.own_cpu_s += time.thread_time() - begun_s

        return await in_thread(timed)


@dataclass(slots=True)
class Attempt:
    """The means of a unit: its source and its worker."""

    unit: Unit
    source: Source
    worker: UnitWorker
    account: Account

    async def passes(self, laid: Mapping[int, Laid]) -> list[Pass]:
        """The clips that are cut together."""
        if self.unit.mode == "copy":
            return [Pass((number,), each) for number, each in laid.items()]
        return await self.account.in_thread(partial(self.source.passes, laid, self.unit.limits.encoders))

    async def cut(self, each: Pass, laid: Mapping[int, Laid]) -> list[Cut]:
        """One result per clip of a pass."""
        clips = [(number, laid[number]) for number in each.numbers]
        with ExitStack() as stack:
            drafts: list[int] = []
            try:
                for number, _ in clips:
                    drafts.append(files.open_draft(self.unit.jobs[number].path))
                    stack.callback(os.close, drafts[-1])
                if self.unit.mode == "copy":
                    found = await self._copy(clips, drafts)
                else:
                    found = await self._encode(each.whole, clips, drafts)
            except Refusal as refusal:
                return [Cut(number, error=refusal.error, detail=refusal.detail) for number, _ in clips]
            return [
                made if isinstance(made, Cut) else await self._finish(number, laid, draft, made)
                for (number, laid), draft, made in zip(clips, drafts, found, strict=True)
            ]

    async def _copy(self, clips: Sequence[tuple[int, Laid]], drafts: Sequence[int]) -> list[Cut | Found]:
        """Raises Refusal."""
        found: list[Cut | Found] = []
        for (_, laid), draft in zip(clips, drafts, strict=True):
            await self.account.in_thread(partial(files.write_laid, laid, self.source.descriptors, draft))
            self.account.bytes_read += laid.size - len(laid.header)
            found.append(Found(laid.frames, laid.duration_s))
        return found

    async def _encode(
        self, whole: Laid, clips: Sequence[tuple[int, Laid]], drafts: Sequence[int]
    ) -> list[Cut | Found]:
        numbers = [number for number, _ in clips]
        header = os.memfd_create("header", os.MFD_CLOEXEC)
        try:
            os.write(header, whole.header)
            inputs, pieces = _inputs(whole, self.source.descriptors, header)
            limits = self.unit.limits
            windows = tuple([_window(whole, laid) for _, laid in clips])
            sound = whole.raw.sound_origin or 0
            stretch = (whole.raw.video_origin, sound, whole.begin)
            job = CutClipsJob(pieces, stretch, windows, limits.threads, limits.clip_s)
            report = await self.worker.run(job, [*inputs, header, *drafts])
        except JobFailed as failed:
            error, detail = _error(failed)
            return [Cut(number, error=error, detail=detail) for number in numbers]
        finally:
            os.close(header)
        self.account.bytes_read += whole.size - len(whole.header)
        self.account.encoder_s += sum(clip.encoder_s for clip in report.clips)
        return [_found(number, clip) for number, clip in zip(numbers, report.clips, strict=True)]

    async def _finish(self, number: int, laid: Laid, draft: int, found: Found) -> Cut:
        """Check a clip that was made, hash it, give it its name."""
        job = self.unit.jobs[number]
        try:
            if self.unit.check:
                found = await self._probe(draft, laid)
            verdict = judge(laid.wanted, found)
            if verdict.error is not None:
                return Cut(number, checks=verdict.checks, error=verdict.error, detail=verdict.detail)
            sha256, size = await self.account.in_thread(partial(files.sha256_of, draft))
            files.publish(job.path)
        except Refusal as refusal:
            return Cut(number, error=refusal.error, detail=refusal.detail)
        except JobFailed as failed:
            error, detail = _error(failed)
            return Cut(number, error=error, detail=detail)
        return Cut(number, sha256, size, found.frames, round(found.duration_s, 6), verdict.checks)

    async def _probe(self, draft: int, laid: Laid) -> Found:
        """Raises JobFailed."""
        whole = SourceRange(0, 0, os.fstat(draft).st_size)
        report = await self.worker.run(ProbeJob((whole,), span_s=laid.duration_s), [draft])
        return _probed(report)


def _inputs(laid: Laid, descriptors: Sequence[int], header: int) -> tuple[list[int], tuple[SourceRange, ...]]:
    """The descriptors a worker needs, without the header's, and the pieces that make the stretch."""
    used = sorted({number for number, _, _ in laid.ranges})
    places = {number: place for place, number in enumerate(used)}
    pieces = [SourceRange(len(used), 0, len(laid.header))]
    pieces += [SourceRange(places[number], offset, length) for number, offset, length in laid.ranges]
    return [descriptors[number] for number in used], tuple(pieces)


def _window(whole: Laid, clip: Laid) -> ClipWindow:
    first = clip.begin - whole.begin
    has_sound = clip.raw.sound_origin is not None
    return ClipWindow(first, first + clip.ticks, has_sound, clip.frames, clip.duration_s)


def _found(number: int, clip: CutClipReport) -> Cut | Found:
    if clip.error:
        return Cut(number, frames=clip.frames, error=clip.error, detail=clip.detail)
    if clip.damaged:
        detail = f"{clip.damaged} frames or packets of sound of the source cannot be decoded whole"
        return Cut(number, frames=clip.frames, error="bad_media", detail=detail)
    return Found(clip.frames, clip.end_s)


def _probed(report: ProbeReport) -> Found:
    video = report.video
    if video is None:
        return Found(0, 0.0, problem=report.read_error or "no video")
    errors = sum(stream.errors for stream in report.streams)
    problem = report.read_error or (f"{errors} packets cannot be decoded" if errors else "")
    length_s = video.end_s - max(video.start_s, 0.0)
    return Found(video.frames, length_s, video.black, video.frozen, problem, decoded=True)


def _error(failed: JobFailed) -> tuple[ErrorCode, str]:
    codes: dict[str, ErrorCode] = {"bad_media": "bad_media", "lost": "worker_lost", "no_worker": "busy"}
    if failed.code == "io":
        return (
            "disk_full" if "space" in failed.detail or "too large" in failed.detail else "io"
        ), failed.detail
    return codes.get(failed.code, "io"), failed.detail
