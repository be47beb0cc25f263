"""One game of a run: plays, cameras, clips, split, outputs, manifest.

Owns: the order, and which failure ends the game with which cause. A game that fails never stops another one.
"""

from __future__ import annotations

import errno
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import trio

from appliance.box.datasets.model import Play
from appliance.box.datasets.outputs.entries import SPLIT, Clip, clip_key, game_key
from appliance.box.datasets.plays.checked import GamePlays
from appliance.box.datasets.plays.overlaps import overlap_groups
from appliance.box.datasets.plays.postgrest import PlaysUnavailable
from appliance.box.datasets.plays.prompts import Prompt, Template
from appliance.box.datasets.plays.split import SIDES, Side, Split, split_plays
from appliance.box.datasets.runs.camera import Camera, Context, cut_camera, plan_camera
from appliance.box.datasets.runs.manifest import (
    CAUSES,
    Cause,
    Figures,
    Manifest,
    SplitFacts,
    diagnosis,
)
from appliance.box.datasets.runs.progress import GameEnded, GameStarted
from appliance.box.datasets.runs.publish import (
    UriOf,
    Versions,
    publish,
    put_manifest,
    read_versions,
    remove_unlisted,
    withdraw,
)
from appliance.box.datasets.runs.sources import PlaySource, blocking
from appliance.box.datasets.runs.standing import stored_keys
from appliance.box.datasets.storage.model import ChangedMeanwhile, Expected, Storage
from appliance.kernel.clock import to_rfc3339
from appliance.kernel.threads import in_thread

CLIPS_OF_A_PLAY: Final = 2  # of a row that was rejected: they count as failed

Drops = Callable[[Play], bool]
"""Whether a play must not be in the dataset: a player of it has asked for deletion."""


@dataclass(slots=True)
class Game:
    """`side`: of the whole game, where whole games are split. `drops`: plays that are left out."""

    run: Context
    run_id: str
    game_id: str
    plays: PlaySource
    uri: UriOf
    now_us: Callable[[], int]
    side: Side | None = None
    drops: Drops = lambda play: False
    versions: Versions = field(default_factory=Versions)
    manifest: Manifest = field(init=False)
    cameras: list[Camera] = field(default_factory=list)
    began_s: float = 0.0

    async def perform(self) -> Manifest:
        """The game within its limit of time; its manifest, as it was written. Raises Cancelled alone."""
        self.began_s = trio.current_time()
        self.manifest = Manifest(
            run_id=self.run_id,
            game_id=self.game_id,
            status="processing",
            started_at=to_rfc3339(self.now_us()),
            formats=self.run.spec.formats,
        )
        with trio.move_on_after(self.run.spec.game_limit_s) as limit:
            await self._guarded()
        if limit.cancelled_caught:
            await self.fail("timeout", f"{CAUSES['timeout']} (limit {self.run.spec.game_limit_s:g} s)")
        self.run.report(GameEnded(self.manifest))
        return self.manifest

    async def fail(self, cause: Cause, reason: str = "") -> None:
        """Write the manifest of a failure, as far as the outputs can be written."""
        await self._settle()
        self.manifest = self.manifest.model_copy(
            update={
                "status": "failed",
                "cause": cause,
                "reason": reason or CAUSES[cause],
                "ended_at": to_rfc3339(self.now_us()),
            }
        )
        if cause == "changed_meanwhile":
            return
        with trio.move_on_after(30, shield=True):
            try:
                manifest = self.manifest
                await in_thread(
                    lambda: put_manifest(self.run.out, manifest, self.versions), abandon_on_cancel=True
                )
            except (OSError, ChangedMeanwhile):
                pass  # the answer and the exit code have the failure too

    async def _guarded(self) -> None:
        try:
            await self._steps()
        except PlaysUnavailable as error:
            await self.fail("supabase_error", str(error))
        except ChangedMeanwhile as error:
            await self.fail("changed_meanwhile", str(error))
        except OSError as error:
            cause: Cause = "disk_full" if error.errno == errno.ENOSPC else "storage"
            await self.fail(cause, f"{CAUSES[cause]}: {error.strerror or error}")

    async def _steps(self) -> None:
        out = self.run.out
        self.versions = await blocking(partial(read_versions, out, self.game_id))
        self.versions = await blocking(partial(put_manifest, out, self.manifest, self.versions))
        plays = await self.plays.plays(self.game_id)
        kept = [play for play in plays.plays if not self.drops(play)]
        plays = plays.model_copy(update={"plays": tuple(kept)})
        self._note(total_plays=plays.rows, rejected=plays.rejections)
        if (cause := _why_none(plays)) is not None:
            await blocking(partial(withdraw, out, self.game_id))
            await blocking(partial(remove_unlisted, out, self.game_id, (), ()))
            await self.fail(cause)
            return
        await self._cut(plays)
        await self._publish(plays)

    async def _cut(self, plays: GamePlays) -> None:
        by_camera: dict[str, list[Play]] = {}
        for play in plays.plays:
            for name in plays.cameras_of(play):
                by_camera.setdefault(name, []).append(play)
        self.cameras = [Camera(self.game_id, name, chosen) for name, chosen in sorted(by_camera.items())]
        stored = await blocking(partial(stored_keys, self.run.out, self.game_id))
        for camera in self.cameras:
            await plan_camera(self.run, camera, stored)
        clips = sum(len(camera.plays) for camera in self.cameras)
        kept = sum(camera.kept for camera in self.cameras)
        self.run.report(GameStarted(self.game_id, plays.rows, clips, len(self.cameras), kept))
        async with trio.open_nursery() as nursery:
            for camera in self.cameras:
                if camera.jobs:  # in order: games that began earlier are cut earlier
                    await self.run.units.acquire_on_behalf_of(camera)
                    nursery.start_soon(cut_camera, self.run, camera, name=f"{self.game_id} {camera.name}")
        problem = next((camera.problem for camera in self.cameras if camera.problem is not None), None)
        if problem is not None:
            raise problem

    async def _publish(self, plays: GamePlays) -> None:
        out = self.run.out
        await self._settle()
        usable = {play_id for camera in self.cameras for play_id in camera.clips}
        if not usable:
            await blocking(partial(withdraw, out, self.game_id))
            await blocking(partial(remove_unlisted, out, self.game_id, (), ()))
            await self.fail("all_clips_failed", f"no clip could be cut: {diagnosis(self.manifest.failures)}")
            return
        split = await self._split(plays, usable)
        prompts = {play.id: Template(self.run.spec.template).fill(play) for play in plays.plays}
        clips = self._clips(plays, split, prompts)
        self._note(
            status="completed",
            successful_clips=len(clips),
            ended_at=to_rfc3339(self.now_us()),
            split=self._split_facts(split),
            figures=self.manifest.figures.model_copy(
                update={
                    "generic_prompts": sum(prompts[play_id].is_generic for play_id in split.sides),
                    "clip_s": round(sum(clip.duration_s for clip in clips), 3),
                }
            ),
        )
        self.manifest, self.versions = await in_thread(
            partial(publish, out, self.manifest, clips, self.versions, self.run.work)
        )

    async def _split(self, plays: GamePlays, usable: set[str]) -> Split:
        """Of the plays with at least one clip; earlier assignments stay, and the new ones are stored before
        anything is listed."""
        out, key = self.run.out, game_key(self.game_id, SPLIT)
        known, version = await blocking(partial(read_split, out, key))
        if self.side is not None:
            sides = dict.fromkeys(sorted(usable), self.side)
            return Split(sides=sides, assignments=sides)
        # plays without a clip still join those that they overlap
        groups = [[play for play in group if play in usable] for group in overlap_groups(plays.plays)]
        split = split_plays([group for group in groups if group], known, self.run.spec.split_seed)
        if split.assignments != known:
            data = json.dumps({"assignments": split.assignments}, indent=1, sort_keys=True).encode()
            await blocking(partial(out.put, key, data, version))
        return split

    def _split_facts(self, split: Split) -> SplitFacts:
        training = sum(side == "training" for side in split.sides.values())
        return SplitFacts(
            seed=self.run.spec.split_seed,
            unit=self.run.spec.split_unit,
            training_plays=training,
            validation_plays=len(split.sides) - training,
            drift=split.drift() if self.side is None else 0.0,
            left_out=split.left_out,
        )

    def _clips(self, plays: GamePlays, split: Split, prompts: dict[str, Prompt]) -> list[Clip]:
        by_id = {play.id: play for play in plays.plays}
        clips = []
        for camera in self.cameras:
            for play_id, record in sorted(camera.clips.items()):
                if play_id not in split.sides:
                    continue
                play, key = by_id[play_id], clip_key(self.game_id, play_id, camera.name)
                clips.append(
                    Clip(
                        game_id=self.game_id,
                        play_id=play_id,
                        camera=camera.name,
                        side=split.sides[play_id],
                        path=key,
                        uri=self.uri(key),
                        sha256=record.sha256,
                        bytes=record.bytes,
                        start_s=play.start_s,
                        end_s=play.end_s,
                        duration_s=record.duration_s,
                        frames=record.frames,
                        prompt=prompts[play_id].text,
                        fields=play.fields,
                    )
                )
        return clips

    async def _settle(self) -> None:
        """Failures and figures so far, into the manifest."""
        failures = tuple(failure for camera in self.cameras for failure in camera.failures)
        self._note(
            failures=failures,
            failed_clips=len(failures) + CLIPS_OF_A_PLAY * len(self.manifest.rejected),
            successful_clips=sum(len(camera.clips) for camera in self.cameras),
            figures=figures_of(self.cameras, trio.current_time() - self.began_s),
        )

    def _note(self, **changes: object) -> None:
        self.manifest = self.manifest.model_copy(update=changes)


def figures_of(cameras: list[Camera], wall_s: float) -> Figures:
    results = [camera.result for camera in cameras if camera.result is not None]
    return Figures(
        wall_s=round(wall_s, 3),
        cpu_s=round(sum(result.cpu_s for result in results), 3),
        encoder_s=round(sum(result.encoder_s for result in results), 3),
        bytes_read=sum(result.bytes_read for result in results),
        bytes_written=sum(result.bytes_written for result in results),
        bytes_fetched=sum(camera.fetched for camera in cameras),
        source_bytes=sum(camera.footage.bytes for camera in cameras),
        source_opens={result.camera: result.source_opens for result in results},
        clips_cut=sum(len(camera.clips) - camera.kept for camera in cameras),
        clips_kept=sum(camera.kept for camera in cameras),
    )


def read_split(out: Storage, key: str) -> tuple[dict[str, Side], str | Expected]:
    """Earlier assignments of plays (or of games), and the version of their file."""
    stored = out.find(key)
    if stored is None:
        return {}, Expected.NOTHING
    try:
        assignments = json.loads(out.read(key))["assignments"]
        known = {str(name): side for name, side in assignments.items() if side in SIDES}
    except (ValueError, TypeError, KeyError, AttributeError):
        raise OSError(
            errno.EINVAL, "the file of earlier assignments cannot be read; a run never guesses", key
        ) from None
    return known, stored.version


def _why_none(plays: GamePlays) -> Cause | None:
    if plays.plays:
        return None
    if plays.rejections:
        return "no_usable_plays"
    return "no_plays" if plays.is_known else "unknown_game"
