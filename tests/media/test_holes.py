"""Zeros where coded video should be."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from appliance.media import holes
from appliance.media.holes import SECTOR, find_hole


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
