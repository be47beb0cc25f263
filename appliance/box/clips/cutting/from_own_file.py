"""A trim or export of a clip whose recording is gone: made from the clip's own file (media/cut/retrim.py).

Owns: when that is possible, and the new file of a trim: the old cut's file with a header of the same length
that shows less of it. Frames outside the new span stay hidden in the file, as pre-roll does.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import trio

from appliance.box.clips.cutting.exports import open_draft, publish
from appliance.box.clips.files.clips_disk import ClipsDisk
from appliance.box.clips.records import cut_states as cuts
from appliance.box.clips.records.cut_states import Job
from appliance.box.clips.records.expiry import OwnFile, footage_is_gone, own_file
from appliance.http.ranges import FileRange
from appliance.kernel.store import Store
from appliance.kernel.threads import in_thread
from appliance.kernel.tx import ReadTx
from appliance.media.cut.plan import Plan
from appliance.media.cut.retrim import MAX_HEADER_BYTES, Trimmed, header_size, retrim

CHUNK_BYTES = 1 << 20


def source_of(tx: ReadTx, job: Job) -> OwnFile | None:
    """The file this job is to be cut from; None: cut from the recordings."""
    row = tx.one("SELECT * FROM clips WHERE id = ?", (job.clip_id,))
    length_us = job.end_us - job.start_us
    if row is None or footage_is_gone(tx, row, job.start_us, length_us) is None:
        return None
    return own_file(tx, row, job.start_us, length_us)


@dataclass(frozen=True, slots=True)
class OwnCuts:
    """Makes such cuts."""

    store: Store
    clips_dir: Path
    threads: trio.CapacityLimiter
    disk: ClipsDisk = field(default_factory=ClipsDisk)

    async def make(self, job: Job, own: OwnFile) -> None:
        """From the old file to ready. Raises CannotTrim, Malformed, OSError."""
        name = f"{job.session_id}/{job.clip_id}-m{job.media_rev}.mp4"
        write = partial(_write, self.clips_dir / own.path, self.clips_dir / name, *_span(job, own))
        async with self.disk.writing(self.clips_dir, name):
            shown, size = await in_thread(write, limiter=self.threads)
            plan = file_plan(own, shown, size, job.latency_ms * 1000)
            await self.store.write_retrying(lambda tx: cuts.finish(tx, job, plan, name))

    async def open(self, job: Job, own: OwnFile) -> tuple[Plan, FileRange]:
        """The input of an export of the job's span: a plan whose header goes before the file range; the
        caller closes the range. Raises CannotTrim, Malformed, OSError."""
        show = partial(_show, self.clips_dir / own.path, *_span(job, own))
        shown, samples = await in_thread(show, limiter=self.threads)
        plan = file_plan(own, shown, len(shown.header) + samples.length, job.latency_ms * 1000)
        spans = ((f"file:{own.path}", shown.first_us * 1000, shown.end_us * 1000),)
        return replace(plan, header=shown.header, media_spans=spans), samples


def _span(job: Job, own: OwnFile) -> tuple[int, int]:
    """Offset of the job's start from the file's first frame, and the job's length (us)."""
    start_us = max(job.start_us, own.start_us)
    return start_us - own.start_us, job.end_us - start_us


def _show(source: Path, skip_us: int, length_us: int) -> tuple[Trimmed, FileRange]:
    """Blocking."""
    old = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
    try:
        start = os.pread(old, min(MAX_HEADER_BYTES, 1 << 20), 0)
        size = header_size(start)
        shown = retrim(start[:size], skip_us=skip_us, length_us=length_us)
        return shown, FileRange(old, size, os.fstat(old).st_size - size)
    except BaseException:
        os.close(old)
        raise


def _write(source: Path, target: Path, skip_us: int, length_us: int) -> tuple[Trimmed, int]:
    """Write the shortened file under its final name, durably. Blocking."""
    with source.open("rb") as old:
        start = old.read(min(MAX_HEADER_BYTES, 1 << 20))
        size = header_size(start)
        shown = retrim(start[:size], skip_us=skip_us, length_us=length_us)
        draft = open_draft(target)
        try:
            with os.fdopen(os.dup(draft), "wb", buffering=0) as new:
                new.write(shown.header)
                old.seek(size)
                while chunk := old.read(CHUNK_BYTES):
                    view = memoryview(chunk)
                    while view:
                        view = view[new.write(view) :]
            return shown, publish(draft, target)
        finally:
            os.close(draft)
            target.with_suffix(".partial").unlink(missing_ok=True)  # left by an error


def file_plan(own: OwnFile, shown: Trimmed, size: int, latency_us: int) -> Plan:
    """The plan of a clip that plays only from its file `own`: without a header, ranges and spans of a
    recording."""
    return Plan(
        header=b"",
        ranges=(),
        size=size,
        preroll_s=shown.preroll_s,
        duration_s=(shown.end_us - shown.first_us) / 1e6,
        frames=shown.frames,
        media_spans=(),
        coverage_start_us=own.start_us + shown.first_us,
        coverage_end_us=own.start_us + shown.end_us,
        missing=(),
        width=shown.width,
        height=shown.height,
        codec=shown.codec,
        latency_us=latency_us,
        settled=True,
    )
