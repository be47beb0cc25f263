"""Which clips stand: by their bytes and by what they were cut from."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from appliance.box.datasets.model import ClipJob, ClipResult
from appliance.box.datasets.runs.standing import recipe_of, standing, store, stored_keys
from appliance.box.datasets.storage.folder import FolderStorage

DATA = b"a clip"
JOB = ClipJob(play_id="p1", camera="FAR_LEFT", start_s=1.0, end_s=2.0, path="unused")


def stored_in(tmp_path: Path, recipe: str = "recipe") -> FolderStorage:
    out, draft = FolderStorage(tmp_path / "out"), tmp_path / "draft.mp4"
    draft.write_bytes(DATA)
    result = ClipResult(
        play_id="p1",
        camera="FAR_LEFT",
        path=str(draft),
        sha256=hashlib.sha256(DATA).hexdigest(),
        bytes=len(DATA),
        frames=25,
        duration_s=1.0,
        attempts=1,
    )
    store(out, "g1", recipe, result)
    assert not draft.exists()
    return out


def test_a_clip_with_its_record_stands(tmp_path: Path) -> None:
    out = stored_in(tmp_path)
    records = standing(out, "g1", stored_keys(out, "g1"), [(JOB, "recipe")])
    assert records["p1"].frames == 25 and records["p1"].sha256 == hashlib.sha256(DATA).hexdigest()
    assert standing(out, "g1", stored_keys(out, "g1"), [(JOB, "another recipe")]) == {}


@pytest.mark.parametrize("damage", [b"A clip", b"a cli", b""])
def test_a_clip_with_other_bytes_does_not_stand(tmp_path: Path, damage: bytes) -> None:
    out = stored_in(tmp_path)
    (out.root / "games/g1/clips/p1_FAR_LEFT.mp4").write_bytes(damage)
    assert standing(out, "g1", stored_keys(out, "g1"), [(JOB, "recipe")]) == {}


@pytest.mark.parametrize("name", ["clips/p1_FAR_LEFT.mp4", "records/p1_FAR_LEFT.json"])
def test_neither_stands_without_the_other(tmp_path: Path, name: str) -> None:
    out = stored_in(tmp_path)
    out.delete(f"games/g1/{name}")
    assert standing(out, "g1", stored_keys(out, "g1"), [(JOB, "recipe")]) == {}


def test_a_recipe_names_everything_that_changes_a_clip() -> None:
    same = recipe_of("video", 1.0, 2.0, "transcode", 1)
    assert same == recipe_of("video", 1.0, 2.0, "transcode", 1)
    others = [
        recipe_of("other", 1.0, 2.0, "transcode", 1),
        recipe_of("video", 1.5, 2.0, "transcode", 1),
        recipe_of("video", 1.0, 2.5, "transcode", 1),
        recipe_of("video", 1.0, 2.0, "copy", 1),
        recipe_of("video", 1.0, 2.0, "transcode", 2),
    ]
    assert len({same, *others}) == 6
