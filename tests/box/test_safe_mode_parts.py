"""The folders of the box whose disks are watched."""

from __future__ import annotations

from pathlib import Path

from appliance.box.safe_mode_parts import folders_of
from appliance.box.settings import check_settings


def test_every_folder_that_the_box_writes_to_is_watched(tmp_path: Path) -> None:
    storage = {"state_dir": str(tmp_path / "state"), "recordings_dir": str(tmp_path / "recordings")}
    folders = folders_of(check_settings({"storage": storage}))
    assert folders == {
        "state": tmp_path / "state",
        "recordings": tmp_path / "recordings",
        "clips": tmp_path / "state/clips",
    }
