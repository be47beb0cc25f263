"""Conversion of one file's parts and holes to media time of its run."""

from __future__ import annotations

import os
from pathlib import Path

from appliance.box.recordings.clocks.part_times import arrival_of, hole_ns, leaps_of, video_of
from appliance.media.clock.anchor import BETWEEN_FILES_NS
from appliance.media.clock.timeline import Leap
from appliance.media.index.index import SegmentIndex, scan
from appliance.media.index.pace import HOLE_FRAMES, PartNote
from appliance.media.index.segment import facts_of
from appliance.media.index.view import Part
from tests.kit.segments import Camera

PART_NS = 200_000_000


def walked(path: Path, camera: Camera, parts: int) -> tuple[SegmentIndex, list[tuple[Part, PartNote]]]:
    path.write_bytes(b"".join(camera.segment(parts)))
    index = SegmentIndex(path.name)
    fd = os.open(path, os.O_RDONLY)
    growth = scan(index.cursor, fd, path.stat().st_size)
    os.close(fd)
    index.apply(growth)
    return index, video_of(growth)


def test_the_arrival_of_a_part_is_in_media_time_of_its_run(tmp_path: Path) -> None:
    camera = Camera(ntp_ns=1_790_000_000_000_000_000)
    camera.dts_ns = 60_000_000_000
    index, video = walked(tmp_path / "a.mp4", camera, 3)
    arrivals = [arrival_of(index, part, note) for part, note in video]
    assert [each.start_ns for each in arrivals] == [60_000_000_000 + number * PART_NS for number in range(3)]
    assert all(each.leap is None for each in arrivals)
    assert abs(hole_ns(index) - HOLE_FRAMES * PART_NS // 6) < HOLE_FRAMES, "rounded once a frame"


def test_a_file_that_begins_later_than_the_run_was_known_is_behind_a_leap(tmp_path: Path) -> None:
    index, _ = walked(tmp_path / "a.mp4", Camera(ntp_ns=1_790_000_000_000_000_000), 2)
    facts = facts_of(index)
    assert facts.first_ns is not None
    assert leaps_of(facts, None) == [] == leaps_of(facts, facts.first_ns - BETWEEN_FILES_NS)
    earlier = facts.first_ns - BETWEEN_FILES_NS - 1
    assert leaps_of(facts, earlier) == [Leap(earlier, facts.first_ns)]
