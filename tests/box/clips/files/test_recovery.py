"""Which files count as lost, and which are only unknown."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from appliance.box.clips.files.recovery import is_lost, is_whole
from appliance.box.clips.records.stored_plans import StoredPlan


def plan(header: bytes = b"HEAD", file_path: str | None = None) -> StoredPlan:
    return StoredPlan("clip", "session", 1, header, (("a.mp4", 100, 1000),), 1004, file_path)


def opens(path: Path) -> int:
    return os.open(path, os.O_RDONLY)


@pytest.mark.parametrize(
    ("data", "is_there", "is_good"),
    [
        (b"x" * 1100, True, True),
        (b"x" * 1099, False, False),
        (b"x" * 300 + bytes(600) + b"x" * 200, True, False),
        (bytes(100) + b"x" * 1000, True, True),
    ],
)
def test_after_a_power_cut_the_bytes_themselves_are_looked_at(
    tmp_path: Path, data: bytes, is_there: bool, is_good: bool
) -> None:
    (tmp_path / "a.mp4").write_bytes(data)
    assert is_whole(plan(), lambda name: opens(tmp_path / name), False) == is_there
    assert is_whole(plan(), lambda name: opens(tmp_path / name), True) == is_good


def test_zero_bytes_in_pcm_samples_are_not_taken_for_lost_bytes(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"x" * 200 + bytes(900))
    assert is_whole(plan(header=b"..ipcm.."), lambda name: opens(tmp_path / name), True)


def test_a_deleted_file_is_lost_but_not_one_on_a_disk_that_cannot_be_read(tmp_path: Path) -> None:
    def refuse(name: str) -> int:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    assert not is_whole(plan(), lambda name: opens(tmp_path / name), False)
    assert is_whole(plan(), refuse, True)


def test_an_exports_file_is_lost_only_where_others_are_not(tmp_path: Path) -> None:
    export = plan(b"", "session/clip-m1.mp4")
    clips = tmp_path / "clips"
    assert not is_lost(export, clips), "no folder: the disk is away"
    clips.mkdir()
    assert not is_lost(export, clips), "an empty mount point"
    (clips / "other").mkdir()
    assert is_lost(export, clips)
    assert not is_lost(export, tmp_path / ("x" * 300)), "a name the disk refuses"
