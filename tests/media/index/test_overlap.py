"""Which run is shown where several runs cover the same time."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from appliance.media.clock.timeline import PPB, Knot, RunClock
from appliance.media.index.overlap import EVER, Stretch, overlapping, windows_of, within

S = 1_000_000


def stretch(
    run: str,
    start_s: float,
    end_s: float,
    *,
    gop_s: float = 1.0,
    began_s: float | None = None,
    frame_us: int = 0,
) -> Stretch:
    """A segment with keys from its start on; media time is wall time plus 100 s."""
    start_us, end_us = round(start_s * S), round(end_s * S)
    began_us = start_us if began_s is None else round(began_s * S)
    keys_us = range(start_us, end_us, round(gop_s * S)) if gop_s else ()
    clock = RunClock.of([Knot(0, -100 * S, PPB)])
    return Stretch(
        run, began_us, start_us, end_us, clock, [(at + 100 * S) * 1000 for at in keys_us], frame_us
    )


def shown(*stretches: Stretch, until_s: float = 100) -> list[tuple[float, float, str]]:
    """(from, to, run) in seconds, up to `until_s`; the order of the segments must not matter."""
    reports = []
    for given in (list(stretches), list(reversed(stretches))):
        windows = windows_of(given)
        rows = sorted(
            (low / S, high / S, run)
            for run, some in windows.items()
            for low, high in within(some, 0, round(until_s * S))
        )
        assert all(left[1] <= right[0] for left, right in pairwise(rows)), "two at once"
        reports.append(rows)
    assert reports[0] == reports[1]
    return reports[0]


def test_runs_that_do_not_overlap_are_shown_whole() -> None:
    assert windows_of([stretch("a", 0, 6), stretch("b", 6, 10), stretch("a", 11, 12, began_s=0)]) == {}
    assert within(None, 3, 5) == [(3, 5)]


def test_the_run_that_began_first_is_shown_to_its_end() -> None:
    assert shown(stretch("a", 0, 6), stretch("b", 4, 10)) == [(0, 6, "a"), (6, 100, "b")]


def test_the_next_run_is_entered_at_its_last_key_before_that_end() -> None:
    assert shown(stretch("a", 0, 6.4), stretch("b", 4, 10)) == [(0, 6, "a"), (6, 100, "b")]
    assert shown(stretch("a", 0, 6.4), stretch("b", 4, 10, gop_s=4)) == [(0, 4, "a"), (4, 100, "b")]


def test_clocks_that_differ_by_some_frames_cost_no_group_of_pictures() -> None:
    """A reconnect whose first frame appears 50 ms before the last one of the previous run."""
    assert shown(stretch("a", 0, 6.05), stretch("b", 6, 10, gop_s=4)) == [(0, 6, "a"), (6, 100, "b")]
    later = shown(stretch("a", 0, 5.99), stretch("b", 5, 10, gop_s=1))
    assert later == [(0, 6, "a"), (6, 100, "b")], "half a frame after the end is the end"


def test_a_run_inside_another_is_not_shown() -> None:
    assert shown(stretch("a", 0, 60), stretch("b", 10, 20)) == [(0, 100, "a")]


def test_what_one_run_lacks_another_shows() -> None:
    result = shown(stretch("a", 0, 10), stretch("a", 20, 30, began_s=0), stretch("b", 5, 40))
    assert result == [(0, 10, "a"), (10, 20, "b"), (20, 30, "a"), (30, 100, "b")]


def test_the_begin_of_the_run_counts_not_that_of_its_segment() -> None:
    actual = shown(stretch("a", 60, 120, began_s=0), stretch("b", 30, 90))
    assert actual == [(0, 60, "b"), (60, 100, "a")]


def test_a_run_too_short_to_leave_another_for_is_left_out() -> None:
    outcome = shown(stretch("a", 5.5, 5.9, began_s=0), stretch("b", 4, 10, gop_s=2))
    assert outcome == [(0, 100, "b")]


def test_a_run_without_a_key_in_time_is_entered_at_its_next_one() -> None:
    results = shown(
        stretch("a", 4, 5.5, began_s=0), stretch("b", 3, 9, gop_s=5, began_s=1), stretch("c", 0, 4.5)
    )
    assert results[0] == (0, 4, "c") or results[0][2] == "c"
    assert [run for _, _, run in results] == ["c", "a", "b"]
    assert results[-1][0] == 8


def test_many_short_runs_one_over_the_other() -> None:
    runs = [stretch(f"{n:02}", n * 0.5, n * 0.5 + 0.55, gop_s=1) for n in range(20)]
    frames = shown(*runs, until_s=10)
    assert [(low, run) for low, _, run in frames] == [(n * 0.5, f"{n:02}") for n in range(20)]


def test_what_is_decided_for_an_instant_does_not_depend_on_what_lies_far_off() -> None:
    runs = [stretch("a", 0, 6.2), stretch("b", 4, 10.7, gop_s=2), stretch("c", 9, 20), stretch("d", 19.5, 30)]
    whole = shown(*runs, until_s=30)
    for first in range(len(runs)):
        for last in range(first + 2, len(runs) + 1):
            some = runs[first:last]
            inner = [row for row in whole if row[2] in {each.run_id for each in some[1:-1]}]
            assert set(inner) <= set(shown(*some, until_s=30)), (first, last)


def test_a_growing_run_is_shown_on_beyond_what_is_known_of_it() -> None:
    assert dict(windows_of([stretch("a", 0, 6), stretch("b", 4, 10)]))["b"] == ((6 * S, EVER),)


@pytest.mark.parametrize("order", [1, -1])
def test_two_runs_that_began_at_once_are_reported_apart_by_their_names(order: int) -> None:
    runs = [stretch("a", 0, 6), stretch("b", 0, 6)][::order]
    assert dict(windows_of(runs))["b"] == ()


@pytest.mark.parametrize(
    ("late_s", "ends_s"),
    [(0, 6), (0.01, 6), (0.02, 6), (0.06, 6), (0.08, 6), (-0.02, 5.98), (-0.06, 5.94)],
)
def test_the_run_before_ends_where_the_next_ones_first_picture_is_in_it(late_s: float, ends_s: float) -> None:
    """Both have a key at the same moment, by clocks that differ."""
    runs = [stretch("a", 0, 6.4, frame_us=40_000), stretch("b", 4 + late_s, 10, frame_us=40_000)]
    assert shown(*runs) == [(0, ends_s, "a"), (6 + late_s, 100, "b")]


def test_without_such_a_key_a_picture_half_a_frame_before_is_of_the_same_moment() -> None:
    before = stretch("a", 0.5, 6.4, gop_s=4, frame_us=40_000)
    assert shown(before, stretch("b", 4, 10, frame_us=20_000)) == [(0, 5.988, "a"), (6, 100, "b")]
    assert shown(before, stretch("b", 4, 10)) == [(0, 6, "a"), (6, 100, "b")], "frames of unknown length"
    ended = stretch("a", 0, 6, gop_s=4, frame_us=40_000)
    assert shown(ended, stretch("b", 4, 10, frame_us=40_000)) == [(0, 6, "a"), (6, 100, "b")]


def test_a_key_belongs_to_the_microsecond_it_lies_in() -> None:
    first_ns = 100 * S * 1000  # the media time of wall time 0
    keys_ns = [first_ns + at_ns for at_ns in (10_000, 20_000, 20_999, 21_000, 30_999)]
    some = Stretch("a", 0, 0, 10 * S, RunClock.of([Knot(0, -100 * S, PPB)]), keys_ns)
    places = [sum(some.clock.media_ns(at_us + 1) > key for key in keys_ns) for at_us in (9, 10, 19, 20, 21)]
    assert places == [0, 1, 1, 3, 4]
    walls = [some.clock.wall_us(key) for key in keys_ns]
    assert (some.key_at(30), some.key_after(29), some.key_after(30)) == (walls[4], walls[4], None)
    assert [some.key_at(at_us) for at_us in (9, 10, 19, 20, 21)] == [
        None,
        walls[0],
        walls[0],
        walls[2],
        walls[3],
    ]
    assert [some.key_after(at_us) for at_us in (9, 10, 19, 20, 21)] == [
        walls[0],
        walls[1],
        walls[1],
        walls[3],
        walls[4],
    ]


def test_a_segment_inside_another_of_its_run_does_not_shorten_it() -> None:
    assert overlapping([stretch("a", 0, 10), stretch("a", 3, 5, began_s=0), stretch("b", 6, 8)])
    assert not overlapping([stretch("a", 0, 10), stretch("a", 3, 5, began_s=0), stretch("b", 10, 12)])


def test_where_nothing_is_shown_no_window_is_given() -> None:
    assert within(None, 3, 3) == [] and within(((0, 5),), 5, 9) == [] and within(((5, 9),), 3, 5) == []


def test_a_gap_after_runs_that_overlap_belongs_to_the_last_of_them() -> None:
    result = shown(stretch("a", 0, 6), stretch("b", 4, 10), stretch("c", 20, 30))
    assert result == [(0, 6, "a"), (6, 20, "b"), (20, 100, "c")]


def test_the_frames_of_the_run_that_follows_count_not_those_of_the_one_before() -> None:
    runs = [
        stretch("z", 0, 1, frame_us=40_000),
        stretch("a", 0.5, 6.4, gop_s=4, frame_us=40_000),
        stretch("b", 4, 10, frame_us=20_000),
    ]
    assert shown(*runs)[-2:] == [(0.5, 5.988, "a"), (6, 100, "b")]


@pytest.mark.parametrize("off_s", [0.0, 0.05, -0.1])
def test_runs_of_many_segments_are_shown_as_if_each_were_one(off_s: float) -> None:
    """Segments of a run miss by a frame or overlap."""
    a = [stretch("a", at, at + 2 - off_s, began_s=0, frame_us=40_000) for at in (0, 2)]
    a.append(stretch("a", 4, 6.4, began_s=0, frame_us=40_000))
    b = [stretch("b", at, at + 2 - off_s, began_s=4, frame_us=40_000) for at in (4, 6, 8, 10)]
    assert shown(*a, *b) == [(0, 6, "a"), (6, 100, "b")]


def test_a_segment_inside_another_of_its_run_is_one_extent_with_it() -> None:
    a = [stretch("a", 0, 6), stretch("a", 1, 2, began_s=0)]
    assert shown(*a, stretch("b", 4, 10)) == [(0, 6, "a"), (6, 100, "b")]


@pytest.mark.parametrize(("gap_s", "is_shown"), [(0.15, False), (0.151, True)])
def test_only_a_gap_longer_than_some_frames_is_filled_from_another_run(gap_s: float, is_shown: bool) -> None:
    a = [stretch("a", 0, 3), stretch("a", 3 + gap_s, 6, began_s=0)]
    filled = [(0, 3, "a"), (3, 3 + gap_s, "b"), (3 + gap_s, 6, "a"), (6, 100, "b")]
    assert shown(*a, stretch("b", 1, 10)) == (filled if is_shown else [(0, 6, "a"), (6, 100, "b")])


def test_the_frames_of_the_segments_at_the_change_count() -> None:
    """The length of frames changed within both runs, long before the change and long after it."""
    a = [stretch("a", 0, 0.5, frame_us=20_000), stretch("a", 0.5, 6.4, gop_s=4, began_s=0, frame_us=40_000)]
    a.append(stretch("a", 90, 91, began_s=0, frame_us=10_000))
    b = [stretch("b", 4, 8, frame_us=30_000), stretch("b", 8, 12, began_s=4, frame_us=10_000)]
    assert shown(*a, *b)[:2] == [(0, 5.982, "a"), (6, 90, "b")]


def test_segments_are_joined_to_the_one_before_them_not_to_the_first() -> None:
    a = [stretch("a", low, high, began_s=0) for low, high in ((0, 1), (2, 3), (3.1, 4), (3.2, 3.5))]
    result = shown(*a, stretch("b", 0, 10, began_s=0.5))
    assert result == [(0, 1, "a"), (1, 2, "b"), (2, 4, "a"), (4, 100, "b")]


def keyed(some: Stretch, *keys_s: float) -> Stretch:
    """The stretch with keys at these times instead."""
    return replace(some, keys_ns=[round((at + 100) * S) * 1000 for at in keys_s])


def test_a_run_is_not_entered_at_a_key_before_a_gap_of_the_run_that_is_left() -> None:
    a = [stretch("a", 0, 6), stretch("a", 20, 30, began_s=0)]
    c = [stretch("c", 3, 5, began_s=2), keyed(stretch("c", 21, 40, began_s=2), 31)]
    assert shown(*a, *c) == [(0, 20, "a"), (20, 31, "a"), (31, 100, "c")]


def test_a_run_that_begins_after_a_gap_is_shown_from_its_first_picture() -> None:
    late = keyed(stretch("c", 20, 30), 21)
    assert shown(stretch("a", 0, 6), stretch("b", 4, 10), late)[-1] == (20, 100, "c")


def test_a_segment_that_begins_at_the_change_is_not_the_one_that_ends_there() -> None:
    a = [stretch("a", 0, 6, gop_s=4, frame_us=40_000)]
    a.append(keyed(stretch("a", 6, 8, began_s=0, frame_us=40_000)))
    assert shown(*a, stretch("b", 2, 12, gop_s=4, frame_us=40_000)) == [(0, 6, "a"), (6, 100, "b")]


def test_the_segment_entered_is_the_one_that_begins_at_the_change() -> None:
    b = [stretch("b", 4, 6, frame_us=20_000), stretch("b", 6, 10, began_s=4, frame_us=40_000)]
    assert shown(stretch("a", 0.5, 6.4, gop_s=4, frame_us=40_000), *b)[0] == (0, 5.976, "a")


@pytest.mark.parametrize(("end_s", "ends_s"), [(6.016, 6), (6.017, 5.976), (6.03, 5.976)])
def test_a_last_picture_more_than_half_a_frame_before_the_next_run_is_shown(
    end_s: float, ends_s: float
) -> None:
    before = stretch("a", 0.5, end_s, gop_s=4, frame_us=40_000)
    assert shown(before, stretch("b", 4, 10, frame_us=40_000))[0] == (0, ends_s, "a")


def test_a_run_whose_last_key_is_where_the_one_before_begins_is_entered_at_its_next() -> None:
    runs = [stretch("a", 0, 6.4, began_s=-1), stretch("b", 0, 20, gop_s=10)]
    assert shown(*runs) == [(0, 10, "a"), (10, 100, "b")]


def test_only_the_run_that_was_shown_before_goes_on_where_another_is_too_short() -> None:
    runs = [stretch("a", 0, 4.5), stretch("b", 4, 5.5, began_s=0.5), stretch("c", 3, 9, gop_s=5, began_s=1)]
    assert shown(*runs) == [(0, 4, "a"), (4, 8, "b"), (8, 100, "c")]


def test_what_was_shown_before_a_run_that_is_too_short_stays() -> None:
    runs = [stretch("z", 0, 3, began_s=-1), stretch("a", 5.5, 5.9, began_s=0), stretch("b", 4, 10, gop_s=2)]
    assert shown(*runs) == [(0, 4, "z"), (4, 100, "b")]


SHORT = [stretch("a", 0, 6), stretch("b", 5, 6.01, began_s=1)]
"""A run of which ten milliseconds are shown."""


def test_a_run_is_not_entered_before_the_one_it_follows_is_shown() -> None:
    after = stretch("c", 4, 20, began_s=2)
    assert shown(*SHORT, after) == [(0, 6, "a"), (6, 7, "b"), (7, 100, "c")]


def test_a_run_whose_next_key_is_where_another_begins_is_left_out() -> None:
    runs = [stretch("c", 4, 20, began_s=2), stretch("d", 7, 30, began_s=1.5)]
    assert shown(*SHORT, *runs) == [(0, 6, "a"), (6, 7, "b"), (7, 100, "d")]


def test_a_key_half_a_frame_after_the_end_may_be_the_first_of_its_segment() -> None:
    b = [stretch("b", 4, 6.017), stretch("b", 6.017, 10, began_s=4)]
    assert shown(stretch("a", 0, 6), *b) == [(0, 6.017, "a"), (6.017, 100, "b")]
