"""The media workers with the clips' interface: sources become pieces, reports become inspections."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from appliance.box.clips.cutting.media_jobs import Inspection, JobSource
from appliance.workers.jobs import FrameJob, ProbeJob, ProbeReport, SourceRange, StreamReport, TranscodeJob
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
