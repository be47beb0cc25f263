"""Lines, limits, shards and the card."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest

from appliance.box.datasets.outputs.card import card
from appliance.box.datasets.outputs.entries import clip_key, game_key, in_order, source_key
from appliance.box.datasets.outputs.limits import (
    EXAMPLES_MAX,
    VALIDATION_MAX,
    VIDEO_BYTES_MAX,
    accepted,
    file_problems,
)
from appliance.box.datasets.outputs.lines import INSTRUCTION, gemini_lines, hf_lines, seed_lines
from appliance.box.datasets.outputs.shards import shard_name, shards_of, write_shard
from tests.box.datasets.clips import clip


def test_paths_are_those_of_the_first_pipeline() -> None:  # T11, T14, T23
    assert clip_key("g", "p", "FAR_LEFT") == "games/g/clips/p_FAR_LEFT.mp4"
    assert source_key("g", "NEAR_RIGHT") == "Games/g/NEAR_RIGHT.mp4"
    assert game_key("g", "training_data.jsonl") == "games/g/training_data.jsonl"


def test_a_seed_line_is_byte_for_byte_that_of_the_document() -> None:  # T20
    line = b'{"videoGcsUri": "gs://bucket/games/g1/clips/p1_FAR_LEFT.mp4", "textPrompt": "annotation"}\n'
    assert seed_lines([clip(prompt="annotation")]) == line
    assert seed_lines([]) == b""


def test_both_angles_share_the_text() -> None:  # T20
    lines = [json.loads(line) for line in seed_lines([clip(), clip(camera="NEAR_RIGHT")]).splitlines()]
    assert (
        lines[0]["textPrompt"] == lines[1]["textPrompt"] and len({line["videoGcsUri"] for line in lines}) == 2
    )


def test_a_gemini_line_asks_and_answers_and_has_one_resolution() -> None:
    (line,) = gemini_lines([clip(prompt="a drive")]).splitlines()
    example = json.loads(line)
    user, model = example["contents"]
    assert user["role"] == "user" and model == {"role": "model", "parts": [{"text": "a drive"}]}
    assert user["parts"][0]["fileData"] == {"fileUri": clip().uri, "mimeType": "video/mp4"}
    assert user["parts"][1] == {"text": INSTRUCTION}
    assert example["generationConfig"] == {"mediaResolution": "MEDIA_RESOLUTION_LOW"}


def test_a_clip_over_a_limit_is_no_example_and_one_outside_a_bucket_is_reported() -> None:
    clips = [
        clip("a", bytes=VIDEO_BYTES_MAX + 1),
        clip("b", duration_s=1200.1),
        clip("c", uri="file:///out/c.mp4"),
        clip("d", bytes=VIDEO_BYTES_MAX, duration_s=1200.0),
    ]
    kept, problems = accepted(clips)
    assert [each.play_id for each in kept] == ["c", "d"]
    assert [(each.code, each.clip) for each in problems] == [
        ("video_too_large", "a_FAR_LEFT"),
        ("video_too_long", "b_FAR_LEFT"),
        ("not_in_a_bucket", "c_FAR_LEFT"),
    ]


@pytest.mark.parametrize(
    ("training", "validation", "codes"),
    [
        ([b"x"] * 100, [b"x"] * VALIDATION_MAX, []),
        ([b"x"] * 99, [], ["few_examples"]),
        ([b"x"] * 100, [b"x"] * (VALIDATION_MAX + 1), ["too_many_validation_examples"]),
        ([b"x"] * EXAMPLES_MAX, [b"x"], ["too_many_examples"]),
        ([b"x" * 10_000_001] * 100, [], ["file_too_large"]),
        ([], [], []),
    ],
)
def test_limits_of_the_files(training: list[bytes], validation: list[bytes], codes: list[str]) -> None:
    assert [problem.code for problem in file_problems(training, validation)] == codes


def test_clips_are_listed_in_one_order() -> None:
    clips = [
        clip("b", start_s=2.0),
        clip("a", start_s=2.0),
        clip("z", side="validation"),
        clip("c", game_id="g0"),
    ]
    assert [each.play_id for each in in_order(clips, "training")] == ["c", "a", "b"]


def test_shards_are_bounded_and_equal_for_equal_clips(tmp_path: Path) -> None:
    clips = [clip(f"p{at}", bytes=400) for at in range(5)]
    assert [len(shard) for shard in shards_of(clips, 1000, 100)] == [2, 2, 1]
    assert [len(shard) for shard in shards_of(clips, 10_000, 3)] == [3, 2]
    assert list(shards_of([], 1)) == []
    assert [len(shard) for shard in shards_of(clips[:2], 1, 9)] == [1, 1]
    video = tmp_path / "video"
    video.write_bytes(b"mp4" * 300)
    for name in ("one.tar", "other.tar"):
        write_shard(tmp_path / name, clips[:2], [video, video])
    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "other.tar").read_bytes()
    with tarfile.open(tmp_path / "one.tar") as tar:
        names = tar.getnames()
        sample = json.load(tar.extractfile("p0_FAR_LEFT.json"))  # type: ignore[arg-type]
    assert names == ["p0_FAR_LEFT.mp4", "p0_FAR_LEFT.json", "p1_FAR_LEFT.mp4", "p1_FAR_LEFT.json"]
    assert sample["text"] == clip().prompt and json.loads(sample["metadata"]) == {"play_type": "drive"}
    assert shard_name("training", 3) == "webdataset/training-000003.tar"


def test_a_video_folder_names_the_files_beside_it() -> None:
    (line,) = hf_lines([clip()]).splitlines()
    assert json.loads(line)["file_name"] == "p1_FAR_LEFT.mp4" and json.loads(line)["camera"] == "FAR_LEFT"


def test_the_card_shows_split_balance_durations_and_failures() -> None:
    clips = [clip(), clip(camera="NEAR_RIGHT"), clip("p2", side="validation", duration_s=7.0, fields={})]
    text = card(
        clips, formats=["hf"], failures={"black": 3}, rejections={"bad_range": 1}, notes=["few"], seed="s|1"
    )
    assert text.startswith("---\nconfigs:") and "3 clips of 2 plays in 1 games, 11.0 s." in text
    assert "| training | 1 | 2 | 4.0 |" in text and "| validation | 1 | 1 | 7.0 |" in text
    assert "| drive | 1 | 0 |" in text and "| (none) | 0 | 1 |" in text
    assert "| 2 to 5 | 2 |" in text and "| 5 to 10 | 1 |" in text
    assert "| black | 3 |" in text and "| bad_range | 1 |" in text and "- few" in text
    assert not card([], formats=["seed"], failures={}, rejections={}, seed="s").startswith("---")


def test_a_card_groups_rare_play_types() -> None:
    clips = [clip(f"p{at}", fields={"play_type": f"type {at}"}) for at in range(40)]
    text = card(clips, formats=[], failures={}, rejections={}, seed="s")
    assert "| (10 others) | 10 | 0 |" in text
