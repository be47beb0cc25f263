"""The identity of file systems: stable for one, different for another."""

from __future__ import annotations

import os
from pathlib import Path

from appliance.kernel.file_system import file_system_id, file_system_of


def test_folders_of_one_file_system_have_the_same_id(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    assert file_system_of(tmp_path) == file_system_of(tmp_path / "a")
    assert file_system_of(tmp_path) != file_system_of(Path("/proc"))


def test_a_file_system_without_an_id_is_identified_by_its_device(tmp_path: Path) -> None:
    disk_figures = os.statvfs(tmp_path)
    assert file_system_id(disk_figures, 7) == (
        f"{disk_figures.f_fsid & (1 << 64) - 1:x}" if disk_figures.f_fsid else "device 7"
    )
    silent = os.statvfs_result((*tuple(disk_figures), 0))
    assert file_system_id(silent, 7) == "device 7"
