"""Clips that stand from an earlier run: their bytes are there, and were cut from the same video in the same
way.

Owns: the record beside each clip. It is written after the clip, so a clip without one is cut again. All calls
block.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from appliance.box.datasets.model import ClipJob, ClipResult, Mode, Record
from appliance.box.datasets.outputs.entries import clip_key, game_key
from appliance.box.datasets.storage.model import Storage, Stored

RECIPE_VERSION: Final = 1
"""Counts changes of the encoder's settings and of the cutting: clips of another version are cut again."""
_CHUNK: Final = 2**20


class ClipRecord(Record):
    """`recipe`: what the clip was cut from, and how. `version`: of its object."""

    recipe: str
    version: str
    sha256: str
    bytes: int
    frames: int
    duration_s: float
    attempts: int = 1


def recipe_of(identity: str, start_s: float, end_s: float, mode: Mode, threads: int) -> str:
    text = json.dumps([RECIPE_VERSION, identity, start_s, end_s, mode, threads])
    return hashlib.sha256(text.encode()).hexdigest()


def record_key(game_id: str, play_id: str, camera: str) -> str:
    return game_key(game_id, f"records/{play_id}_{camera}.json")


def stored_keys(out: Storage, game_id: str) -> dict[str, Stored]:
    """Clips and records of a game, by key."""
    return {
        stored.key: stored
        for folder in ("clips/", "records/")
        for stored in out.keys(game_key(game_id, folder))
    }


def standing(
    out: Storage, game_id: str, stored: Mapping[str, Stored], wanted: Iterable[tuple[ClipJob, str]]
) -> dict[str, ClipRecord]:
    """By play: the record of each wanted (job, recipe) of one camera whose clip stands."""
    results: dict[str, ClipRecord] = {}
    for job, recipe in wanted:
        key, at = clip_key(game_id, job.play_id, job.camera), record_key(game_id, job.play_id, job.camera)
        if key not in stored or at not in stored:
            continue
        record = _read(out, at)
        if record is not None and record.recipe == recipe and _is_whole(out, stored[key], record):
            results[job.play_id] = record
    return results


def store(out: Storage, game_id: str, recipe: str, result: ClipResult) -> ClipRecord:
    """Move a clip into the root, then write its record."""
    stored = out.put_file(clip_key(game_id, result.play_id, result.camera), Path(result.path))
    record = ClipRecord(
        recipe=recipe,
        version=stored.version,
        sha256=result.sha256,
        bytes=result.bytes,
        frames=result.frames,
        duration_s=result.duration_s,
        attempts=result.attempts,
    )
    out.put(record_key(game_id, result.play_id, result.camera), record.model_dump_json().encode())
    return record


def sha256_of(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _read(out: Storage, key: str) -> ClipRecord | None:
    try:
        return ClipRecord.model_validate_json(out.read(key))
    except (ValidationError, FileNotFoundError):
        return None


def _is_whole(out: Storage, stored: Stored, record: ClipRecord) -> bool:
    """A file is read and compared; of an object in a bucket the version is that of the bytes that were
    sent."""
    if stored.size != record.bytes:
        return False
    place = out.place(stored.key)
    return stored.version == record.version if place is None else sha256_of(place) == record.sha256
