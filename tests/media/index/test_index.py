"""Indexing one segment: real recordings, growth byte by byte, and every kind of damage."""

from __future__ import annotations

import os
import random
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.media.cut.plan import make_plan
from appliance.media.index.index import SegmentIndex, scan, was_closed
from appliance.media.index.pace import Hole
from appliance.media.mp4 import boxes
from tests.kit.fmp4_file import START_US, StraightClock
from tests.kit.segments import Camera, Sample, init, part

DATA = Path(__file__).parents[2] / "data" / "mediamtx"
RECORDINGS = sorted(DATA.glob("*/cam1/*.mp4"))


@contextmanager
def opened(path: Path) -> Iterator[int]:
    fd = os.open(path, os.O_RDONLY)
    try:
        yield fd
    finally:
        os.close(fd)


def indexed(path: Path) -> SegmentIndex:
    index = SegmentIndex(path.name)
    with opened(path) as fd:
        index.update(fd, path.stat().st_size)
    return index


class Growing:
    """A file and its index; bytes are appended, then the index reads them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.path.write_bytes(b"")
        self.index = SegmentIndex(path.name)

    def add(self, data: bytes) -> SegmentIndex:
        with self.path.open("ab") as file:
            file.write(data)
        with opened(self.path) as fd:
            self.index.update(fd, self.path.stat().st_size)
        return self.index


@pytest.fixture
def growing(tmp_path: Path) -> Growing:
    return Growing(tmp_path / "s.mp4")


def packets(path: Path) -> list[tuple[int, bool]]:
    """(pts, key) of every video packet PyAV delivers, in presentation order."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        return sorted(
            (packet.pts, packet.is_keyframe) for packet in container.demux(stream) if packet.pts is not None
        )


# -- real recordings ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [p for p in RECORDINGS if "killed" not in str(p)], ids=lambda p: p.stem)
def test_a_real_recording_has_the_frames_and_keys_that_pyav_finds(path: Path) -> None:
    index = indexed(path)
    truth = packets(path)
    assert index.state == "growing"
    assert index.damage is None
    assert index.frames == len(truth)
    video = [p for p in index.parts if p.video_tfdt >= 0]
    assert min(p.video_pts_min for p in video) == truth[0][0]
    assert max(p.video_pts_max for p in video) == truth[-1][0]
    assert [key.pts for key in index.keys] == [pts for pts, key in truth if key]


def test_of_a_killed_recording_only_complete_parts_count() -> None:
    # tests/data/README.md: PyAV and ffprobe also count the contents of the truncated last part, without an
    # error
    path = next(p for p in RECORDINGS if "killed" in str(p))
    index = indexed(path)
    assert index.frames == 50
    assert len(packets(path)) > index.frames
    assert index.state == "growing"
    assert index.damage is None
    assert index.cursor.position < path.stat().st_size


def test_the_runs_of_the_real_recordings_are_reported_apart_by_mtxi() -> None:
    runs: dict[str, list[int]] = {}
    for path in RECORDINGS:
        index = indexed(path)
        assert index.init is not None and index.init.mtxi is not None
        runs.setdefault(index.run_id, []).append(index.init.mtxi.number)
    assert sorted(runs.values()) == [[0], [0], [0], [0], [0, 1, 4]]


def test_consecutive_real_segments_join_without_losing_a_frame() -> None:
    first, second = (
        indexed(DATA / "normal_5seg_bframes_aac" / "cam1" / name)
        for name in ("2026-11-21_00-56-30-525358.mp4", "2026-11-21_00-56-36-328217.mp4")
    )
    end_ns = first.run_ns(max(p.video_end for p in first.parts))
    begin_ns = second.run_ns(min(p.video_pts_min for p in second.parts))
    assert abs(begin_ns - end_ns) < 1_000_000  # one tick of rounding, not a frame (20 ms)


def test_a_real_leap_of_three_seconds_is_one_hole_though_it_is_spread_over_three_samples() -> None:
    index = indexed(DATA / "pts_jump" / "cam1" / "2026-11-20_23-59-36-267690.mp4")
    assert index.holes == [Hole(538_200, 810_000)]


def test_the_leap_is_reported_with_the_first_part_beyond_it_and_only_once(growing: Growing) -> None:
    path = DATA / "pts_jump" / "cam1" / "2026-11-20_23-59-36-267690.mp4"
    whole, index = path.read_bytes(), indexed(path)
    assert index.init is not None
    growing.add(whole[: index.init.size])
    leaps = []
    for number, known in enumerate(index.parts):
        before = growing.index.cursor
        growing.path.write_bytes(whole[: known.end])
        with opened(growing.path) as fd:
            growth = scan(before, fd, known.end)
        growing.index.apply(growth)
        leaps += [(number, note.leap) for note in growth.notes if note.leap]
    # pts 810000 is the first frame outside; frames reordered before it could still arrive from 804600 on
    assert leaps == [(2, (538_200, 804_600, 810_000))]
    assert growing.index.holes == index.holes


def test_a_real_change_of_resolution_inside_a_segment_is_a_fact() -> None:
    index = indexed(DATA / "resolution_change" / "cam1" / "2026-11-20_23-59-36-286247.mp4")
    assert index.init is not None and index.init.video is not None
    assert (index.init.video.width, index.init.video.height) == (640, 360)
    assert [(p.pts, p.width, p.height) for p in index.pictures] == [(540_000, 854, 480)]


def test_a_closed_recording_is_reported_by_its_patched_duration() -> None:
    for path in RECORDINGS:
        index = indexed(path)
        assert index.init is not None
        with opened(path) as fd:
            assert was_closed(fd, index.init) == ("killed" not in str(path))


# -- growing --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [1, 7, 500])
def test_a_file_that_grows_byte_by_byte_gives_each_part_once_and_whole(tmp_path: Path, step: int) -> None:
    whole = b"".join(Camera().segment(4))
    (tmp_path / "whole.mp4").write_bytes(whole)
    expected = indexed(tmp_path / "whole.mp4")
    path = tmp_path / "growing.mp4"
    path.write_bytes(b"")
    index = SegmentIndex(path.name)
    with path.open("ab", buffering=0) as file, opened(path) as fd:
        for at in range(0, len(whole), step):
            file.write(whole[at : at + step])
            size = min(at + step, len(whole))
            index.update(fd, size)
            assert all(p.end <= size for p in index.parts)
    assert (index.parts, index.keys) == (expected.parts, expected.keys)
    assert index.frames == 24
    assert index.state == "growing"


def test_a_long_file_is_walked_in_bounded_steps(tmp_path: Path) -> None:
    path = tmp_path / "s.mp4"
    path.write_bytes(b"".join(Camera().segment(40)))
    index = SegmentIndex(path.name)
    steps = 0
    with opened(path) as fd:
        while True:
            growth = scan(index.cursor, fd, path.stat().st_size, max_parts=7)
            index.apply(growth)
            steps += 1
            if not growth.more:
                break
    assert (steps, len(index.parts), index.frames) == (6, 40, 240)


def test_traf_order_does_not_matter(growing: Growing) -> None:
    growing.add(init((b"r" * 16, 0, 0, 0)))
    frames = [Sample(3000, True), Sample(3000)]
    growing.add(part(frames, 0, audio=(0, 3), audio_first=True))
    index = growing.add(part(frames, 6000, audio=(3072, 3)))
    assert [p.video_tfdt for p in index.parts] == [0, 6000]
    assert [(key.pts, key.part, key.sample) for key in index.keys] == [(0, 0, 0), (6000, 1, 0)]


def test_a_part_without_video_is_a_part_with_no_video_times(growing: Growing) -> None:
    growing.add(init((b"r" * 16, 0, 0, 0)) + part(audio=(0, 40)))
    index = growing.add(part([Sample(3000, True)], 90_000, audio=(40_960, 4)))
    assert (index.parts[0].video_tfdt, index.parts[0].video_end) == (-1, -1)
    assert (index.parts[1].video_tfdt, index.keys[0].part, index.frames) == (90_000, 1, 1)


def test_a_recording_of_sound_alone_is_indexed(growing: Growing) -> None:
    index = growing.add(init((b"r" * 16, 0, 0, 0), video=False) + part(audio=(0, 40)))
    assert (len(index.parts), index.frames, index.state) == (1, 0, "growing")


def test_several_truns_count_samples_of_a_key_over_all_of_them(growing: Growing) -> None:
    growing.add(init((b"r" * 16, 0, 0, 0)))
    first, second = part([Sample(3000), Sample(3000)], 0), part([Sample(3000), Sample(3000, True)], 6000)
    index = growing.add(first + second)
    assert [(key.part, key.sample, key.pts) for key in index.keys] == [(1, 1, 9000)]


def test_reordered_frames_are_no_hole(growing: Growing) -> None:
    growing.add(init((b"r" * 16, 0, 0, 0)))
    # I P B B B B: the P is shown five frames later than the I before it in the file
    for number in range(8):
        frames = [Sample(3000, number == 0, 12_000), Sample(3000, False, 15_000)]
        frames += [Sample(3000, False, 0) for _ in range(4)]
        index = growing.add(part(frames, number * 18_000))
    assert index.holes == []


def test_three_missing_frames_are_a_hole_with_its_times(growing: Growing) -> None:
    growing.add(init((b"r" * 16, 0, 0, 0)))
    growing.add(part([Sample(3000, True)] + [Sample(3000)] * 5, 0))
    growing.add(part([Sample(3000)] * 6, 18_000 + 6_000))
    assert growing.index.holes == []
    index = growing.add(part([Sample(3000)] * 6, 42_000 + 9_000))
    assert index.holes == [Hole(42_000, 51_000)]


# -- damage ---------------------------------------------------------------------------------------------

INIT = init((b"r" * 16, 0, 0, 0))
PART = part([Sample(3000, True)] + [Sample(3000)] * 5, 0, audio=(0, 9))


@pytest.mark.parametrize(
    ("data", "state", "reason"),
    [
        (b"", "empty", None),
        (INIT, "empty", None),
        (INIT[:100], "empty", None),
        (INIT + PART[:50], "empty", None),
        (bytes(5000), "unreadable", "claims 0 bytes"),
        (b"\xff" * 5000, "unreadable", "where a small moov belongs"),
        (random.Random(1).randbytes(5000), "unreadable", "where a small moov belongs"),
        (PART, "unreadable", "before any moov"),
        (INIT + bytes(5000), "unreadable", "zeros from byte"),
        (INIT + b"\0\0\0\x20junk" + bytes(99), "unreadable", "unknown box b'junk'"),
        (INIT + PART[: len(PART) // 2] + bytes(9000), "unreadable", "box"),
        (INIT + PART + bytes(9000), "growing", "zeros from byte"),
        (INIT + struct.pack(">I4s", 0x7FFFFFFF, b"moof") + bytes(99), "unreadable", "claims 2147483647"),
        (INIT + struct.pack(">I4sQ", 1, b"moof", 1 << 62) + bytes(99), "unreadable", "claims"),
        (boxes.box(b"ftyp", b"mp42" + bytes(4)) + boxes.box(b"mdat", bytes(2 << 20)), "unreadable", "moov"),
    ],
)
def test_a_damaged_file_says_why_and_keeps_what_is_whole(
    growing: Growing, data: bytes, state: str, reason: str | None
) -> None:
    index = growing.add(data)
    assert index.state == state
    assert (index.damage is None) == (reason is None)
    assert reason is None or reason in str(index.damage)


def test_samples_that_lie_outside_their_part_are_damage(growing: Growing) -> None:
    broken = bytearray(PART)
    at = broken.index(b"trun") + 12  # version+flags, count, then the data offset
    struct.pack_into(">i", broken, at, 1 << 20)
    index = growing.add(INIT + bytes(broken))
    assert index.state == "unreadable"
    assert "outside" in str(index.damage)


def test_media_time_that_goes_back_ends_the_usable_part(growing: Growing) -> None:
    growing.add(INIT + part([Sample(3000, True)] * 60, 900_000))
    index = growing.add(part([Sample(3000, True)], 0))
    assert (index.frames, index.state) == (60, "growing")
    assert "goes back" in str(index.damage)


def test_one_tick_back_is_mediamtx_rounding_and_no_damage(growing: Growing) -> None:
    growing.add(INIT + part([Sample(3000, True)] * 6, 0))
    index = growing.add(part([Sample(3000)] * 6, 17_999))
    assert (index.frames, index.damage, index.holes) == (12, None, [])


def test_a_damaged_file_is_not_read_again_until_it_grows(growing: Growing) -> None:
    index = growing.add(INIT + bytes(64))
    size = growing.path.stat().st_size
    assert scan(index.cursor, -1, size).cursor == index.cursor  # -1: any read would raise
    with pytest.raises(OSError, match="Bad file descriptor"):
        scan(index.cursor, -1, size + 1)


def test_damage_that_was_a_write_in_progress_heals_when_the_file_grows(tmp_path: Path) -> None:
    path = tmp_path / "s.mp4"
    path.write_bytes(INIT + bytes(8))
    index = SegmentIndex(path.name)
    with opened(path) as fd:
        index.update(fd, path.stat().st_size)
        assert index.state == "unreadable"
        path.write_bytes(INIT + PART)
        index.update(fd, path.stat().st_size)
    assert (index.state, index.damage, index.frames) == ("growing", None, 6)


def test_a_file_that_shrank_is_damaged_and_its_end_is_not_used(growing: Growing) -> None:
    index = growing.add(INIT + PART)
    with opened(growing.path) as fd:
        index.update(fd, len(INIT))
    assert "shrank" in str(index.damage)


def test_boxes_between_moov_and_parts_are_passed_over(growing: Growing) -> None:
    between = boxes.box(b"free", bytes(300)) + boxes.box(b"sidx", bytes(44)) + boxes.box(b"styp", b"msdh")
    index = growing.add(boxes.box(b"free", bytes(70_000)) + INIT + between + PART + between + PART[:30])
    assert (index.frames, index.damage, len(index.parts)) == (6, None, 1)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_no_bytes_make_a_scan_raise_or_run_away(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    whole = bytearray(b"".join(Camera().segment(3)))
    for _ in range(data.draw(st.integers(1, 12))):
        at = data.draw(st.integers(0, len(whole) - 1))
        whole[at] = data.draw(st.sampled_from([0, 1, 0x7F, 0x80, 0xFF]) | st.integers(0, 255))
    del whole[data.draw(st.integers(0, len(whole))) :]
    path = tmp_path_factory.mktemp("fuzz") / "s.mp4"
    path.write_bytes(whole)
    index = indexed(path)
    assert len(index.parts) <= 3
    assert all(p.end <= len(whole) for p in index.parts)


# -- cached sample tables ---------------------------------------------------------------------------


# those that begin with a key picture; the others continue from a frame of the previous segment
@pytest.mark.parametrize("path", [p for p in RECORDINGS if indexed(p).keys], ids=lambda p: p.stem)
def test_tables_at_hand_make_the_same_plan_as_the_file(path: Path) -> None:
    index = indexed(path)
    view = index.view(path.name, StraightClock(START_US))
    assert index.first is not None
    assert set(view.recent) == set(range(len(index.parts)))
    start_us = view.clock.wall_us(index.run_ns(index.first)) + 300_000
    end_us = start_us + 1_400_000
    with opened(path) as fd:
        first, second = (
            make_plan([seen], lambda _: fd, start_us=start_us, end_us=end_us, latency_us=0)
            for seen in (view, replace(view, recent={}))
        )
    assert first == second


def test_only_the_newest_tables_stay_and_none_of_a_part_with_too_many_samples(
    growing: Growing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("appliance.media.index.index.KEEP_RUNS", 3)
    monkeypatch.setattr("appliance.media.index.index.KEEP_SAMPLES", 30)
    camera = Camera()
    index = growing.add(camera.begin())
    for frames in (6, 6, 6, 60, 6):
        camera.frames_per_part = frames
        growing.add(camera.next_part())
    assert (len(index.parts), list(index.recent)) == (5, [1, 2, 4])
