"""Files on disk: names, one write per part, and a disk that fills up."""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from appliance.media.ingest.segment_file import SegmentFiles, segment_name
from appliance.media.mp4.fragment import MVHD_DURATION_AT, CloseSegment, OpenSegment, WritePart

HEADER = bytes(200)


def test_a_name_is_the_instant_in_utc_cut_to_microseconds() -> None:
    assert segment_name(1_725_195_600_123_456_999) == "2024-09-01_13-00-00-123456.mp4"  # V05


def test_parts_are_on_disk_as_soon_as_they_are_applied_and_closing_patches_one_field(tmp_path: Path) -> None:
    files = SegmentFiles(tmp_path / "cam1")
    files.apply([OpenSegment(0, 10**18, HEADER), WritePart(b"part")])
    assert files.is_open and files.path is not None
    assert files.path.read_bytes() == HEADER + b"part"
    files.apply([CloseSegment(61_234)])
    data = files.path.read_bytes()
    assert int.from_bytes(data[MVHD_DURATION_AT : MVHD_DURATION_AT + 4], "big") == 61_234
    assert data[:MVHD_DURATION_AT] + bytes(4) + data[MVHD_DURATION_AT + 4 :] == HEADER + b"part"
    assert not files.is_open


def test_each_part_is_one_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    real = os.write

    def counted(fd: int, data: bytes) -> int:
        sizes.append(len(data))
        return real(fd, data)

    monkeypatch.setattr(os, "write", counted)
    SegmentFiles(tmp_path).apply([OpenSegment(0, 0, HEADER), WritePart(bytes(70_000)), WritePart(bytes(5))])
    assert sizes == [200, 70_000, 5]


@contextmanager
def small_files() -> Iterator[None]:
    """No file may exceed 1,000 bytes: write(2) fails with EFBIG as it would with ENOSPC."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        yield
    finally:  # at once: the limit would truncate the test run's log file too
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)


def test_a_full_disk_leaves_whole_parts_only(tmp_path: Path) -> None:
    files = SegmentFiles(tmp_path)
    files.apply([OpenSegment(0, 0, HEADER), WritePart(bytes(300))])
    with small_files(), pytest.raises(OSError):
        files.apply([WritePart(bytes(900))])
    assert files.path is not None and files.path.stat().st_size == 500
    assert not files.is_open


def test_a_disk_that_stays_full_does_not_fill_with_empty_names(tmp_path: Path) -> None:
    with small_files(), pytest.raises(OSError):
        SegmentFiles(tmp_path).apply([OpenSegment(0, 0, bytes(1001))])
    assert [path.stat().st_size for path in tmp_path.iterdir()] == []
