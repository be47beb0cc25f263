"""A camera's progressive file as a recording: files of another muxer, and hand-laid boxes."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.media.camera.camera_file import open_camera_file
from appliance.media.camera.fragmented import FragmentedFile
from appliance.media.camera.progressive import CutOff, ProgressiveFile
from appliance.media.cut.plan import Plan, make_plan
from appliance.media.mp4.walk import Malformed
from tests.kit.barcode import play
from tests.kit.camera_films import FRAGMENTED, Film, film_bytes, numbers_between

FILM = Film(frames=120)


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[list[int]]:
    fds: list[int] = []
    yield fds
    for fd in fds:
        os.close(fd)


def fd_of(data: bytes, opened: list[int]) -> int:
    fd = os.memfd_create("film")
    opened.append(fd)
    os.write(fd, data)
    return fd


def cut(data: bytes, start_s: float, end_s: float, opened: list[int]) -> tuple[Plan, list[int]]:
    fd = fd_of(data, opened)
    file = open_camera_file(fd)
    start_us, end_us = round(start_s * 1e6), round(end_s * 1e6)
    view = file.view(start_us, end_us)
    plan = make_plan([view], lambda name: fd, start_us=start_us, end_us=end_us, latency_us=0)
    body = b"".join(os.pread(fd, each.length, each.offset) for each in plan.ranges)
    return plan, play(plan.header + body).numbers


@pytest.mark.parametrize("start", [0, 1, 17, 28, 29, 30, 31, 58, 59, 60, 100])
@pytest.mark.parametrize("film", [FILM, Film(frames=120, bframes=0), Film(frames=120, sound=False)])
def test_every_first_frame_is_exact(film: Film, start: int, opened: list[int]) -> None:
    """Also those within two frames before a key picture, where FFmpeg's own seek takes the wrong group."""
    begin_s, end_s = (start - 0.25) / 30 if start else 0.0, (start + 12.5) / 30
    plan, numbers = cut(film_bytes(film), begin_s, end_s, opened)
    assert numbers == numbers_between(film, begin_s, end_s)
    assert plan.frames == len(numbers)


def test_both_kinds_of_file_are_told_apart(opened: list[int]) -> None:
    assert isinstance(open_camera_file(fd_of(film_bytes(FILM), opened)), ProgressiveFile)
    fragmented = film_bytes(Film(frames=120, options=FRAGMENTED))
    assert isinstance(open_camera_file(fd_of(fragmented, opened)), FragmentedFile)


def test_the_length_is_that_of_the_pictures(opened: list[int]) -> None:
    file = open_camera_file(fd_of(film_bytes(FILM), opened))
    assert file.end_us == 4_000_000
    assert [file.key_us(at) for at in (0, 999_980, 1_000_000, 3_999_999, 9_000_000)] == [
        0, 0, 1_000_000, 3_000_000, 3_000_000,
    ]  # fmt: skip


def boxes_of(data: bytes) -> list[tuple[bytes, bytes]]:
    found, at = [], 0
    while at < len(data):
        (size,) = struct.unpack_from(">I", data, at)
        found.append((data[at + 4 : at + 8], data[at : at + size]))
        at += size
    return found


def test_the_last_box_may_reach_to_the_end_of_the_file(opened: list[int]) -> None:
    data = film_bytes(Film(frames=120, options=(("moov_size", "32768"),)))
    kinds = boxes_of(data)
    assert kinds[-1][0] == b"mdat"
    at = len(data) - len(kinds[-1][1])
    open_ended = data[:at] + bytes(4) + data[at + 4 :]
    assert cut(open_ended, 1.0, 2.0, opened)[1] == list(range(30, 60))


def with_edits(data: bytes, rows: list[tuple[int, int]]) -> bytes:
    """The film with its video's edit list replaced; the file has moov at its end, so nothing else moves."""
    at = data.index(b"elst")
    (count,) = struct.unpack_from(">I", data, at + 8)
    old = at + 12 + 12 * count
    new = struct.pack(">I", len(rows)) + b"".join(struct.pack(">IiI", *row, 0x10000) for row in rows)
    changed = bytearray(data[: at + 8] + new + data[old:])
    by = len(new) - 4 - 12 * count
    for name in (b"elst", b"edts", b"trak", b"moov"):
        place = changed.rindex(name, 0, at + 4) - 4
        struct.pack_into(">I", changed, place, struct.unpack_from(">I", changed, place)[0] + by)
    return bytes(changed)


def test_an_edit_list_moves_the_first_frame(opened: list[int]) -> None:
    silent = film_bytes(Film(frames=120, sound=False, bframes=0))
    scale = 90_000 // 1000  # ticks per ms of the movie
    assert cut(with_edits(silent, [(3000, 30 * 3000)]), 0.0, 1.0, opened)[1] == list(range(30, 60))
    assert cut(with_edits(silent, [(500, -1), (3000, 0)]), 0.0, 1.0, opened)[1] == list(range(30))
    file = open_camera_file(fd_of(with_edits(silent, [(1000, 500 * scale)]), opened))
    assert file.end_us == 1_000_000
    with pytest.raises(Malformed, match="several stretches"):
        open_camera_file(fd_of(with_edits(silent, [(1000, 0), (1000, 90_000)]), opened))


def test_a_file_that_ends_early_says_so(opened: list[int]) -> None:
    data = film_bytes(Film(frames=120, options=(("moov_size", "32768"),)))
    file = open_camera_file(fd_of(data[: len(data) // 2], opened))
    with pytest.raises(CutOff, match="before samples"):
        file.view(3_000_000, 4_000_000)
    with pytest.raises(Malformed, match="moov"):
        open_camera_file(fd_of(film_bytes(FILM)[:-400], opened))


def test_sound_that_cannot_be_read_is_left_out(opened: list[int]) -> None:
    data = bytearray(film_bytes(FILM))
    at = data.rindex(b"stsz")
    data[at + 12 : at + 16] = b"\xff" * 4
    file = open_camera_file(fd_of(bytes(data), opened))
    assert isinstance(file, ProgressiveFile) and not file.sounds
    assert cut(bytes(data), 1.0, 2.0, opened)[1] == list(range(30, 60))


@pytest.mark.parametrize("data", [b"", b"\0" * 64, b"RIFF" * 64, b"\0\0\0\x10ftypisom\0\0\0\0" + bytes(64)])
def test_what_is_no_video_is_malformed(data: bytes, opened: list[int]) -> None:
    with pytest.raises(Malformed):
        open_camera_file(fd_of(data, opened))


@pytest.mark.parametrize(
    "name", [b"stts", b"ctts", b"stsz", b"stsc", b"stco", b"stss", b"stsd", b"mdhd", b"elst"]
)
def test_tables_that_lie_are_malformed_or_give_other_clips(name: bytes, opened: list[int]) -> None:
    """Whatever a table says, opening and viewing ends with a view or Malformed."""
    data = film_bytes(Film(frames=60))
    at = data.index(b"moov")
    while (at := data.find(name, at + 4)) >= 0:
        for offset in range(4, 24, 2):
            for value in (b"\0\0", b"\xff\xff", b"\x7f\xfe"):
                changed = data[: at + offset] + value + data[at + offset + 2 :]
                try:
                    file = open_camera_file(fd_of(changed, opened))
                    file.key_us(1_500_000)
                    file.view(1_000_000, 1_500_000)
                except Malformed:
                    continue
