"""A run: its games side by side, its limits of time, and what is written once for all games.

Owns: which games run at once, the total limit (games that are not complete then are named), the split of
whole games, deletions, and the card and the tuning files of the whole root.
"""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

import trio

from appliance.box.datasets.model import Record
from appliance.box.datasets.outputs.card import card
from appliance.box.datasets.outputs.entries import CARD, MANIFEST, SPLIT, Clip, in_order
from appliance.box.datasets.outputs.limits import accepted, file_problems
from appliance.box.datasets.outputs.lines import gemini_lines
from appliance.box.datasets.plays.split import SIDES, Side, split_games
from appliance.box.datasets.runs.camera import Context
from appliance.box.datasets.runs.deletions import Deletions
from appliance.box.datasets.runs.game import Game, read_split
from appliance.box.datasets.runs.manifest import CAUSES, Cause, Manifest
from appliance.box.datasets.runs.publish import UriOf, read_manifest
from appliance.box.datasets.runs.sources import PlaySource, blocking
from appliance.box.datasets.storage.model import ChangedMeanwhile, Storage
from appliance.kernel.threads import in_thread

GEMINI: Final = ("gemini_training.jsonl", "gemini_validation.jsonl")


class RunResult(Record):
    """`status`: completed when every game is; `pending_games` were not complete at the total limit.
    `problems`: limits of a tuning job, over all games of the root."""

    run_id: str
    status: str
    completed_games: tuple[str, ...]
    failed_games: tuple[str, ...]
    pending_games: tuple[str, ...]
    total_time: float
    clips: int
    failed_clips: int
    success_rate: float
    games: int = 0
    clip_s: float = 0.0
    cpu_s: float = 0.0
    bytes_read: int = 0
    bytes_written: int = 0
    bytes_fetched: int = 0
    problems: tuple[str, ...] = ()
    manifests: tuple[Manifest, ...] = ()


@dataclass(slots=True)
class Batch:
    """`cancel`: set when the run is to end; what is finished stays."""

    run: Context
    run_id: str
    plays: PlaySource
    uri: UriOf
    now_us: Callable[[], int]
    cancel: trio.Event = field(default_factory=trio.Event)
    manifests: dict[str, Manifest] = field(default_factory=dict)
    sides: dict[str, Side] = field(default_factory=dict)
    deletions: Deletions = field(default_factory=Deletions)

    async def perform(self) -> RunResult:
        """Raises OSError, ChangedMeanwhile: nothing could be begun."""
        began_s, spec = trio.current_time(), self.run.spec
        self.deletions = await blocking(partial(Deletions.read, self.run.out))
        game_ids = [game_id for game_id in spec.game_ids if game_id not in self.deletions.games]
        await self._assign_games(game_ids)
        running: dict[str, Game] = {}
        # a game's time runs while its units wait for their turn: no more games than units at once
        at_once = trio.CapacityLimiter(min(spec.games_at_once, self.run.engine.parallel))
        why: Cause = "timeout"
        with trio.move_on_after(spec.total_limit_s):
            async with trio.open_nursery() as nursery:

                async def wait_for_cancel() -> None:
                    nonlocal why
                    await self.cancel.wait()
                    why = "canceled"
                    nursery.cancel_scope.cancel(reason="the run was canceled")

                nursery.start_soon(wait_for_cancel)
                async with trio.open_nursery() as games:
                    for game_id in game_ids:
                        await at_once.acquire_on_behalf_of(game_id)
                        games.start_soon(self._one, game_id, at_once, running, name=f"game {game_id}")
                nursery.cancel_scope.cancel(reason="every game has ended")
        pending = [game_id for game_id in game_ids if game_id not in self.manifests]
        for game_id in pending:
            if game_id in running:
                await running[game_id].fail(why)
        problems = await self._whole() if why != "canceled" else ()
        result = self._result(pending, trio.current_time() - began_s, problems)
        await self._keep(result)
        return result

    async def _keep(self, result: RunResult) -> None:
        """The figures of the run, for those who compare runs; games have their own in their manifests."""
        data = result.model_dump_json(indent=1, exclude={"manifests"}).encode()
        try:
            await blocking(partial(self.run.out.put, f"runs/{self.run_id}.json", data))
        except OSError:
            pass  # every game has its manifest

    async def _one(self, game_id: str, at_once: trio.CapacityLimiter, running: dict[str, Game]) -> None:
        try:
            game = Game(
                run=self.run,
                run_id=self.run_id,
                game_id=game_id,
                plays=self.plays,
                uri=self.uri,
                now_us=self.now_us,
                side=self.sides.get(game_id),
                drops=self.deletions.drops,
            )
            running[game_id] = game
            self.manifests[game_id] = await game.perform()
        finally:
            at_once.release_on_behalf_of(game_id)

    async def _assign_games(self, game_ids: Sequence[str]) -> None:
        """The side of each game, where whole games are split: stored before the first game begins."""
        if self.run.spec.split_unit != "game":
            return
        out = self.run.out
        known, version = await blocking(partial(read_split, out, SPLIT))
        sides = split_games(game_ids, known, self.run.spec.split_seed)
        if sides != known:
            data = json.dumps({"assignments": sides}, indent=1, sort_keys=True).encode()
            await blocking(partial(out.put, SPLIT, data, version))
        self.sides = sides

    async def _whole(self) -> tuple[str, ...]:
        """The card, and Gemini's files over all games of the root."""
        try:
            return await in_thread(partial(write_whole, self.run.out, self.run.spec.split_seed))
        except (OSError, ChangedMeanwhile) as error:
            return (f"the card was not written: {error}",)

    def _result(self, pending: Sequence[str], total_s: float, problems: tuple[str, ...]) -> RunResult:
        manifests = tuple(
            self.manifests[game_id] for game_id in self.run.spec.game_ids if game_id in self.manifests
        )
        completed = tuple(each.game_id for each in manifests if each.status == "completed")
        clips = sum(each.successful_clips for each in manifests)
        failed_clips = sum(each.failed_clips for each in manifests)
        return RunResult(
            run_id=self.run_id,
            status="completed" if len(completed) == len(manifests) and not pending else "failed",
            completed_games=completed,
            failed_games=tuple(each.game_id for each in manifests if each.status == "failed"),
            pending_games=tuple(pending),
            total_time=round(total_s, 3),
            clips=clips,
            failed_clips=failed_clips,
            success_rate=round(clips / (clips + failed_clips), 4) if clips + failed_clips else 0.0,
            games=len(self.run.spec.game_ids),
            clip_s=round(sum(each.figures.clip_s for each in manifests), 3),
            cpu_s=round(sum(each.figures.cpu_s for each in manifests), 3),
            bytes_read=sum(each.figures.bytes_read for each in manifests),
            bytes_written=sum(each.figures.bytes_written for each in manifests),
            bytes_fetched=sum(each.figures.bytes_fetched for each in manifests),
            problems=problems,
            manifests=manifests,
        )


def all_manifests(out: Storage) -> list[Manifest]:
    """Of every game of the root, by id."""
    games = {
        stored.key.split("/")[1]
        for stored in out.keys("games/")
        if stored.key.endswith(f"/{MANIFEST}") and stored.key.count("/") == 2
    }
    found = (read_manifest(out, game_id) for game_id in sorted(games))
    return [manifest for manifest in found if manifest is not None]


def write_whole(out: Storage, seed: str) -> tuple[str, ...]:
    """Write what is about all complete games of the root; returns its problems. Blocks."""
    manifests = all_manifests(out)
    clips = [clip for each in manifests if each.status == "completed" for clip in each.clips]
    formats = sorted({name for each in manifests for name in each.formats})
    problems = _gemini(out, clips) if "gemini" in formats else []
    if "gemini" not in formats:
        for name in GEMINI:  # of an earlier run: they may list what was deleted since
            out.delete(name)
    notes = [f"{each.game_id}: {CAUSES[each.cause]}" for each in manifests if each.cause is not None]
    failures: Counter[str] = Counter(failure.code for each in manifests for failure in each.failures)
    rejections: Counter[str] = Counter(rejection.code for each in manifests for rejection in each.rejected)
    text = card(
        clips, formats=formats, failures=failures, rejections=rejections, notes=[*problems, *notes], seed=seed
    )
    out.put(CARD, text.encode())
    return tuple(problems)


def _gemini(out: Storage, clips: Sequence[Clip]) -> list[str]:
    """The two files of a tuning job; neither is written while a limit of them is exceeded."""
    kept, problems = accepted(clips)
    training, validation = (gemini_lines(in_order(kept, side)).splitlines(keepends=True) for side in SIDES)
    whole = file_problems(training, validation)
    if any(problem.is_fatal for problem in whole):
        for name in GEMINI:
            out.delete(name)
    else:
        for name, lines in zip(GEMINI, (training, validation), strict=True):
            out.put(name, b"".join(lines))
    counts = Counter(problem.code for problem in problems)
    first = {problem.code: problem for problem in reversed(problems)}
    words = [
        f"{code}: {count} clips, such as {first[code].clip}: {first[code].detail}"
        for code, count in counts.items()
    ]
    return [*words, *(f"{problem.code}: {problem.detail}" for problem in whole)]


# -- the work folder ----------------------------------------------------------------------------------------


def make_work(out: Storage, default: Path, run_id: str) -> Path:
    """A folder for this process's drafts; those of processes that have died are removed. Blocks."""
    parent = out.work or default
    parent.mkdir(parents=True, exist_ok=True)
    for folder in parent.glob("*_*"):
        pid = folder.name.partition("_")[0]
        if pid.isdecimal() and int(pid) != os.getpid() and not Path("/proc", pid).exists():
            shutil.rmtree(folder, ignore_errors=True)
    work = parent / f"{os.getpid()}_{run_id}"
    work.mkdir(exist_ok=True)  # of a daemon that has the same pid after each start
    return work
