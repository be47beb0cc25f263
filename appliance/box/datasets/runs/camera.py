"""One camera of a game: which of its clips stand, cutting the others, and storing each as soon as it is
made."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import trio

from appliance.box.datasets.model import (
    ClipJob,
    ClipResult,
    ErrorCode,
    Play,
    Unit,
    UnitResult,
    clip_name,
)
from appliance.box.datasets.runs.engine import Engine
from appliance.box.datasets.runs.manifest import Failure, failure_of
from appliance.box.datasets.runs.progress import (
    CameraStarted,
    ClipDone,
    Report,
    SourceReady,
    SourceRemoved,
)
from appliance.box.datasets.runs.sources import Footage, VideoSource, blocking
from appliance.box.datasets.runs.spec import RunSpec
from appliance.box.datasets.runs.standing import ClipRecord, recipe_of, standing, store
from appliance.box.datasets.storage.model import Storage, Stored
from appliance.kernel.threads import in_thread


@dataclass(frozen=True, slots=True)
class Context:
    """What every game of a run shares. `units`: how many units are cut at once. `work`: a folder of this run
    alone, which is removed after it."""

    spec: RunSpec
    videos: VideoSource
    out: Storage
    engine: Engine
    units: trio.CapacityLimiter
    work: Path
    report: Report


@dataclass(slots=True, eq=False)
class Camera:
    """`problem`: an error of the outputs, which ends the game; errors of the source fail this camera's clips
    alone."""

    game_id: str
    name: str
    plays: Sequence[Play]
    footage: Footage = field(default_factory=Footage)
    jobs: list[ClipJob] = field(default_factory=list)
    recipes: dict[str, str] = field(default_factory=dict)
    clips: dict[str, ClipRecord] = field(default_factory=dict)  # by play
    kept: int = 0
    failures: list[Failure] = field(default_factory=list)
    result: UnitResult | None = None
    fetched: int = 0
    problem: OSError | None = None


async def plan_camera(run: Context, camera: Camera, stored: dict[str, Stored]) -> None:
    """Look at the source, and find the clips that stand. Raises OSError."""
    footage = await run.videos.look(camera.game_id, camera.name, camera.plays)
    camera.footage = footage
    spec = run.spec
    for play in camera.plays:
        problem = footage.errors.get(play.id) or (footage.error and (footage.error, footage.detail))
        if problem:
            camera.failures.append(_failure(camera, play.id, *problem))
            continue
        identity = footage.identity_of(play.id)
        recipe = recipe_of(identity, play.start_s, play.end_s, spec.mode, spec.limits.threads)
        camera.recipes[play.id] = recipe
        path = run.work / f"{camera.game_id}_{clip_name(play.id, camera.name)}"
        camera.jobs.append(
            ClipJob(
                play_id=play.id,
                camera=camera.name,
                start_s=play.start_s,
                end_s=play.end_s,
                path=str(path),
                span=footage.span_of.get(play.id),
            )
        )
    wanted = [(job, camera.recipes[job.play_id]) for job in camera.jobs]
    camera.clips = await blocking(partial(standing, run.out, camera.game_id, stored, wanted))
    camera.kept = len(camera.clips)
    camera.jobs = [job for job in camera.jobs if job.play_id not in camera.clips]


async def cut_camera(run: Context, camera: Camera) -> None:
    """Cut what does not stand; called with one of `run.units`, which it gives back. Ends early, with
    `problem`, when the outputs cannot be written."""
    try:
        run.report(CameraStarted(camera.game_id, camera.name, len(camera.jobs)))
        async with run.videos.opened(camera.game_id, camera.name, run.work) as video:
            camera.fetched = video.fetched
            run.report(SourceReady(camera.game_id, camera.name, camera.footage.bytes, video.is_copy))
            await _cut(run, camera, video.path)
        if video.is_copy:
            run.report(SourceRemoved(camera.game_id, camera.name))
    except OSError as error:
        _fail_all(run, camera, error)
    finally:
        run.units.release_on_behalf_of(camera)


async def _cut(run: Context, camera: Camera, source: str) -> None:
    unit = Unit(
        game_id=camera.game_id,
        camera=camera.name,
        source=source,
        jobs=tuple(camera.jobs),
        spans=camera.footage.spans,
        mode=run.spec.mode,
        limits=run.spec.limits,
        check=run.spec.check,
        retries=run.spec.retries,
    )
    send, receive = trio.open_memory_channel[ClipResult](
        len(unit.jobs)
    )  # one result for each job: never full
    seen: set[str] = set()

    def on_clip(result: ClipResult) -> None:
        if result.play_id not in seen:
            seen.add(result.play_id)
            send.send_nowait(result)

    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_store_each, run, camera, receive, nursery.cancel_scope, name="store clips")
            with send:
                camera.result = await run.engine.cut(unit, on_clip)
                for result in camera.result.results:
                    on_clip(result)
    finally:
        await _remove(unit)


async def _store_each(
    run: Context,
    camera: Camera,
    results: trio.MemoryReceiveChannel[ClipResult],
    scope: trio.CancelScope,
) -> None:
    async with results:
        async for result in results:
            if result.error is not None:
                camera.failures.append(failure_of(result))
            else:
                recipe = camera.recipes[result.play_id]
                try:
                    record = await in_thread(store, run.out, camera.game_id, recipe, result)
                except OSError as error:
                    camera.problem = error
                    scope.cancel(reason="the outputs cannot be written")
                    return
                camera.clips[result.play_id] = record
            run.report(ClipDone(camera.game_id, result))


async def _remove(unit: Unit) -> None:
    """Whatever a canceled or failed unit has left in the work folder."""

    def remove() -> None:
        for job in unit.jobs:
            Path(job.path).unlink(missing_ok=True)

    with trio.CancelScope(shield=True):
        await in_thread(remove)


def _fail_all(run: Context, camera: Camera, error: OSError) -> None:
    """The source could not be opened: its clips fail, other cameras go on."""
    code: ErrorCode = "source_unreadable"
    if isinstance(error, FileNotFoundError):
        code = "source_missing"
    elif error.errno == errno.ENOSPC:
        code = "disk_full"
    done = {failure.play_id for failure in camera.failures} | set(camera.clips)
    for job in camera.jobs:
        if job.play_id not in done:
            detail = f"{error.strerror or error}"
            result = ClipResult(
                play_id=job.play_id, camera=camera.name, path=job.path, error=code, detail=detail
            )
            camera.failures.append(failure_of(result))
            run.report(ClipDone(camera.game_id, result))


def _failure(camera: Camera, play_id: str, code: ErrorCode, detail: str) -> Failure:
    return Failure(play_id=play_id, camera=camera.name, code=code, reason=detail or code)
