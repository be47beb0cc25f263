"""The box as a source: a channel is a camera, its recordings are read in place.

Owns: turning plays of a session into a unit whose clips are planned. Must not know: how the box plans a span,
where plays come from. Nothing is copied: a unit names byte ranges of recordings, so it must be cut before
retention removes them, and a recording that is gone by then fails its clips with `source_missing`.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from appliance.box.datasets.cutting.passes import Stretch, encoders_for, group
from appliance.box.datasets.cutting.planning import Refusal, times_of
from appliance.box.datasets.model import (
    ClipJob,
    ClipResult,
    Limits,
    Mode,
    Piece,
    PlannedSpan,
    Unit,
    clip_name,
)
from appliance.media.cut.plan import NoFootage, Plan
from appliance.media.mp4.raw_times import raw_times
from appliance.media.mp4.walk import Malformed

_US: Final = 1_000_000
_MAY_MISS_US: Final = 100_000
"""Of a play, in all: two or three frames lost on a bad line are no reason to leave it out."""


class PlanRecording(Protocol):
    """The box's planner (clips): the plan of [start_us, end_us) of capture time of a channel."""

    async def __call__(self, channel_id: str, start_us: int, end_us: int, latency_us: int) -> Plan:
        """Raises NoFootage, OSError, Malformed."""
        ...


@dataclass(frozen=True, slots=True)
class BoxCamera:
    """A channel in one session. `zero_us`: the instant from which its plays' seconds count. `folder`: for
    clips."""

    game_id: str
    channel_id: str
    zero_us: int
    latency_us: int
    recordings: Path
    folder: Path


@dataclass(frozen=True, slots=True)
class BoxPlay:
    play_id: str
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class BoxUnit:
    """`refused`: plays that cannot be cut, with the reason; they are not in the unit."""

    unit: Unit
    refused: tuple[ClipResult, ...]


async def plan_box_unit(
    camera: BoxCamera,
    plays: Sequence[BoxPlay],
    plan: PlanRecording,
    *,
    mode: Mode = "transcode",
    limits: Limits | None = None,
) -> BoxUnit:
    """Plan every play of a channel; for `transcode` also the stretches in which several are decoded
    together."""
    limits = limits or Limits()
    jobs: list[ClipJob] = []
    plans: list[Plan] = []
    refused: list[ClipResult] = []
    for play in plays:
        job = _job(camera, play, span=len(jobs))
        try:
            plans.append(await _planned(camera, job, plan))
            jobs.append(job)
        except Refusal as refusal:
            refused.append(_refused(job, refusal))
    shared = await _shared(camera, jobs, plans, plan, limits) if mode == "transcode" else []
    for number, (numbers, _) in enumerate(shared, start=len(jobs)):
        for each in numbers:
            jobs[each] = jobs[each].model_copy(update={"within": number})
    spans = [_span(each, camera.recordings) for each in [*plans, *(whole for _, whole in shared)]]
    unit = Unit(
        game_id=camera.game_id,
        camera=camera.channel_id,
        source="",
        jobs=tuple(jobs),
        spans=tuple(spans),
        mode=mode,
        limits=limits,
    )
    return BoxUnit(unit, tuple(refused))


def _job(camera: BoxCamera, play: BoxPlay, span: int) -> ClipJob:
    path = camera.folder / clip_name(play.play_id, camera.channel_id)
    return ClipJob(
        play_id=play.play_id,
        camera=camera.channel_id,
        start_s=play.start_s,
        end_s=play.end_s,
        path=str(path),
        span=span,
    )


async def _planned(camera: BoxCamera, job: ClipJob, plan: PlanRecording) -> Plan:
    """Raises Refusal."""
    start_us, end_us = times_of(job)
    made = await _ask(camera, start_us, end_us, plan)
    missing_us = sum(each.end_us - each.start_us for each in made.missing)
    if missing_us > _MAY_MISS_US:
        reasons = ", ".join(sorted({each.reason for each in made.missing}))
        length_s = (end_us - start_us) / _US
        raise Refusal(
            "no_footage", f"{missing_us / _US:.1f} s of {length_s:.1f} s were not recorded: {reasons}"
        )
    return made


async def _ask(camera: BoxCamera, start_us: int, end_us: int, plan: PlanRecording) -> Plan:
    """Raises Refusal."""
    try:
        return await plan(
            camera.channel_id, camera.zero_us + start_us, camera.zero_us + end_us, camera.latency_us
        )
    except NoFootage as exc:
        raise Refusal("no_footage", str(exc)) from exc
    except Malformed as exc:
        raise Refusal("source_unreadable", str(exc)) from exc
    except OSError as exc:
        raise Refusal("source_missing", f"a recording of {camera.channel_id}: {exc.strerror}") from exc


async def _shared(
    camera: BoxCamera, jobs: Sequence[ClipJob], plans: Sequence[Plan], plan: PlanRecording, limits: Limits
) -> list[tuple[list[int], Plan]]:
    """(jobs, one plan over all of them) where decoding together saves some; not across missing footage."""
    stretches = [_stretch(number, each, camera.zero_us) for number, each in enumerate(plans)]
    together: list[tuple[list[int], Plan]] = []
    largest = max((each.width * each.height for each in plans), default=0)
    for mine in group(stretches, encoders_for(largest, limits.encoders)):
        if len(mine) < 2:
            continue
        times = [times_of(jobs[each.number]) for each in mine]
        try:
            whole = await _ask(camera, min(a for a, _ in times), max(b for _, b in times), plan)
        except Refusal:
            continue
        if not whole.missing:
            together.append(([each.number for each in mine], whole))
    return together


def _stretch(number: int, plan: Plan, zero_us: int) -> Stretch:
    start_us, end_us = plan.coverage_start_us - zero_us, plan.coverage_end_us - zero_us
    return Stretch(number, start_us - round(plan.preroll_s * _US), start_us, end_us)


def _span(plan: Plan, recordings: Path) -> PlannedSpan:
    """`begin` counts wall time, as the plan's own timeline does."""
    scale = raw_times(plan.header).timescale
    pieces = [
        Piece(path=str(recordings / each.name), offset=each.offset, length=each.length)
        for each in plan.ranges
    ]
    return PlannedSpan(
        header=base64.b64encode(plan.header).decode(),
        pieces=tuple(pieces),
        begin=plan.coverage_start_us * scale // _US,
        frames=plan.frames,
        duration_s=plan.duration_s,
    )


def _refused(job: ClipJob, refusal: Refusal) -> ClipResult:
    return ClipResult(
        play_id=job.play_id,
        camera=job.camera,
        path=job.path,
        error=refusal.error,
        detail=refusal.detail,
    )
