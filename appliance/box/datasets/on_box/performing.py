"""One run of the box: its progress in rows and journal, cancel, and what a unit may use.

Owns: what the rows say of a run while it goes on. One unit at a time, in a process of lower priority, with
one encoder: marks must not wait for it. Loaded when there is a run.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

import trio

from appliance.box.datasets.model import Limits
from appliance.box.datasets.on_box import store as rows
from appliance.box.datasets.plays.rows import BadInput
from appliance.box.datasets.runs.batch import Batch, RunResult, make_work
from appliance.box.datasets.runs.camera import Context
from appliance.box.datasets.runs.engine import Engine
from appliance.box.datasets.runs.progress import (
    ClipDone,
    GameEnded,
    GameStarted,
    RunEvent,
    log_event,
)
from appliance.box.datasets.runs.publish import uri_of
from appliance.box.datasets.runs.sources import PlaySource, VideoSource
from appliance.box.datasets.runs.spec import RunSpec
from appliance.box.datasets.storage.model import ChangedMeanwhile, Storage
from appliance.box.datasets.storage.opened import BadRoot
from appliance.kernel import json
from appliance.kernel.clock import Clock
from appliance.kernel.errors import Unavailable
from appliance.kernel.follow import follow
from appliance.kernel.retry import Backoff
from appliance.kernel.signal import Signal
from appliance.kernel.store import Store
from appliance.kernel.threads import in_thread
from appliance.kernel.tx import Row

EVERY_S: Final = 1.0
LIMITS: Final = Limits(threads=1, encoders=1)
CANNOT_BEGIN: Final = (OSError, ChangedMeanwhile, BadInput, BadRoot, ValueError)


@dataclass(frozen=True, slots=True)
class Wiring:
    """What runs read and write. `work`: for a root that is no folder. `limits_s`: of a game, of a run."""

    plays: PlaySource
    videos: VideoSource
    out: Storage
    engine: Engine
    work: Path
    limits_s: tuple[float, float]
    bucket: str = ""


@dataclass(slots=True)
class _Progress:
    """What a run has reached; `changed` after every step."""

    clips: int = 0
    clips_wanted: int = 0
    failed_clips: int = 0
    games: dict[str, dict[str, Any]] = field(default_factory=dict)
    changed: Signal = field(default_factory=Signal)

    def __call__(self, event: RunEvent) -> None:
        log_event(event)
        match event:
            case GameStarted(game_id, plays, clips, _, kept):
                self.clips_wanted += clips
                self.clips += kept
                begun = {"game_id": game_id, "status": "processing", **rows.WAITING, "total_plays": plays}
                self.games[game_id] = {**begun, "message": "Processing started"}
            case ClipDone(_, result):
                self.clips += result.error is None
                self.failed_clips += result.error is not None
            case GameEnded(manifest):
                self.games[manifest.game_id] = rows.answer_of(manifest)
            case _:
                return
        self.changed.notify()

    def counts(self) -> dict[str, int]:
        return {
            "clips": self.clips,
            "clips_wanted": self.clips_wanted,
            "failed_clips": self.failed_clips,
        }


async def perform(store: Store, clock: Clock, wiring: Wiring, row: Row) -> None:
    run_id, progress = row["id"], _Progress()
    spec = spec_of(row, wiring)
    work = await in_thread(make_work, wiring.out, wiring.work, run_id)
    context = Context(
        spec=spec,
        videos=wiring.videos,
        out=wiring.out,
        engine=wiring.engine,
        units=trio.CapacityLimiter(wiring.engine.parallel),
        work=work,
        report=progress,
    )
    batch = Batch(context, run_id, wiring.plays, uri_of(wiring.out, wiring.bucket), clock.now_us)
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_show, store, run_id, progress, name="progress of a run")
            nursery.start_soon(_watch_cancel, store, run_id, batch, name="cancel of a run")
            result = await batch.perform()
            nursery.cancel_scope.cancel(reason="the run has ended")
    finally:
        with trio.move_on_after(10, shield=True):
            await in_thread(_remove, work, abandon_on_cancel=True)
    for manifest in result.manifests:
        progress.games[manifest.game_id] = rows.answer_of(manifest)
    await write_anyway(store, partial(_end, run_id=run_id, progress=progress, result=result, batch=batch))


def spec_of(row: Row, wiring: Wiring) -> RunSpec:
    game_limit_s, total_limit_s = wiring.limits_s
    limits = {"limits": LIMITS, "game_limit_s": game_limit_s, "total_limit_s": total_limit_s}
    return RunSpec.model_validate({**json.decode_stored(row["request"]), **limits})


def _end(tx: Any, *, run_id: str, progress: _Progress, result: RunResult, batch: Batch) -> None:
    counts = {
        "clips": result.clips,
        "failed_clips": result.failed_clips,
        "clips_wanted": max(progress.clips_wanted, result.clips),
    }
    reason = "canceled" if batch.cancel.is_set() else "not complete at the limit of the run"
    for game_id in result.pending_games:
        failed = {"game_id": game_id, **rows.WAITING, "status": "failed", "message": reason, "reason": reason}
        progress.games[game_id] = {**failed, "error": "canceled" if batch.cancel.is_set() else "timeout"}
    rows.note_progress(tx, run_id, counts, progress.games)
    rows.end_run(tx, run_id, "canceled" if batch.cancel.is_set() else result.status, None)


async def _show(store: Store, run_id: str, progress: _Progress) -> None:
    """Write what has changed, at most once a second."""
    seen = 0
    while True:
        await progress.changed.wait_past(seen)
        seen = progress.changed.count
        counts, games = progress.counts(), dict(progress.games)
        await write_anyway(store, partial(rows.note_progress, run_id=run_id, counts=counts, games=games))
        await trio.sleep(EVERY_S)


async def _watch_cancel(store: Store, run_id: str, batch: Batch) -> None:
    follower, subject = follow(store.journal), f"dataset_run:{run_id}"
    question = "SELECT is_cancel_asked FROM dataset_runs WHERE id = ?"
    while not await store.read(lambda tx: tx.value(question, (run_id,))):
        await follower.wait_for(lambda entry: entry.subject == subject)
    batch.cancel.set()


async def write_anyway(store: Store, closure: Callable[..., object]) -> None:
    """A full disk is no reason to lose a run: try again."""
    backoff = Backoff(base_s=1.0)
    while True:
        try:
            await store.write(closure)
            return
        except Unavailable:
            await trio.sleep(backoff.next_s())


def _remove(work: Path) -> None:
    import shutil

    shutil.rmtree(work, ignore_errors=True)
