"""What a run reports while it goes on, as values; and the log lines of each. Must not know who listens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import structlog

from appliance.box.datasets.model import ClipResult
from appliance.box.datasets.runs.manifest import Manifest

log = structlog.get_logger("datasets")


@dataclass(frozen=True, slots=True)
class GameStarted:
    """`kept`: clips that stand from an earlier run."""

    game_id: str
    plays: int
    clips: int
    videos: int
    kept: int


@dataclass(frozen=True, slots=True)
class CameraStarted:
    game_id: str
    camera: str
    clips: int


@dataclass(frozen=True, slots=True)
class SourceReady:
    """The video can be read. `is_copy`: it was fetched, and is removed afterwards."""

    game_id: str
    camera: str
    bytes: int
    is_copy: bool


@dataclass(frozen=True, slots=True)
class SourceRemoved:
    game_id: str
    camera: str


@dataclass(frozen=True, slots=True)
class ClipDone:
    game_id: str
    result: ClipResult


@dataclass(frozen=True, slots=True)
class GameEnded:
    manifest: Manifest


RunEvent = GameStarted | CameraStarted | SourceReady | SourceRemoved | ClipDone | GameEnded
Report = Callable[[RunEvent], None]


def log_event(event: RunEvent) -> None:
    """One line for each, with `game_id` for queries."""
    match event:
        case GameStarted():
            log.info("processing_game", game_id=event.game_id, plays=event.plays)
            log.info(
                "clips_organised",
                game_id=event.game_id,
                clips=event.clips,
                videos=event.videos,
                kept=event.kept,
            )
        case CameraStarted():
            log.info("camera_started", game_id=event.game_id, camera=event.camera, clips=event.clips)
        case SourceReady():
            megabytes = round(event.bytes / 1e6, 1)
            log.info("source_acquired", game_id=event.game_id, camera=event.camera, mb=megabytes)
        case SourceRemoved():
            log.info("source_deleted", game_id=event.game_id, camera=event.camera)
        case ClipDone(game_id, result) if result.error is not None:
            reason = result.detail or result.error
            log.error(
                "clip_failed",
                game_id=game_id,
                play_id=result.play_id,
                camera=result.camera,
                code=result.error,
                reason=reason,
            )
        case ClipDone():
            pass
        case GameEnded(manifest):
            _log_end(manifest)


def _log_end(manifest: Manifest) -> None:
    figures = {
        "game_id": manifest.game_id,
        "clips": manifest.successful_clips,
        "failed": manifest.failed_clips,
        "seconds": round(manifest.figures.wall_s, 1),
        "jsonl_bytes": manifest.figures.jsonl_bytes,
    }
    if manifest.status == "completed":
        log.info("game_completed", **figures)
    else:
        log.error("game_failed", **figures, cause=manifest.cause, reason=manifest.reason)
