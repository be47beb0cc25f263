"""The file that is deleted so that a full database can still delete rows."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from appliance.box.retention.spare_space import MIB, SpareSpace, make_room, spare_bytes

GB = 10**9


@pytest.mark.parametrize(
    ("reserve", "size"),
    [(0, 0), (GB // 5, 8 * MIB), (2 * GB, 20_000_000), (10 * GB, 64 * MIB), (100 * GB, 64 * MIB)],
)
def test_the_size_of_the_spare_space_depends_on_the_reserve(reserve: int, size: int) -> None:
    assert spare_bytes(reserve) == size


def test_the_spare_space_consists_of_blocks_that_are_freed_by_its_delete(tmp_path: Path) -> None:
    spare_space = SpareSpace(tmp_path, MIB)
    assert not spare_space.adjust(4 * MIB - 1), "made only where there is plenty"
    assert spare_space.adjust(4 * MIB)
    status = spare_space.path.stat()
    assert status.st_size == MIB and status.st_blocks * 512 >= MIB
    assert spare_space.adjust(MIB // 4), "kept while there is some room"
    assert not spare_space.adjust(MIB // 4 - 1)
    assert not spare_space.path.exists()
    assert not spare_space.adjust(2 * MIB), "not made again at once"
    assert spare_space.adjust(4 * MIB)


def test_giving_up_the_spare_space_returns_whether_it_made_room(tmp_path: Path) -> None:
    spare_space = SpareSpace(tmp_path, MIB)
    assert not spare_space.give_up()
    spare_space.adjust(4 * MIB)
    assert spare_space.give_up()
    assert not spare_space.is_there()


def test_a_box_that_reserves_nothing_has_none(tmp_path: Path) -> None:
    SpareSpace(tmp_path, MIB).adjust(4 * MIB)
    none = SpareSpace(tmp_path, 0)
    assert not none.is_there()
    assert not none.adjust(10 * GB)
    assert not none.path.exists(), "one of an earlier setting goes"


def test_a_start_on_a_full_disk_gives_up_the_spare_space_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spare_space = SpareSpace(tmp_path, MIB)
    spare_space.adjust(100 * MIB)
    make_room(tmp_path)
    assert spare_space.is_there(), "there is room"
    full = os.statvfs_result((4096, 4096, 100, 10, 10, 0, 0, 0, 0, 255))
    monkeypatch.setattr(os, "statvfs", lambda folder: full)
    make_room(tmp_path)
    assert not spare_space.is_there()
    make_room(tmp_path / "nowhere")
