"""The media workers with the clips' interface: sources become pieces, reports become inspections. Their part
of /readyz, and their figures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from appliance.box.clips.cutting.media_jobs import Inspection, JobSource
from appliance.box.clips.viewing.thumbnails import DecodeKey
from appliance.media.mp4.turn import Turn
from appliance.ops.health import Board, HealthPart
from appliance.ops.metrics import Metrics
from appliance.workers.jobs import (
    FrameJob,
    ProbeJob,
    ProbeReport,
    SourceRange,
    StreamReport,
    ThumbnailJob,
    TranscodeJob,
)
from appliance.workers.pool import Priority, WorkerPoolHandle

CLIP_LIMIT_S = 60.0  # requirement T13, for a play of usual length; a longer clip gets as long as it lasts
_NOTHING = StreamReport("video", "", 0, 0, 0, 0, 0, -1.0, -1.0, 0, 0)


@dataclass(frozen=True, slots=True)
class PoolJobs:
    """clips.cutting.media_jobs.MediaJobs by the worker pool. Encoding and inspecting are bulk: a picture
    comes first."""

    pool: WorkerPoolHandle

    async def encode(
        self,
        source: JobSource,
        output: int,
        *,
        mode: str,
        frames: int,
        span_s: float,
        on_progress: Callable[[float], None],
    ) -> None:
        job = transcode_job(mode, _pieces(source), frames, span_s)
        await self.pool.run(job, [*source.descriptors, output], Priority.BULK, on_progress)

    async def inspect(self, source: JobSource, *, span_s: float) -> Inspection:
        job = ProbeJob(_pieces(source), span_s=span_s)
        return inspection(await self.pool.run(job, source.descriptors, Priority.BULK))

    async def frame(self, source: JobSource, at_s: float, *, width_px: int, bulk: bool) -> bytes:
        job = FrameJob(_pieces(source), at_s, width_px, patient=bulk)
        priority = Priority.BULK if bulk else Priority.LIVE
        return (await self.pool.frame(job, source.descriptors, priority)).data


def transcode_job(mode: str, pieces: tuple[SourceRange, ...], frames: int, span_s: float) -> TranscodeJob:
    """`transcode` is for training sets (T13: ultrafast, crf 23, 60 s); `exact` is for people."""
    if mode == "transcode":
        limit_s = max(CLIP_LIMIT_S, span_s)
        return TranscodeJob(pieces, frames, span_s, preset="ultrafast", crf=23, limit_s=limit_s)
    return TranscodeJob(pieces, frames, span_s)


def inspection(report: ProbeReport) -> Inspection:
    """Errors are counted over all streams; black and frozen are shares of the frames shown."""
    video = report.video or _NOTHING
    shown = max(video.frames, 1)
    return Inspection(
        frames=video.frames,
        packets=video.packets,
        width=video.width,
        height=video.height,
        codec=video.codec,
        end_s=video.end_s,
        errors=sum(stream.errors for stream in report.streams),
        black_share=video.black / shown,
        frozen_share=video.frozen / shown,
        sounds=sum(stream.kind == "audio" for stream in report.streams),
        read_error=report.read_error,
    )


def _pieces(source: JobSource) -> tuple[SourceRange, ...]:
    return tuple(SourceRange(*piece) for piece in source.pieces)


def decode_key(workers: WorkerPoolHandle) -> DecodeKey:
    """A worker's thumbnail job with the clips' interface."""

    async def decode(
        recording: int,
        *,
        codec: str,
        extradata: bytes,
        offset: int,
        length: int,
        width_px: int,
        turn: Turn,
        bulk: bool,
    ) -> bytes:
        job = ThumbnailJob(codec, extradata, offset, length, width_px, turn)
        picture = await workers.thumbnail(job, recording, Priority.BULK if bulk else Priority.LIVE)
        return picture.data

    return decode


def add_workers(board: Board, metrics: Metrics, workers: WorkerPoolHandle) -> None:
    """The part `workers`, and the figures of their jobs."""
    board.add("workers", lambda: workers_part(workers))
    metrics.gauges("worker_jobs", "Media jobs and what became of workers", "what", _jobs_of(workers))


def workers_part(workers: WorkerPoolHandle) -> HealthPart:
    figures = workers.statistics()
    up = [slot for slot in figures.slots if slot.up]
    jobs = figures.waiting_live + figures.waiting_bulk
    line = f"{len(up)} of {len(figures.slots)} media workers, {jobs} jobs wait"
    if not up:
        return HealthPart("warn", line, "pictures are missing: see `appliance doctor`")
    return HealthPart("ok", line)


def _jobs_of(workers: WorkerPoolHandle) -> Callable[[], dict[str, float]]:
    def jobs() -> dict[str, float]:
        figures = workers.statistics()
        return {
            "running": sum(bool(slot.job) for slot in figures.slots),
            "waiting": figures.waiting_live + figures.waiting_bulk,
            "done": figures.done,
            "failed": figures.failed,
            "interrupted": figures.interrupted,
            "workers_lost": figures.lost,
        }

    return jobs
