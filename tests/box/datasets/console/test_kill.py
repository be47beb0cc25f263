"""kill -9 of a real run in the middle: the next one cuts what is missing, and nothing else."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from appliance.box.datasets.runs.publish import read_manifest
from appliance.box.datasets.storage.folder import FolderStorage
from tests.kit.camera_films import write_game
from tests.kit.waiting import LIMIT_S

PLAYS = 5


def command(folder: Path) -> list[str]:
    words = ["dataset", "run", "--games", folder / "games.json", "--plays", folder / "plays.json"]
    words += ["--sources", folder / "src", "--out", folder / "out"]
    return [sys.executable, "-m", "appliance", *map(str, words)]


def clips_of(folder: Path) -> dict[str, tuple[int, int]]:
    """Inode and time of each clip that has its record."""
    game = folder / "out/games/g1"
    names = [path.stem for path in (game / "records").glob("*.json")]
    facts = {name: (game / f"clips/{name}.mp4").stat() for name in names}
    return {name: (each.st_ino, each.st_mtime_ns) for name, each in facts.items()}


@pytest.mark.slow
def test_a_killed_run_goes_on_without_cutting_what_stands(tmp_path: Path) -> None:
    write_game(tmp_path / "src", "g1", frames=150)
    (tmp_path / "games.json").write_text('{"game_ids": ["g1"]}')
    times = [{"start_timestamp": 0.7 * at, "end_timestamp": 0.7 * at + 1.5} for at in range(PLAYS)]
    rows = [{"id": f"p{at}", "game_id": "g1", "angle": "LEFT", **each} for at, each in enumerate(times)]
    (tmp_path / "plays.json").write_text(json.dumps(rows))
    killed = subprocess.Popen(command(tmp_path), stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + LIMIT_S
    while not (before := clips_of(tmp_path)):
        assert killed.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    before = clips_of(tmp_path)
    manifest = read_manifest(FolderStorage(tmp_path / "out"), "g1")
    assert manifest is not None and manifest.status == "processing" and 0 < len(before) < 2 * PLAYS
    done = subprocess.run(command(tmp_path), capture_output=True, text=True, timeout=LIMIT_S * 4, check=False)
    assert done.returncode == 0, done.stderr
    after = clips_of(tmp_path)
    assert len(after) == 2 * PLAYS and before.items() <= after.items()
    manifest = read_manifest(FolderStorage(tmp_path / "out"), "g1")
    assert manifest is not None and manifest.status == "completed"
    assert (manifest.figures.clips_kept, manifest.figures.clips_cut) == (len(before), 2 * PLAYS - len(before))
    assert not (tmp_path / "out/.work").exists()
