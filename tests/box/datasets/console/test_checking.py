"""What is there of a game before a run."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.box.datasets.console.checking import GameCheck, check_game
from appliance.box.datasets.plays.checked import GamePlays
from appliance.box.datasets.plays.postgrest import PlaysUnavailable
from appliance.box.datasets.runs.sources import FilePlays, StoredVideos
from appliance.box.datasets.storage.folder import FolderStorage
from tests.box.datasets.batches import add_videos, rows


async def test_plays_and_videos_are_counted_and_what_is_missing_is_named(tmp_path: Path) -> None:  # T30 T28
    add_videos(tmp_path, "g1", ["FAR_LEFT", "FAR_RIGHT", "NEAR_LEFT"])
    videos = StoredVideos(FolderStorage(tmp_path))
    found = await check_game("g1", FilePlays(rows("g1", 4)), videos)
    assert (found.plays, found.clips) == (4, 6) and found.bytes > 0
    (problem,) = found.problems
    assert problem.startswith("NEAR_RIGHT: 2 clips cannot be cut: file://")
    add_videos(tmp_path, "g1", ["NEAR_RIGHT"])
    found = await check_game("g1", FilePlays(rows("g1", 4)), videos)
    assert found.problems == () and found.line().endswith("4 plays, 8 clips, 0.0 MB")


@pytest.mark.parametrize("fails", [False, True])
async def test_a_game_without_plays_says_why(tmp_path: Path, fails: bool) -> None:  # T28
    class Plays:
        async def plays(self, game_id: str) -> GamePlays:
            if fails:
                raise PlaysUnavailable("the plays cannot be read: status 500")
            return GamePlays(game_id=game_id, is_known=False)

    found = await check_game("g1", Plays(), StoredVideos(FolderStorage(tmp_path)))
    words = "status 500" if fails else "is the id right?"
    assert found == GameCheck("g1", 0, 0, 0, found.problems) and words in found.problems[0]
