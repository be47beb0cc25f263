"""Progress of a run: a bar for each game on a terminal, a line for each step elsewhere.

Owns: the words. Must not know: where they are written. The lines are pure functions of what was reported.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from appliance.box.datasets.runs.manifest import Manifest, slow_run
from appliance.box.datasets.runs.progress import (
    CameraStarted,
    ClipDone,
    GameEnded,
    GameStarted,
    RunEvent,
    SourceReady,
    SourceRemoved,
)

Write = Callable[[str], None]
_WIDTH: Final = 30
_UP_AND_CLEAR: Final = "\x1b[1A\x1b[2K"


@dataclass(slots=True)
class _Count:
    clips: int
    done: int = 0
    failed: int = 0

    def line(self, game_id: str) -> str:
        share = self.done / self.clips if self.clips else 1.0
        bar = ("#" * int(share * _WIDTH)).ljust(_WIDTH, ".")
        failed = f", {self.failed} failed" if self.failed else ""
        return f"{game_id[:36]:36} [{bar}] {self.done}/{self.clips}{failed}"


@dataclass(slots=True)
class Bars:
    """For a terminal: the bars of the games under way are the last lines, and written again at each step."""

    write: Write
    _games: dict[str, _Count] = field(default_factory=dict)
    _shown: int = 0

    def __call__(self, event: RunEvent) -> None:
        ended = ""
        match event:
            case GameStarted(game_id, _, clips, _, kept):
                self._games[game_id] = _Count(clips, done=kept)
            case ClipDone(game_id, result) if game_id in self._games:
                self._games[game_id].done += 1
                self._games[game_id].failed += result.error is not None
            case GameEnded(manifest):
                self._games.pop(manifest.game_id, None)
                ended = end_line(manifest) + "\n"
            case _:
                return
        lines = [count.line(game_id) for game_id, count in self._games.items()]
        self.write(_UP_AND_CLEAR * self._shown + ended + "".join(f"{line}\n" for line in lines))
        self._shown = len(lines)


@dataclass(slots=True)
class Lines:
    """For a file or a pipe: a line for each step, none for a clip that was cut."""

    write: Write

    def __call__(self, event: RunEvent) -> None:
        text = line_of(event)
        if text:
            self.write(text + "\n")


def line_of(event: RunEvent) -> str:
    match event:
        case GameStarted(game_id, plays, clips, videos, kept):
            stand = f", {kept} of them stand" if kept else ""
            return f"Processing game {game_id}: {plays} plays, {clips} clips across {videos} videos{stand}"
        case CameraStarted(game_id, camera, clips):
            return f"{game_id} {camera}: {clips} clips"
        case SourceReady(game_id, camera, size, is_copy):
            return f"{game_id} {camera}: {'fetched' if is_copy else 'opened'} ({size / 1e6:.1f} MB)"
        case SourceRemoved(game_id, camera):
            return f"{game_id} {camera}: copy removed"
        case ClipDone(game_id, result) if result.error is not None:
            return f"{game_id} {result.camera} {result.play_id}: failed: {result.detail or result.error}"
        case GameEnded(manifest):
            return end_line(manifest)
    return ""


def end_line(manifest: Manifest) -> str:
    """What became of a game, with the cause when it failed."""
    name = f"{manifest.game_id[:36]:36}"
    if manifest.status == "failed":
        return f"{name} FAILED: {manifest.reason}"
    figures = manifest.figures
    words = [f"{manifest.successful_clips} clips"]
    if manifest.failed_clips:
        words.append(f"{manifest.failed_clips} failed")
    if manifest.rejected:
        words.append(f"{len(manifest.rejected)} rows rejected")
    if figures.clips_kept:
        words.append(f"{figures.clips_kept} stood")
    words.append(f"{figures.wall_s:.1f} s")
    slow = slow_run(manifest)
    return f"{name} {', '.join(words)}" + (f"; {slow}" if slow else "")
