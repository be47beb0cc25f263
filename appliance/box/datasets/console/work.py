"""What the commands do, apart from their options: check, run, status. Loaded by these commands alone.

Owns: the words that a person reads. Raises BadInput, BadRoot, OSError, ChangedMeanwhile.
"""

from __future__ import annotations

import secrets
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import trio

from appliance.box.datasets.console.asked import (
    BOX,
    Asked,
    bucket_of,
    open_engine,
    open_out,
    read_asked,
    read_text,
)
from appliance.box.datasets.console.bars import Bars, Lines, end_line
from appliance.box.datasets.console.checking import check_game
from appliance.box.datasets.console.remote import BoxRuns
from appliance.box.datasets.plays.prompts import DEFAULT_TEMPLATE
from appliance.box.datasets.plays.rows import BadInput, read_games
from appliance.box.datasets.runs.batch import Batch, RunResult, all_manifests, make_work, write_whole
from appliance.box.datasets.runs.camera import Context
from appliance.box.datasets.runs.deletions import Deletions, delete_now
from appliance.box.datasets.runs.engine import Engine
from appliance.box.datasets.runs.publish import read_manifest, uri_of
from appliance.box.datasets.runs.sources import StoredVideos
from appliance.box.datasets.runs.spec import RunSpec
from appliance.box.datasets.storage.model import Storage
from appliance.kernel.clock import wall_us

Say = Callable[[str], None]
"""Writes a text as it is: lines end with their own line feed."""


@dataclass(frozen=True, slots=True)
class Options:
    """Of `dataset run`, as they were typed. `formats`: with commas."""

    games: Path
    plays: str
    sources: str
    out: str
    mode: str
    formats: str
    engine: str
    address: str
    split_seed: str
    split_unit: str
    template: str | None
    game_limit_s: float
    total_limit_s: float
    delete_games: Sequence[str]
    delete_players: Sequence[str]
    url: str

    def spec(self) -> RunSpec:
        """Raises BadInput, pydantic's ValidationError."""
        return RunSpec.model_validate(
            {
                "game_ids": read_games(read_text(self.games)),
                "mode": self.mode,
                "formats": tuple(name.strip() for name in self.formats.split(",")),
                "split_seed": self.split_seed,
                "split_unit": self.split_unit,
                "template": DEFAULT_TEMPLATE if self.template is None else self.template,
                "game_limit_s": self.game_limit_s,
                "total_limit_s": self.total_limit_s,
            }
        )


async def check_games(asked: Asked, say: Say) -> bool:
    """Whether every clip of every game can be cut, as far as that is known before a video is read."""
    complete = bool(asked.game_ids)
    for game_id in asked.game_ids:
        found = await check_game(game_id, asked.plays, StoredVideos(asked.sources))
        say(found.line() + "\n")
        complete = complete and not found.problems
    return complete


def check(games: Path, plays: str, sources: str, environment: Mapping[str, str], say: Say) -> bool:
    return trio.run(check_games, read_asked(games, plays, sources, environment), say)


def run(options: Options, environment: Mapping[str, str], say: Say) -> bool:
    """Whether every game is complete."""
    spec = options.spec()
    if BOX in (options.plays, options.sources):
        if (options.plays, options.sources) != (BOX, BOX):
            raise BadInput("plays and sources are both of the box, or neither")
        return _run_on_box(options, spec, environment, say)
    asked = read_asked(options.games, options.plays, options.sources, environment)
    out = open_out(options.out, environment)
    engine = open_engine(options.engine, options.address)
    run_id = f"run-{secrets.token_hex(8)}"
    with tempfile.TemporaryDirectory(prefix="appliance-dataset-") as folder:
        work = make_work(out, Path(folder), run_id)
        try:
            if options.delete_games or options.delete_players:
                _delete(out, options, work, say)
            batch = _batch(spec, run_id, asked, out, engine, work, environment, say)
            return _ended(trio.run(_until_signal, batch), say)
        finally:
            _remove_work(work)


def _batch(
    spec: RunSpec,
    run_id: str,
    asked: Asked,
    out: Storage,
    engine: Engine,
    work: Path,
    environment: Mapping[str, str],
    say: Say,
) -> Batch:
    context = Context(
        spec=spec,
        videos=StoredVideos(asked.sources),
        out=out,
        engine=engine,
        units=trio.CapacityLimiter(engine.parallel),
        work=work,
        report=Bars(say) if sys.stdout.isatty() else Lines(say),
    )
    return Batch(
        context, run_id, asked.plays, uri_of(out, bucket_of(environment, "GCS_TRAINING_BUCKET")), wall_us
    )


async def _until_signal(batch: Batch) -> RunResult:
    """Ctrl-C ends the run in order: what is finished stays."""
    async with trio.open_nursery() as nursery:

        async def cancel() -> None:
            with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
                async for _ in signals:
                    batch.cancel.set()

        nursery.start_soon(cancel, name="signals")
        result = await batch.perform()
        nursery.cancel_scope.cancel(reason="the run has ended")
    return result


def _run_on_box(options: Options, spec: RunSpec, environment: Mapping[str, str], say: Say) -> bool:
    """Start it there and follow it: the daemon alone knows its recordings."""
    runs = BoxRuns(options.url, environment.get("APPLIANCE_TOKEN", ""))
    body = {
        "game_ids": list(spec.game_ids),
        "mode": spec.mode,
        "formats": list(spec.formats),
        "split_seed": spec.split_seed,
        "split_unit": spec.split_unit,
        **({} if options.template is None else {"template": options.template}),
        **({"out": options.out} if options.out else {}),
    }
    run_id, shown, status = runs.start(body), "", ""
    for run in runs.follow(run_id):
        status = run["status"]
        words = f"{run_id}: {status}, {run['clips']} clips, {run['failed_clips']} failed\n"
        if words != shown:
            shown = words
            say(words)
    return status == "completed"


def status(out: str, games: Path | None, url: str, environment: Mapping[str, str], say: Say) -> bool:
    """Whether every game is complete."""
    if out == BOX:
        for run in BoxRuns(url, environment.get("APPLIANCE_TOKEN", "")).newest():
            say(f"{run['id']}  {run['status']:10} {run['clips']} clips, {run['failed_clips']} failed\n")
        return True
    target = open_out(out, environment)
    if games is None:
        manifests = {manifest.game_id: manifest for manifest in all_manifests(target)}
        game_ids = list(manifests)
    else:
        game_ids = read_games(read_text(games))
        found = {game_id: read_manifest(target, game_id) for game_id in game_ids}
        manifests = {game_id: manifest for game_id, manifest in found.items() if manifest is not None}
    for game_id in game_ids:
        manifest = manifests.get(game_id)
        if manifest is None:
            say(f"{game_id[:36]:36} not begun\n")
        elif manifest.status == "processing":
            say(f"{game_id[:36]:36} processing since {manifest.started_at} ({manifest.run_id})\n")
        else:
            say(end_line(manifest) + "\n")
    return len([each for each in manifests.values() if each.status == "completed"]) == len(game_ids)


def _delete(out: Storage, options: Options, work: Path, say: Say) -> None:
    """First the list, which every later run reads, then what is there."""
    deletions = Deletions.read(out).adding(options.delete_games, options.delete_players)
    deletions.write(out)
    for game_id in delete_now(out, deletions, all_manifests(out), work):
        say(f"{game_id[:36]:36} written again without what was deleted\n")
    write_whole(out, options.split_seed)


def _ended(result: RunResult, say: Say) -> bool:
    for problem in result.problems:
        say(f"note: {problem}\n")
    say(
        f"{len(result.completed_games)} games complete, {len(result.failed_games)} failed,"
        f" {len(result.pending_games)} pending; {result.clips} clips, {result.failed_clips} failed;"
        f" {result.total_time:.1f} s\n"
    )
    if result.pending_games:
        say(f"pending: {', '.join(result.pending_games)}\n")
    return result.status == "completed"


def _remove_work(work: Path) -> None:
    shutil.rmtree(work, ignore_errors=True)
    try:
        work.parent.rmdir()
    except OSError:
        pass  # another run has a folder in it
