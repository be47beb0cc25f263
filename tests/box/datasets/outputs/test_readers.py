"""Shards are read by WebDataset's own reader, where it is installed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from appliance.box.datasets.outputs.shards import write_shard
from tests.box.datasets.clips import clip


@pytest.mark.filterwarnings(  # the reader leaves the file to the collector
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)
def test_a_shard_is_read_by_webdataset(tmp_path: Path) -> None:
    webdataset = pytest.importorskip(
        "webdataset", reason="webdataset is not installed: pip install webdataset"
    )
    video = tmp_path / "video"
    video.write_bytes(b"mp4")
    clips = [clip(), clip(camera="NEAR_RIGHT"), clip("p2")]
    write_shard(tmp_path / "training-000000.tar", clips, [video] * 3)
    samples = list(webdataset.WebDataset(str(tmp_path / "training-000000.tar"), shardshuffle=False))
    assert [sample["__key__"] for sample in samples] == [each.name for each in clips]
    assert all(sample["mp4"] == b"mp4" for sample in samples)
    assert [json.loads(sample["json"])["play_id"] for sample in samples] == ["p1", "p1", "p2"]
