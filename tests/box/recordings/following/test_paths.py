"""Only recordings can be opened under recordings_dir, whatever a plan or a disk contains."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from appliance.box.recordings.following.paths import open_recording
from tests.box.recordings.tree import Box


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path)


@pytest.mark.parametrize(
    "name",
    ["../etc/passwd", "cam1/../cam1/a.mp4", "cam1/a.txt", "cam1", "/etc/x.mp4", "CAM/a.mp4", "cam1/\0.mp4"],
)
def test_only_names_of_recordings_can_be_opened(box: Box, name: str) -> None:
    box.add("a.mp4", b"x")
    with pytest.raises(OSError, match="not a recording"):
        open_recording(box.recordings, name)


def test_links_and_other_things_under_a_recordings_name_are_not_opened(box: Box, tmp_path: Path) -> None:
    folder = box.add("a.mp4", b"x").parent
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "s.mp4").write_bytes(b"s")
    (folder / "link.mp4").symlink_to(secret / "s.mp4")
    (box.recordings / "cam2").symlink_to(secret)
    os.mkfifo(folder / "pipe.mp4")
    (folder / "dir.mp4").mkdir()
    for name in ("cam1/link.mp4", "cam2/s.mp4", "cam1/pipe.mp4", "cam1/dir.mp4"):
        with pytest.raises(OSError):
            open_recording(box.recordings, name)
    os.close(open_recording(box.recordings, "cam1/a.mp4"))


def test_a_missing_disk_is_not_a_deleted_file(tmp_path: Path) -> None:
    root = tmp_path / "recordings"
    with pytest.raises(OSError, match="disk is away"):
        open_recording(root, "cam1/a.mp4")
    root.mkdir()  # a mount point without its disk
    with pytest.raises(OSError, match="disk is away"):
        open_recording(root, "cam1/a.mp4")
    (root / "cam2").mkdir()
    with pytest.raises(FileNotFoundError):
        open_recording(root, "cam1/a.mp4")
