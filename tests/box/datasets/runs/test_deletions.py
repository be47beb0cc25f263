"""Requests for deletion hold for what is there and for every later run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from appliance.box.datasets.outputs.entries import TRAINING, VALIDATION, game_key
from appliance.box.datasets.runs.batch import all_manifests, write_whole
from appliance.box.datasets.runs.deletions import DELETIONS, Deletions, delete_now, hash_of, named
from appliance.box.datasets.runs.publish import read_manifest
from tests.box.datasets.batches import Runs, add_videos, rows
from tests.box.datasets.hand_engine import HandEngine
from tests.kit.box import in_the_loop


@pytest.fixture
async def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runs:
    """Two games of three plays; "Ana" is in the second play of each."""
    monkeypatch.setattr("trio.to_thread.run_sync", in_the_loop)
    made = Runs(tmp_path)
    for game_id in ("g1", "g2"):
        add_videos(made.sources, game_id)
    await made.run(plays(), HandEngine(), formats=("seed", "webdataset", "hf"))
    return made


def plays() -> list[dict[str, object]]:
    made = [*rows("g1", 3), *rows("g2", 3)]
    for at in (1, 4):
        made[at]["players"] = ["Ana  Ruiz", "7"]
    return made


def uris(runs: Runs, game_id: str) -> str:
    return "".join(runs.out.read(game_key(game_id, name)).decode() for name in (TRAINING, VALIDATION))


async def test_a_player_is_taken_out_of_every_output_and_stays_out(runs: Runs, tmp_path: Path) -> None:
    before = {game_id: uris(runs, game_id) for game_id in ("g1", "g2")}
    deletions = Deletions.read(runs.out).adding([], ["ana ruiz"])
    deletions.write(runs.out)
    assert delete_now(runs.out, deletions, all_manifests(runs.out), tmp_path) == ["g1", "g2"]
    write_whole(runs.out, "0")
    for game_id in ("g1", "g2"):
        assert f"{game_id}-p1_" in before[game_id] and f"{game_id}-p1_" not in uris(runs, game_id)
        manifest = read_manifest(runs.out, game_id)
        assert manifest is not None and manifest.successful_clips == 4
        assert [line for line in before[game_id].splitlines() if "-p1_" not in line] == sorted(
            uris(runs, game_id).splitlines(), key=before[game_id].splitlines().index
        )
    assert not any("-p1_" in stored.key for stored in runs.out.keys("games/"))
    assert "Ana" not in runs.out.read(DELETIONS).decode() and "8 clips" in runs.out.read("README.md").decode()
    engine = HandEngine()
    result = await runs.run(plays(), engine)
    assert result.clips == 8 and engine.units == []


async def test_a_game_goes_with_all_its_files_and_is_not_made_again(runs: Runs, tmp_path: Path) -> None:
    deletions = Deletions.read(runs.out).adding(["g1"], [])
    deletions.write(runs.out)
    assert delete_now(runs.out, deletions, all_manifests(runs.out), tmp_path) == ["g1"]
    assert not any("/g1/" in stored.key for stored in runs.out.keys("games/"))
    result = await runs.run(plays(), HandEngine())
    assert result.status == "completed" and result.completed_games == ("g2",)
    assert json.loads(runs.out.read(DELETIONS)) == {"games": ["g1"], "players": []}


async def test_a_game_of_which_nothing_is_left_lists_nothing(runs: Runs, tmp_path: Path) -> None:
    only = [{**row, "player_name": "Bo"} for row in rows("g1", 3)]
    await runs.run(only, HandEngine())
    deletions = Deletions.read(runs.out).adding([], ["Bo"])
    assert delete_now(runs.out, deletions, all_manifests(runs.out), tmp_path) == ["g1"]
    manifest = read_manifest(runs.out, "g1")
    assert manifest is not None and manifest.status == "failed" and not manifest.clips
    left = {stored.key for stored in runs.out.keys("games/g1/")}
    assert left == {"games/g1/manifest.json", "games/g1/split.json"}


def test_players_are_found_however_they_are_written() -> None:
    assert named({"players": "Ana, Bo;7", "player_id": 12}) == ["Ana", "Bo", "7", "12"]
    assert named({"player": None, "players": ["Ana", 4]}) == ["Ana", "4"]
    assert hash_of("ANA  ruiz ") == hash_of("Ana Ruiz") != hash_of("Ana")


async def test_a_broken_list_stops_the_run(runs: Runs) -> None:
    runs.out.put(DELETIONS, b"[]")
    with pytest.raises(OSError, match="never guesses"):
        await runs.run(plays(), HandEngine())
