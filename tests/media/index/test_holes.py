"""Zeros in place of coded video."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from appliance.media.index import holes
from appliance.media.index.holes import SECTOR, find_hole


def hole_in(folder: Path, data: bytes, end: int | None = None) -> int | None:
    path = folder / "recording"
    path.write_bytes(data)
    fd = os.open(path, os.O_RDONLY)
    try:
        return find_hole(fd, 0, len(data) if end is None else end)
    finally:
        os.close(fd)


def test_coded_bytes_have_none(tmp_path: Path) -> None:
    assert hole_in(tmp_path, (b"\x00\x00\x03" * 700 + b"x") * 3) is None
    assert hole_in(tmp_path, b"x" + bytes(SECTOR - 1) + b"x") is None


@pytest.mark.parametrize("chunk", [SECTOR, 700, 1000, 1 << 20])
@pytest.mark.parametrize("at", [0, 1, 690, 1023, 2000])
def test_a_sector_of_zeros_is_found_wherever_it_lies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int, chunk: int
) -> None:
    monkeypatch.setattr(holes, "CHUNK", chunk)
    assert hole_in(tmp_path, b"x" * at + bytes(SECTOR) + b"x" * 500) == at


def test_what_lies_beyond_the_end_of_the_file_is_gone(tmp_path: Path) -> None:
    assert hole_in(tmp_path, b"x" * 3000, end=3001) == 3000


@pytest.mark.parametrize(
    ("tail", "wanted"), [(bytes(100), 1024), (bytes(4), 1024), (bytes(3), None), (bytes(99) + b"x", None)]
)
def test_the_last_sector_is_shorter(tmp_path: Path, tail: bytes, wanted: int | None) -> None:
    assert hole_in(tmp_path, b"x" * 1024 + tail) == wanted


def test_a_lost_sector_is_found_by_any_byte_of_it_that_is_wanted(tmp_path: Path) -> None:
    path = tmp_path / "recording"
    path.write_bytes(b"x" * 1024 + bytes(SECTOR) + b"x" * 1000)
    fd = os.open(path, os.O_RDONLY)
    try:
        assert find_hole(fd, 0, 1025) == find_hole(fd, 1535, 2000) == 1024
        assert find_hole(fd, 0, 1024) is None and find_hole(fd, 1536, 2000) is None
        assert find_hole(fd, 512, 1024) is None, "nothing past the sectors wanted is looked at"
    finally:
        os.close(fd)


def test_a_lost_last_sector_matters_only_to_what_reaches_into_it(tmp_path: Path) -> None:
    assert hole_in(tmp_path, b"x" * 1024 + bytes(100), end=512) is None
    assert hole_in(tmp_path, b"x" * 1024 + bytes(100), end=1025) == 1024
