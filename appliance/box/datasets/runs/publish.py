"""Outputs of a game from its clips, in the order that makes the manifest the signal that it is complete.

Owns: that order (derived formats, training, validation, what is no longer listed, manifest), and that each of
the three signals replaces only what this run has read. All calls block.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from appliance.box.datasets.outputs.entries import MANIFEST, TRAINING, VALIDATION, Clip, game_key, in_order
from appliance.box.datasets.outputs.limits import accepted
from appliance.box.datasets.outputs.lines import gemini_lines, hf_lines, seed_lines
from appliance.box.datasets.outputs.shards import shard_name, shards_of, write_shard
from appliance.box.datasets.plays.split import SIDES, Side
from appliance.box.datasets.runs.manifest import Manifest, OutputFile
from appliance.box.datasets.runs.standing import record_key, sha256_of, stored_keys
from appliance.box.datasets.storage.model import Expected, Storage

JSONL: Mapping[Side, str] = {"training": TRAINING, "validation": VALIDATION}
HF_FOLDERS: Mapping[Side, str] = {"training": "hf/train", "validation": "hf/validation"}


class Versions(NamedTuple):
    """Of the three signals, as this run has found or written them."""

    manifest: str | Expected = Expected.ANY
    training: str | Expected = Expected.ANY
    validation: str | Expected = Expected.ANY


def read_versions(out: Storage, game_id: str) -> Versions:
    found = [out.find(game_key(game_id, name)) for name in (MANIFEST, TRAINING, VALIDATION)]
    return Versions(*(Expected.NOTHING if stored is None else stored.version for stored in found))


def read_manifest(out: Storage, game_id: str) -> Manifest | None:
    """None: there is none, or not one of ours."""
    try:
        return Manifest.model_validate_json(out.read(game_key(game_id, MANIFEST)))
    except (FileNotFoundError, ValidationError):
        return None


def put_manifest(out: Storage, manifest: Manifest, versions: Versions) -> Versions:
    """Raises ChangedMeanwhile."""
    data = manifest.model_dump_json(indent=1).encode()
    stored = out.put(game_key(manifest.game_id, MANIFEST), data, versions.manifest)
    return versions._replace(manifest=stored.version)


def publish(
    out: Storage, manifest: Manifest, clips: Sequence[Clip], versions: Versions, work: Path
) -> tuple[Manifest, Versions]:
    """Write every output of a game with at least one clip; returns the manifest as it was written, and the
    versions of the signals. Raises ChangedMeanwhile, OSError."""
    game_id, formats = manifest.game_id, manifest.formats
    kept, problems = accepted(clips) if "gemini" in formats else (list(clips), [])
    files: list[OutputFile] = []
    if "gemini" in formats:
        for side in SIDES:
            files.append(_put(out, game_id, f"gemini_{side}.jsonl", gemini_lines(in_order(kept, side))))
    if "webdataset" in formats:
        files += _webdataset(out, game_id, clips, work)
    if "hf" in formats:
        files += _hf(out, game_id, clips)
    versions, listed = _signals(out, manifest, clips, versions)
    remove_unlisted(out, game_id, clips, [*files, *listed])
    manifest = manifest.model_copy(
        update={
            "clips": tuple(clips),
            "files": (*files, *listed),
            "problems": tuple(dict.fromkeys(f"{each.code}: {each.clip}: {each.detail}" for each in problems)),
            "jsonl_files": {side: f"{out.uri}/{game_key(game_id, JSONL[side])}" for side in SIDES}
            if listed
            else None,
            "figures": manifest.figures.model_copy(
                update={"jsonl_bytes": sum(each.bytes for each in listed)}
            ),
        }
    )
    return manifest, put_manifest(out, manifest, versions)


def withdraw(out: Storage, game_id: str) -> None:
    """No clip is listed: neither JSONL is there, so that no client takes the game for complete."""
    for name in (VALIDATION, TRAINING):
        out.delete(game_key(game_id, name))


def remove_unlisted(out: Storage, game_id: str, clips: Sequence[Clip], files: Sequence[OutputFile]) -> None:
    """Delete clips, records and files of formats that nothing lists any more."""
    kept = {file.key for file in files} | {clip.path for clip in clips}
    kept |= {record_key(game_id, clip.play_id, clip.camera) for clip in clips}
    derived = [
        stored.key for folder in ("webdataset/", "hf/") for stored in out.keys(game_key(game_id, folder))
    ]
    derived += [
        stored.key
        for side in SIDES
        if (stored := out.find(game_key(game_id, f"gemini_{side}.jsonl"))) is not None
    ]
    for key in (*stored_keys(out, game_id), *derived):
        if key not in kept:
            out.delete(key)


def _signals(
    out: Storage, manifest: Manifest, clips: Sequence[Clip], versions: Versions
) -> tuple[Versions, list[OutputFile]]:
    """Training before validation; an empty validation file is written too, or the game is never complete."""
    if "seed" not in manifest.formats:
        return versions, []
    files: list[OutputFile] = []
    for side in SIDES:
        data = seed_lines(in_order(clips, side))
        key = game_key(manifest.game_id, JSONL[side])
        stored = out.put(key, data, getattr(versions, side))
        versions = versions._replace(**{side: stored.version})
        files.append(_file(key, data))
    return versions, files


def _webdataset(out: Storage, game_id: str, clips: Sequence[Clip], work: Path) -> list[OutputFile]:
    files = []
    for side in SIDES:
        for number, shard in enumerate(shards_of(in_order(clips, side))):
            draft = work / f"shard_{game_id}_{side}_{number}.tar"
            try:
                with local_clips(out, shard, work) as paths:
                    write_shard(draft, shard, paths)
                key = game_key(game_id, shard_name(side, number))
                files.append(OutputFile(key=key, sha256=sha256_of(draft), bytes=draft.stat().st_size))
                out.put_file(key, draft)
            finally:
                draft.unlink(missing_ok=True)
    return files


@contextmanager
def local_clips(out: Storage, clips: Sequence[Clip], work: Path) -> Iterator[list[Path]]:
    """The clips as files: in place, or fetched for the length of the block."""
    fetched: list[Path] = []
    try:
        paths = []
        for clip in clips:
            path = out.place(clip.path)
            if path is None:
                path = work / f"packed_{clip.game_id}_{clip.name}.mp4"
                fetched.append(path)
                out.fetch(clip.path, path)
            paths.append(path)
        yield paths
    finally:
        for path in fetched:
            path.unlink(missing_ok=True)


def _hf(out: Storage, game_id: str, clips: Sequence[Clip]) -> list[OutputFile]:
    files = []
    for side in SIDES:
        chosen = in_order(clips, side)
        folder = HF_FOLDERS[side]
        for clip in chosen:
            key = game_key(game_id, f"{folder}/{clip.name}.mp4")
            out.copy(clip.path, key)
            files.append(OutputFile(key=key, sha256=clip.sha256, bytes=clip.bytes))
        if chosen:
            files.append(_put(out, game_id, f"{folder}/metadata.jsonl", hf_lines(chosen)))
    return files


def _put(out: Storage, game_id: str, name: str, data: bytes) -> OutputFile:
    out.put(game_key(game_id, name), data)
    return _file(game_key(game_id, name), data)


def _file(key: str, data: bytes) -> OutputFile:
    return OutputFile(key=key, sha256=hashlib.sha256(data).hexdigest(), bytes=len(data))


UriOf = Callable[[str], str]
"""Where a trainer finds the object with this key."""


def uri_of(out: Storage, bucket: str) -> UriOf:
    """`bucket`: into which a folder is copied before it is used (GCS_TRAINING_BUCKET); "": none."""
    base = f"gs://{bucket.removeprefix('gs://').strip('/')}" if bucket else out.uri
    return lambda key: f"{base}/{key}"
