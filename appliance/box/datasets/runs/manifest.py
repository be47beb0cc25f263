"""The manifest of a game: the last file that is written, and the only one that says that the game is
complete.

Owns: its form, the causes of a failure in words, and the answer that a client gets of a game (the union of
the three shapes of the first pipeline). Pure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any, Final, Literal

from pydantic import Field

from appliance.box.datasets.model import ClipResult, Record
from appliance.box.datasets.outputs.entries import Clip
from appliance.box.datasets.plays.checked import Rejection
from appliance.box.datasets.plays.split import SplitUnit

SCHEMA: Final = 1
Status = Literal["processing", "completed", "failed"]
Cause = Literal[
    "unknown_game",
    "no_plays",
    "no_usable_plays",
    "supabase_error",
    "plays_unreadable",
    "all_clips_failed",
    "timeout",
    "canceled",
    "disk_full",
    "storage",
    "changed_meanwhile",
    "interrupted",
]

CAUSES: Final[dict[Cause, str]] = {
    "unknown_game": "no row of plays has this game: is the id right?",
    "no_plays": "the game has no plays yet",
    "no_usable_plays": "every row of the game was rejected: see `rejected`",
    "supabase_error": "the query for plays failed: check SUPABASE_URL and SUPABASE_SERVICE_KEY",
    "plays_unreadable": "the plays cannot be read",
    "all_clips_failed": "no clip could be cut, so nothing is listed: see `failures`",
    "timeout": "the game took too long; run it again: clips that are finished are not cut again",
    "canceled": "the run was canceled; clips that are finished are not cut again",
    "disk_full": "a disk is full: free space and run it again",
    "storage": "sources or outputs cannot be reached",
    "changed_meanwhile": "another run has written the outputs of this game: run it again",
    "interrupted": "the process ended; run it again: clips that are finished are not cut again",
}


class Failure(Record):
    """A clip that is not listed, and why."""

    play_id: str
    camera: str
    code: str
    reason: str
    attempts: int = 0


class OutputFile(Record):
    key: str
    sha256: str
    bytes: int


class SplitFacts(Record):
    """`drift`: of the share of training plays from the floor. `left_out`: plays that overlap both sides."""

    seed: str
    unit: SplitUnit
    training_plays: int = 0
    validation_plays: int = 0
    drift: float = 0.0
    left_out: tuple[str, ...] = ()


class Figures(Record):
    """What a game cost. `source_opens` by camera is 1 for a run without retries; more is the cause of a
    slow run."""

    wall_s: float = 0.0
    cpu_s: float = 0.0
    encoder_s: float = 0.0
    clip_s: float = Field(default=0.0, description="seconds of video in the clips")
    bytes_read: int = 0
    bytes_written: int = 0
    bytes_fetched: int = 0
    source_bytes: int = 0
    source_opens: dict[str, int] = Field(default_factory=dict)
    clips_cut: int = 0
    clips_kept: int = Field(default=0, description="they stood from an earlier run")
    generic_prompts: int = 0
    jsonl_bytes: int = 0


class Manifest(Record):
    """`reason`: why it failed, in words. `problems`: limits of a tuning job that clips or files exceed."""

    schema_version: int = SCHEMA
    run_id: str
    game_id: str
    status: Status
    started_at: str
    ended_at: str | None = None
    cause: Cause | None = None
    reason: str = ""
    total_plays: int = 0
    successful_clips: int = 0
    failed_clips: int = 0
    rejected: tuple[Rejection, ...] = ()
    failures: tuple[Failure, ...] = ()
    clips: tuple[Clip, ...] = ()
    jsonl_files: dict[str, str] | None = None
    files: tuple[OutputFile, ...] = ()
    formats: tuple[str, ...] = ()
    split: SplitFacts | None = None
    problems: tuple[str, ...] = ()
    figures: Figures = Figures()

    def answer(self) -> dict[str, Any]:
        """What a client is shown of a game, at the trigger and later: all fields of the three shapes."""
        shown: dict[str, Any] = {
            "game_id": self.game_id,
            "status": self.status,
            "message": message_of(self),
            "total_plays": self.total_plays,
            "successful_clips": self.successful_clips,
            "failed_clips": self.failed_clips,
            "jsonl_files": self.jsonl_files,
        }
        return shown if self.cause is None else {**shown, "error": self.cause, "reason": self.reason}


def message_of(manifest: Manifest) -> str:
    if manifest.status == "processing":
        return "Processing started"
    if manifest.status == "failed":
        return manifest.reason
    return f"{manifest.successful_clips} clips, {manifest.failed_clips} failed"


def failure_of(result: ClipResult) -> Failure:
    assert result.error is not None
    return Failure(
        play_id=result.play_id,
        camera=result.camera,
        code=result.error,
        reason=result.detail or result.error,
        attempts=result.attempts,
    )


def diagnosis(failures: Iterable[Failure]) -> str:
    """Why no clip could be cut, the commonest cause first: "source_missing (12): ..."."""
    failures = list(failures)
    counts = Counter(failure.code for failure in failures)
    words = []
    for code, count in counts.most_common(3):
        reason = next(failure.reason for failure in failures if failure.code == code)
        words.append(f"{code} ({count}): {reason}")
    return "; ".join(words)


def slow_run(manifest: Manifest) -> str:
    """A sentence when a source was opened more often than once, the usual cause of a slow run; ""
    otherwise."""
    often = {camera: opens for camera, opens in manifest.figures.source_opens.items() if opens > 1}
    if not often:
        return ""
    named = ", ".join(f"{camera} {opens} times" for camera, opens in sorted(often.items()))
    return f"sources were opened more than once: {named}"
