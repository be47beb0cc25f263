"""A run from a bucket into a bucket, against a real S3 server."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from appliance.box.datasets.outputs.entries import TRAINING, VALIDATION, game_key
from appliance.box.datasets.runs.publish import read_manifest
from appliance.box.datasets.runs.sources import StoredVideos
from appliance.box.datasets.storage.opened import open_storage
from tests.box.datasets.batches import Runs, add_videos, rows
from tests.box.datasets.hand_engine import HandEngine
from tests.box.datasets.s3_server import s3_options


def files_in(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.mp4"))


@pytest.mark.slow
async def test_videos_of_a_bucket_become_clips_of_a_bucket(tmp_path: Path) -> None:  # T11 T14 T21
    with s3_options() as environment:
        videos = open_storage("s3://bucket/videos", environment)
        out = open_storage("s3://bucket/training", environment)
        add_videos(tmp_path, "g1")
        for path in files_in(tmp_path):
            videos.put_file(path.relative_to(tmp_path).as_posix(), path)
        runs, engine = Runs(tmp_path, out), HandEngine()
        formats = ("seed", "gemini", "webdataset", "hf")
        batch = runs.batch(rows("g1", 5), engine, StoredVideos(videos), formats=formats)
        result = await batch.perform()
        assert result.status == "completed" and result.clips == 10, result.manifests
        manifest = read_manifest(out, "g1")
        assert manifest is not None and manifest.jsonl_files is not None
        assert manifest.jsonl_files["training"] == "s3://bucket/training/games/g1/training_data.jsonl"
        counts = [len(out.read(game_key("g1", name)).splitlines()) for name in (TRAINING, VALIDATION)]
        assert counts == [8, 2]
        line = json.loads(out.read("gemini_training.jsonl").splitlines()[0])
        assert line["contents"][0]["parts"][0]["fileData"]["fileUri"].startswith(
            "gs://bucket/games/g1/clips/"
        )
        keys = {stored.key for stored in out.keys("games/g1/")}
        assert (
            len([key for key in keys if "/hf/" in key]) == 12 and len([k for k in keys if ".tar" in k]) == 2
        )
        again = HandEngine()
        result = await runs.batch(rows("g1", 5), again, StoredVideos(videos)).perform()
        assert result.clips == 10 and again.units == []
        assert not [stored.key for stored in out.keys("games/g1/hf/")]
        assert not files_in(tmp_path)
