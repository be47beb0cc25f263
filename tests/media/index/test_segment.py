"""The facts of one segment: what they summarise, and which file continues which."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from appliance.media.clock.timeline import PPB, Knot, RunClock
from appliance.media.index.segment import SegmentFacts, closed, facts_of, goes_on, ticks_of, view_of
from appliance.media.mp4.fmp4 import parse_init
from tests.kit.segments import Sample, init, part
from tests.media.index.test_index import Growing
from tests.media.index.test_spans import NS, segment

BASE_NS, NTP_NS = 5 * NS, 1_790_000_000 * NS + 500
INIT = init((b"r" * 16, 7, BASE_NS, NTP_NS))
CLOCK = RunClock.of([Knot(0, 0, PPB)])


def test_a_file_without_its_header_has_no_facts_but_its_size(tmp_path: Path) -> None:
    facts = facts_of(Growing(tmp_path / "s.mp4").add(INIT[:20]))
    assert (facts.bytes, facts.indexed_bytes, facts.parts, facts.frames) == (20, 0, 0, 0)
    assert (facts.number, facts.ntp_us, facts.first_ns, facts.end_ns) == (None, None, None, None)
    assert (facts.codec, facts.stsd_id, facts.video_track, facts.base_ns) == ("", "", 0, 0)


def test_the_facts_of_a_file_are_those_of_its_header_and_parts(tmp_path: Path) -> None:
    file = Growing(tmp_path / "s.mp4")
    file.add(INIT)
    data = part([Sample(3000, True), Sample(3000), Sample(3000)], 0)
    facts = facts_of(file.add(data))
    assert (facts.bytes, facts.indexed_bytes) == (len(INIT) + len(data), len(INIT) + len(data))
    assert (facts.number, facts.ntp_us, facts.base_ns) == (7, NTP_NS // 1000, BASE_NS)
    assert (facts.parts, facts.frames, facts.first_ns) == (1, 3, BASE_NS)
    assert facts.end_ns == BASE_NS + 100_000_000
    assert facts.first_frame_ns == facts.frame_ns == 33_333_333
    assert (facts.codec, facts.video_track) == ("avc1", parse_init(INIT).chosen) and facts.stsd_id


def test_of_a_file_that_grows_the_end_is_only_what_will_not_change(tmp_path: Path) -> None:
    """Frames 0 to 2, then one that is 1 s later: the interval may be the source's pace."""
    file = Growing(tmp_path / "s.mp4")
    file.add(INIT)
    file.add(part([Sample(3000, True), Sample(3000), Sample(3000)], 0))
    index = file.add(part([Sample(3000)], 96_000))
    assert facts_of(index).end_ns == BASE_NS + 100_000_000
    index.is_closed = True
    assert facts_of(index).end_ns == BASE_NS + 1_100_000_000


@pytest.mark.parametrize(
    ("ns", "ticks"),
    [(0, 0), (1, 1), (11_111, 1), (11_112, 2), (NS, 90_000), (100_000 * NS, 9_000_000_000), (-1, 0)],
)
def test_a_media_time_is_the_tick_that_published_it(ns: int, ticks: int) -> None:
    assert ticks_of(segment(0, 5, 10), BASE_NS + ns, 90_000) == ticks


def test_a_view_of_a_file_that_is_not_in_memory_has_its_holes_and_frames_in_ticks() -> None:
    header = parse_init(INIT)
    facts = segment(
        7, 5, 10, holes=((BASE_NS + NS, BASE_NS + 2 * NS),), first_frame_ns=33_333_334, frame_ns=40_000_001,
        video_track=header.chosen, lowest_cto=-3,
    )  # fmt: skip
    view = view_of(facts, "cam1/s.mp4", header, CLOCK, (), ())
    assert (view.name, view.base_ns, view.run_id, view.lowest_cto) == ("cam1/s.mp4", BASE_NS, "aa", -3)
    assert view.holes == ((90_000, 180_000),)
    assert view.frame_ticks == (3000, 3600)
    assert view.init is header
    for chosen in (header.chosen - 1, header.chosen + 1):
        other = view_of(replace(facts, video_track=chosen), "cam1/s.mp4", header, CLOCK, (), ())
        assert other.init.chosen == chosen
    sound = parse_init(init((b"r" * 16, 7, BASE_NS, NTP_NS), video=False))
    assert view_of(facts, "cam1/s.mp4", sound, CLOCK, (), ()).holes == ((1, 2),), "whole seconds"


# -- which file continues which -----------------------------------------------------------------------------

BEFORE = segment(7, 5, 10, state="growing")


def test_the_same_file_goes_on_with_more_parts_or_unchanged() -> None:
    more = replace(BEFORE, parts=2, indexed_bytes=9, end_ns=11 * NS)
    assert goes_on(BEFORE, BEFORE) and goes_on(BEFORE, more) and goes_on(BEFORE, closed(more))
    assert goes_on(closed(BEFORE), more), "its recorder may have been slow"
    assert goes_on(more, BEFORE), "it is read again from its begin"


@pytest.mark.parametrize(
    "change",
    [
        {"run_id": "bb"},
        {"number": 8},
        {"base_ns": 6 * NS},
        {"ntp_us": 1},
        {"stsd_id": "y"},
        {"first_ns": 6 * NS},
    ],
    ids=lambda change: next(iter(change)),
)
@pytest.mark.parametrize("parts", [1, 2])
def test_a_file_with_another_begin_is_another_recording(change: dict[str, Any], parts: int) -> None:
    assert not goes_on(BEFORE, replace(BEFORE, parts=parts, **change))


def test_a_file_of_as_many_parts_must_end_the_same() -> None:
    assert not goes_on(BEFORE, replace(BEFORE, indexed_bytes=9))
    assert not goes_on(BEFORE, replace(BEFORE, end_ns=9 * NS))


def test_without_mtxi_a_closed_file_does_not_grow() -> None:
    nameless: SegmentFacts = replace(BEFORE, number=None)
    more = replace(nameless, parts=2, indexed_bytes=9)
    assert goes_on(nameless, more)
    assert not goes_on(closed(nameless), more)
    assert goes_on(closed(nameless), closed(nameless))


def test_a_file_without_parts_goes_on_as_its_run() -> None:
    empty = replace(BEFORE, parts=0, first_ns=None)
    assert goes_on(empty, BEFORE) and goes_on(empty, replace(BEFORE, number=9))
    assert not goes_on(empty, replace(BEFORE, run_id="bb")) and not goes_on(
        empty, replace(BEFORE, run_id="a")
    )


def test_only_a_file_that_grows_is_closed() -> None:
    assert closed(BEFORE).state == "closed"
    unreadable = replace(BEFORE, state="unreadable")
    assert closed(unreadable) == unreadable
