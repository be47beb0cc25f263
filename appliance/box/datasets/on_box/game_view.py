"""What a page shows of a game of a run: its clips with their pictures, its failures, its split. From the
manifest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Literal

from pydantic import BaseModel

from appliance.box.datasets.runs.manifest import Manifest
from appliance.box.datasets.runs.publish import read_manifest
from appliance.box.datasets.storage.model import Storage
from appliance.kernel.errors import Unavailable, not_found
from appliance.kernel.store import Store
from appliance.kernel.threads import in_thread
from appliance.kernel.tx import ReadTx


class ClipView(BaseModel):
    """`thumbnail_url`: of the box's own clip; null for videos of other sources."""

    play_id: str
    camera: str
    side: Literal["training", "validation"]
    duration_s: float
    prompt: str
    uri: str
    thumbnail_url: str | None


class FailureView(BaseModel):
    """`camera` is "" for a row of plays that was rejected."""

    play_id: str
    camera: str
    code: str
    reason: str


class GameView(BaseModel):
    """The newest state of a game's outputs, which a later run may have written."""

    game_id: str
    run_id: str
    status: Literal["processing", "completed", "failed"]
    reason: str
    training_plays: int
    validation_plays: int
    drift: float
    left_out: list[str]
    clips: list[ClipView]
    failures: list[FailureView]
    problems: list[str]


async def game_view(store: Store, opened: Callable[[], Storage], game_id: str) -> dict[str, Any]:
    """Raises Refused 404; Unavailable when the outputs cannot be read."""
    try:
        manifest = await in_thread(lambda: read_manifest(opened(), game_id), abandon_on_cancel=True)
    except OSError as error:
        detail = f"the outputs of datasets cannot be read: {error.strerror or error}"
        raise Unavailable("clips_disk", detail[:300], "see [datasets] out") from error
    if manifest is None:
        raise not_found("dataset of game", game_id)
    pictures = await store.read(partial(_pictures, game_id=game_id))
    return shown(manifest, pictures)


def shown(manifest: Manifest, pictures: Mapping[tuple[str, str], str]) -> dict[str, Any]:
    """`pictures`: by play and camera."""
    split = manifest.split
    rejected = [each.model_dump(exclude={"game_id"}) | {"camera": ""} for each in manifest.rejected]
    names = {"play_id", "camera", "side", "duration_s", "prompt", "uri"}
    return {
        "game_id": manifest.game_id,
        "run_id": manifest.run_id,
        "status": manifest.status,
        "reason": manifest.reason,
        "training_plays": split.training_plays if split else 0,
        "validation_plays": split.validation_plays if split else 0,
        "drift": split.drift if split else 0.0,
        "left_out": list(split.left_out) if split else [],
        "clips": [
            {**clip.model_dump(include=names), "thumbnail_url": pictures.get((clip.play_id, clip.camera))}
            for clip in manifest.clips
        ],
        "failures": [each.model_dump(exclude={"attempts"}) for each in manifest.failures] + rejected,
        "problems": list(manifest.problems),
    }


def _pictures(tx: ReadTx, game_id: str) -> dict[tuple[str, str], str]:
    rows = tx.all(
        "SELECT id, coalesce(play_id, id) AS play_id, channel_id FROM clips"
        " WHERE session_id = ? AND deleted_us IS NULL",
        (game_id,),
    )
    return {(row["play_id"], row["channel_id"]): f"/clips/{row['id']}/thumbnail" for row in rows}
