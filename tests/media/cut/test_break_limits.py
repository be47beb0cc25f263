"""Where a chain's frames stop and resume, at every limit: numbers alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from appliance.media.clock.timeline import PPB, Knot, RunClock
from appliance.media.cut.breaks import Break, break_after, breaks_of, length_of_last
from appliance.media.index.chain import Link
from appliance.media.index.view import Part, SegmentView
from tests.media.cut.test_live_parts import INIT

TRACK = INIT.video
CLOCK = RunClock.of([Knot(0, 0, PPB)])


def link(
    begin: int,
    end: int,
    offset: int,
    frames: tuple[int, int] = (10, 10),
    holes: Sequence[tuple[int, int]] = (),
) -> Link:
    """A segment whose two parts show begin..end, the later frames in the part that is decoded first."""
    assert TRACK is not None
    middle = (begin + end) // 2
    parts = (
        Part(0, 1, 2, middle, middle, end - 10, end),
        Part(2, 1, 3, middle, begin, middle - 10, middle),
        Part(3, 1, 4, -1, -1, -1, -1),  # sound alone
    )
    segment = SegmentView("a.mp4", INIT, 0, "run", CLOCK, parts, (), 0, tuple(holes), frames)
    return Link(segment, TRACK, offset, 0, 1)


@pytest.mark.parametrize("offset", [0, 60])
def test_holes_of_segments_are_breaks_in_their_chain(offset: int) -> None:
    links = [
        link(0, 100, 0, holes=[(30, 60)]),
        link(100 - offset, 200, offset, holes=[(150, 170), (180, 190)]),
    ]
    assert breaks_of(links) == [
        Break(30, 60, 0, 0),
        Break(150 + offset, 170 + offset, 1, 1),
        Break(180 + offset, 190 + offset, 1, 1),
    ]


@pytest.mark.parametrize(("begin", "is_break"), [(125, False), (126, True)])
def test_a_join_with_a_gap_of_more_than_two_and_a_half_frames_is_a_break(begin: int, is_break: bool) -> None:
    links = [link(0, 100, 7), link(begin, 300, 7, holes=[(200, 240)])]
    expected = [Break(107, begin + 7, 0, 1)] if is_break else []
    assert breaks_of(links) == [*expected, Break(207, 247, 1, 1)]


def test_the_longer_of_both_frames_decides_and_an_unknown_one_makes_no_break() -> None:
    assert breaks_of([link(0, 100, 0, (10, 40)), link(200, 300, 0)]) == []
    assert breaks_of([link(0, 100, 0), link(200, 300, 0, (40, 10))]) == []
    assert breaks_of([link(0, 100, 0, (40, 10)), link(200, 300, 0, (10, 40))]) == [Break(100, 200, 0, 1)]
    assert breaks_of([link(0, 100, 0, (0, 0)), link(900, 990, 0, (0, 0))]) == []
    assert breaks_of([link(0, 100, 0, (10, 0)), link(900, 990, 0, (1, 10))]) == [Break(100, 900, 0, 1)]


def test_three_segments_have_two_joins() -> None:
    links = [link(0, 100, 0), link(200, 300, 0), link(400, 500, 0)]
    assert breaks_of(links) == [Break(100, 200, 0, 1), Break(300, 400, 1, 2)]


def test_a_break_has_the_wall_times_of_both_segments() -> None:
    left, right = link(0, 100, 0), link(0, 100, 500)
    late = replace(right.segment, clock=RunClock.of([Knot(0, 7_000_000, PPB)]))
    links = [left, replace(right, segment=late)]
    timescale = left.track.timescale
    assert Break(timescale, 500 + 2 * timescale, 0, 1).wall_us(links) == (1_000_000, 9_000_000)
    links = [replace(left, offset=timescale), left]
    assert Break(2 * timescale, 3 * timescale, 0, 0).wall_us(links) == (1_000_000, 2_000_000)


@pytest.mark.parametrize(
    ("pts", "following", "place"),
    [
        (9, 20, 0),
        (10, 20, None),
        (9, 19, None),
        (9, 99, 0),
        (20, 49, None),
        (20, 50, 1),
        (39, 50, 1),
        (40, 50, None),
    ],
)
def test_the_break_between_two_frames(pts: int, following: int, place: int | None) -> None:
    breaks = [Break(10, 20, 0, 0), Break(40, 50, 0, 1)]
    assert break_after(breaks, pts, following) == (None if place is None else breaks[place])


@pytest.mark.parametrize(
    ("pts", "duration", "length"),
    [
        ([0, 10, 20, 30], 30, 30),
        ([0, 10, 20, 30], 31, 10),
        ([0, 10, 20, 30], 0, 10),
        ([0, 10, 40, 70], 90, 90),
        ([0, 10, 40, 70], 91, 30),
        ([0], 7, 7),
        ([0], 0, 1),
        ([0, 10], 30, 30),
        ([0, 10], 31, 10),
        ([0, 10], 1, 1),
    ],
)
def test_a_last_frame_is_as_long_as_its_file_states_unless_that_is_implausible(
    pts: list[int], duration: int, length: int
) -> None:
    assert length_of_last(pts, duration) == length
