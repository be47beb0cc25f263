"""A clip as the outputs list it, and the keys of everything below an output root.

Owns: the paths. Must not know: formats, where the root is. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from pydantic import Field

from appliance.box.datasets.model import Record, clip_name
from appliance.box.datasets.plays.split import Side

FORMATS: Final = ("seed", "gemini", "webdataset", "hf")

MANIFEST: Final = "manifest.json"
SPLIT: Final = "split.json"
TRAINING: Final = "training_data.jsonl"
VALIDATION: Final = "validation_data.jsonl"
CARD: Final = "README.md"


class Clip(Record):
    """A clip that was cut and checked. `path` is its key below the root, `uri` where a trainer finds it.
    `fields`: the play's other columns."""

    game_id: str
    play_id: str
    camera: str
    side: Side
    path: str
    uri: str
    sha256: str
    bytes: int
    start_s: float
    end_s: float
    duration_s: float
    frames: int
    prompt: str
    fields: dict[str, Any] = Field(default_factory=dict)

    @property
    def name(self) -> str:
        """Of its file, and of its sample in a shard (without the ending)."""
        return clip_name(self.play_id, self.camera).removesuffix(".mp4")


def in_order(clips: Iterable[Clip], side: Side) -> list[Clip]:
    """The clips of one side as outputs list them: by game, start, play, camera."""
    chosen = [clip for clip in clips if clip.side == side]
    return sorted(chosen, key=lambda clip: (clip.game_id, clip.start_s, clip.play_id, clip.camera))


def game_key(game_id: str, name: str = "") -> str:
    """A key below `games/{game_id}/`."""
    return f"games/{game_id}/{name}"


def clip_key(game_id: str, play_id: str, camera: str) -> str:
    return game_key(game_id, f"clips/{clip_name(play_id, camera)}")


def source_key(game_id: str, camera: str) -> str:
    """A camera's video below a root of sources."""
    return f"Games/{game_id}/{camera}.mp4"
