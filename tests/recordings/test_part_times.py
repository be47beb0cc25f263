"""Conversions of parts and holes of one file to media time of its run."""

from __future__ import annotations

import os
from pathlib import Path

from appliance.media.clock.anchor import BETWEEN_FILES_NS
from appliance.media.clock.timeline import Leap
from appliance.media.index.index import SegmentIndex, scan
from appliance.media.index.pace import HOLE_FRAMES, PartNote
from appliance.media.index.segment import facts_of
from appliance.media.index.view import Part
from appliance.media.mp4.fragment import own_stream_id
from appliance.recordings.part_times import Early, arrival_of, early_of, hole_ns, leaps_of, video_of
from tests.kit.segments import Camera, Sample, init, part

PART_NS = 200_000_000


def walked(path: Path, camera: Camera, parts: int) -> tuple[SegmentIndex, list[tuple[Part, PartNote]]]:
    path.write_bytes(b"".join(camera.segment(parts)))
    index = SegmentIndex(path.name)
    fd = os.open(path, os.O_RDONLY)
    growth = scan(index.cursor, fd, path.stat().st_size)
    os.close(fd)
    index.apply(growth)
    return index, video_of(growth)


def test_a_part_arrives_where_its_run_says(tmp_path: Path) -> None:
    camera = Camera(ntp_ns=1_790_000_000_000_000_000)
    camera.dts_ns = 60_000_000_000
    index, video = walked(tmp_path / "a.mp4", camera, 3)
    arrivals = [arrival_of(index, part, note) for part, note in video]
    assert [one.start_ns for one in arrivals] == [60_000_000_000 + number * PART_NS for number in range(3)]
    assert all(one.leap is None for one in arrivals)
    assert abs(hole_ns(index) - HOLE_FRAMES * PART_NS // 6) < HOLE_FRAMES, "rounded once a frame"


def test_a_file_that_begins_later_than_the_run_was_known_is_behind_a_leap(tmp_path: Path) -> None:
    index, _ = walked(tmp_path / "a.mp4", Camera(ntp_ns=1_790_000_000_000_000_000), 2)
    facts = facts_of(index)
    assert facts.first_ns is not None
    assert leaps_of(facts, None) == [] == leaps_of(facts, facts.first_ns - BETWEEN_FILES_NS)
    earlier = facts.first_ns - BETWEEN_FILES_NS - 1
    assert leaps_of(facts, earlier) == [Leap(earlier, facts.first_ns)]


def with_b_frames(
    path: Path, mtxi: tuple[bytes, int, int, int], first_cto: int, *, sound: bool = False
) -> Early:
    """Three groups I P B B at 30 fps; keys are shown a frame after their decode time, or `first_cto`."""
    data = init(mtxi)
    for number in range(3):
        ctos = [first_cto if number == 0 else 3000, 9000, 0, 0, 9000, 0]
        samples = [Sample(3000, place == 0, cto) for place, cto in enumerate(ctos)]
        lead = 9000 if sound else 0
        data += part(samples, 18_000 * number + lead, sequence=number, audio=(0, 4) if sound else None)
    path.write_bytes(data)
    index = SegmentIndex(path.name)
    fd = os.open(path, os.O_RDONLY)
    index.update(fd, len(data))
    os.close(fd)
    return early_of(index)


def test_mediamtx_s_word_on_a_file_with_b_frames_is_early(tmp_path: Path) -> None:
    """As measured on MediaMTX 1.20.1."""
    path, run, frame_us = tmp_path / "a.mp4", b"\x07" * 16, 33_333
    assert with_b_frames(path, (run, 1, 4_000_000_000, 0), 3000) == (2 * frame_us, 2 * frame_us)
    assert with_b_frames(path, (run, 0, 700_000_000, 0), 3000) == (2 * frame_us, 2 * frame_us)
    assert with_b_frames(path, (run, 0, 0, 0), 3000) == (0, 2 * frame_us), "a connection's first picture"
    assert with_b_frames(path, (run, 0, 0, 0), 0) == (frame_us, 2 * frame_us), "decoded when it is shown"
    assert with_b_frames(path, (run, 1, 4_000_000_000, 0), 3000, sound=True) == (0, 0)
    assert with_b_frames(path, (own_stream_id(run), 1, 4_000_000_000, 0), 3000) == (0, 0)
