"""Exports: clips of mode `exact` and `transcode`, re-encoded into a file of their own.

Owns: making that file from a plan. A worker encodes what the plan shows; another job decodes the result and
counts its frames; only then is the file renamed to its final name. Order: data, fsync(file), rename,
fsync(directory), COMMIT. Only the file is served. Must not know: worker processes, when a clip is cut.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import structlog
import trio

from appliance.box.clips.cutting.media_jobs import Inspection, JobSource, MediaJobs, opened
from appliance.box.clips.files.delivery import ClipDelivery
from appliance.box.clips.files.write_plan import sync_directory
from appliance.box.clips.records import cut_states as cuts
from appliance.box.clips.records.cut_states import Job
from appliance.http.ranges import FileRange
from appliance.kernel.errors import Refused, Unavailable
from appliance.kernel.follow import follow
from appliance.kernel.store import Store
from appliance.kernel.threads import in_thread
from appliance.media.cut.plan import Plan

T = TypeVar("T")
log = structlog.get_logger("exports")

PROGRESS_EVERY_S = 1.0  # at most one progress event per this many seconds
ROOM_BYTES = 1 << 20  # upper bound of what an encoder writes at a time
STOP_S = 5.0  # seconds a stopping box has to write the rest of a clip
_END_TOLERANCE_S = 0.05  # rounding to another time base; a frame more or less is found by counting


class BadExport(Exception):
    """The worker's file is not the clip. The text says how it differs."""


@dataclass(frozen=True, slots=True)
class Exports:
    """Makes exports. `slots`: how many at a time; more would only wait in the workers' queue."""

    store: Store
    jobs: MediaJobs
    delivery: ClipDelivery
    slots: int

    async def make(self, job: Job, plan: Plan, samples: FileRange | None = None) -> None:
        """From the plan to ready. `samples`: what follows its header, in place of its ranges.
        Returns without effect when the clip was cut again or deleted meanwhile.

        Raises Refused or BadExport (this clip cannot be made), Unavailable (no worker), OSError (the disk).
        """
        name = f"{job.session_id}/{job.clip_id}-m{job.media_rev}.mp4"
        async with self.delivery.disk.writing(self.delivery.clips_dir, name):
            await self._make(job, plan, samples, name)

    async def _make(self, job: Job, plan: Plan, samples: FileRange | None, name: str) -> None:
        target = self.delivery.clips_dir / name
        draft = await self._in_thread(partial(open_draft, target))
        try:
            if not await self._encode_while_wanted(job, plan, draft, samples):
                return
            size = await self._in_thread(partial(publish, draft, target))
        except Refused as error:
            disk_error = await self._in_thread(partial(refusal, draft)) if error.code == "io" else None
            if disk_error is None:
                raise
            raise disk_error from error  # the worker could not write: not an error of the clip
        finally:
            os.close(draft)
            await self._drop(target.with_suffix(".partial"))
        made = replace(plan, header=b"", ranges=(), size=size, preroll_s=0.0, codec="avc1")
        made = replace(made, width=plan.width & ~1, height=plan.height & ~1)
        await self.store.write_retrying(lambda tx: cuts.finish(tx, job, made, name))

    async def _encode_while_wanted(self, job: Job, plan: Plan, draft: int, samples: FileRange | None) -> bool:
        """False: a trim or a delete came first and the encoder was stopped."""
        trouble: Exception | None = None
        is_done = False
        reached = EncodedUpTo()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._watch, job, nursery.cancel_scope, name=f"watch {job.clip_id}")
            nursery.start_soon(
                self._journal_progress, job, plan.duration_s, reached, name=f"progress {job.clip_id}"
            )
            try:
                await self._encode(job, plan, draft, reached, samples)
                is_done = True
            except (Refused, Unavailable, OSError, BadExport) as error:
                trouble = error
            nursery.cancel_scope.cancel()
        if trouble is not None:
            try:
                raise trouble
            finally:
                del trouble  # breaks the reference cycle frame - error
        return is_done

    async def _encode(
        self, job: Job, plan: Plan, draft: int, reached: EncodedUpTo, samples: FileRange | None
    ) -> None:
        ranges = [(each.name, each.offset, each.length) for each in plan.ranges]
        pieces = await self.delivery.open_ranges(ranges)
        if samples is not None:
            pieces.append(replace(samples, fd=os.dup(samples.fd)))
        async with opened([plan.header, *pieces]) as source:
            await self.jobs.encode(
                source,
                draft,
                mode=job.mode,
                frames=plan.frames,
                span_s=plan.duration_s,
                on_progress=reached.set,
            )
        written = JobSource((draft,), ((0, 0, os.fstat(draft).st_size),))
        wrong = difference(await self.jobs.inspect(written, span_s=plan.duration_s), plan)
        if wrong is not None:
            raise BadExport(f"the encoded clip is not the one asked for: {wrong}")

    async def _watch(self, job: Job, scope: trio.CancelScope) -> None:
        """Cancel `scope` when the clip is no longer what this job was started for."""
        follower, subject = follow(self.store.journal), f"clip:{job.clip_id}"
        while await self.store.read(lambda tx: cuts.is_wanted(tx, job)):
            await follower.wait_for(lambda entry: entry.subject == subject)
        scope.cancel()

    async def _journal_progress(self, job: Job, span_s: float, reached: EncodedUpTo) -> None:
        """Journal the progress whenever it has changed."""
        journaled = 0.0
        while True:
            await trio.sleep(PROGRESS_EVERY_S)
            share = round(min(reached.second / span_s, 0.99), 3)
            if share > journaled:
                journaled = share
                with suppress(Unavailable):  # a full disk: try again in a second
                    await self.store.write(partial(cuts.journal_progress, job=job, share=share))

    async def _in_thread(self, call: Callable[[], T]) -> T:
        return await in_thread(call, limiter=self.delivery.threads)

    async def _drop(self, path: Path) -> None:
        with trio.move_on_after(STOP_S, shield=True), suppress(OSError):
            await in_thread(
                lambda: path.unlink(missing_ok=True), limiter=self.delivery.threads, abandon_on_cancel=True
            )


@dataclass(slots=True)
class EncodedUpTo:
    """The encoder's position, seconds of the clip."""

    second: float = 0.0

    def set(self, second: float) -> None:
        self.second = second


def open_draft(target: Path) -> int:
    """An empty file beside `target`, for reading and writing. Blocking; raises OSError."""
    if not target.parent.is_dir():
        target.parent.mkdir(parents=True, exist_ok=True)
        sync_directory(target.parent.parent)
    flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
    return os.open(target.with_suffix(".partial"), flags, 0o640)


def refusal(draft: int) -> OSError | None:
    """The error of writing a few more bytes to the draft; None: the disk accepts them. Blocking."""
    try:
        os.posix_fallocate(draft, os.fstat(draft).st_size, ROOM_BYTES)
        os.fsync(draft)
    except OSError as error:
        return error
    return None


def publish(draft: int, target: Path) -> int:
    """Rename the finished draft to `target`, durably; returns its size. Blocking; raises OSError."""
    os.fsync(draft)
    target.with_suffix(".partial").rename(target)
    sync_directory(target.parent)
    return os.fstat(draft).st_size


def difference(actual: Inspection, plan: Plan) -> str | None:
    """How a file differs from what the plan shows; None when it does not."""
    sounds = int(has_sound(plan.header))
    size = plan.width & ~1, plan.height & ~1  # chroma is subsampled by two, so both are even
    checks = [
        (not actual.read_error, f"it cannot be read to its end: {actual.read_error}"),
        (actual.codec == "h264", f"its video is {actual.codec or 'missing'}"),
        (actual.errors == 0, f"{actual.errors} packets cannot be decoded"),
        (actual.frames == plan.frames, f"{actual.frames} frames instead of {plan.frames}"),
        (actual.packets == actual.frames, f"{actual.packets - actual.frames} frames are hidden"),
        (
            abs(actual.end_s - plan.duration_s) <= _END_TOLERANCE_S,
            f"{actual.end_s:.3f} s instead of {plan.duration_s:.3f}",
        ),
        (
            (actual.width, actual.height) == size,
            f"pictures of {actual.width}x{actual.height}",
        ),
        (actual.sounds == sounds, f"{actual.sounds} sound tracks instead of {sounds}"),
    ]
    return next((difference_text for holds, difference_text in checks if not holds), None)


def has_sound(header: bytes) -> bool:
    """Whether a plan's header describes a sound track, by its hdlr boxes (ISO/IEC 14496-12 8.4.3)."""
    return b"hdlr" + bytes(8) + b"soun" in header
