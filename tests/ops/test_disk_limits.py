"""Limits that no disk can satisfy are mistakes in the settings file, reported before anything is deleted."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from appliance.box.settings import Settings, SettingsError, check_settings
from appliance.ops.disk_limits import Room, refuse_impossible, refuse_unreachable, room_of
from appliance.ops.health import GB


def box(folder: Path, reserve_gb: float = 0, min_free_gb: float = 0) -> Settings:
    storage = {"state_dir": folder / "s", "recordings_dir": folder / "r" / "x", "reserve_gb": reserve_gb}
    return check_settings({"storage": storage, "retention": {"min_free_gb": min_free_gb}})


@pytest.mark.parametrize(
    ("limits", "path"),
    [({"reserve_gb": 10**9}, "storage.reserve_gb"), ({"min_free_gb": 10**9}, "retention.min_free_gb")],
)
def test_a_limit_larger_than_the_disk_is_refused_by_both_commands(
    tmp_path: Path, limits: dict[str, Any], path: str
) -> None:
    for refuse in (refuse_impossible, refuse_unreachable):
        with pytest.raises(SettingsError) as caught:
            refuse(box(tmp_path, **limits))
        (problem,) = caught.value.problems
        assert problem.startswith(f"{path}: 1e+09 GB") and "use at most" in problem


def test_a_limit_that_other_files_prevent_is_refused_by_check_config_only(tmp_path: Path) -> None:
    room = room_of(tmp_path)
    assert room is not None and room.free < room.total
    between = (room.free + room.total) / 2 / GB
    refuse_impossible(box(tmp_path, reserve_gb=between))
    with pytest.raises(SettingsError, match=r"storage\.reserve_gb"):
        refuse_unreachable(box(tmp_path, reserve_gb=between))


def test_recordings_count_as_space_that_can_be_freed(tmp_path: Path) -> None:
    folder = tmp_path / "r" / "x" / "cam1"
    folder.mkdir(parents=True)
    (folder / "a.mp4").write_bytes(os.urandom(1000))
    (folder / "other.iso").write_bytes(os.urandom(1000))  # retention does not delete it
    room = room_of(tmp_path / "r" / "x", count=True)
    assert room is not None and room.ours == 1000 and room.most == min(room.total, room.free + 1000)
    assert Room(100, 60, 50).most == 100


def test_sane_limits_and_a_folder_still_to_be_made_are_fine(tmp_path: Path) -> None:
    for refuse in (refuse_impossible, refuse_unreachable):
        refuse(box(tmp_path, reserve_gb=0.001, min_free_gb=0.002))
