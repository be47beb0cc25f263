"""The clock of a file whose writing was not observed, at every limit: numbers alone."""

from __future__ import annotations

import pytest

from appliance.media.clock.anchor import aimed, anchored, is_leapt
from appliance.media.clock.timeline import PPB, Knot, Leap, RunClock

W = 1_790_000_000_000_000
S = 1_000_000
S_NS = 1_000_000_000
LEAP = Leap(10 * S_NS, 13 * S_NS)


def offsets(knots: list[Knot], *media_s: float) -> list[int]:
    """Wall time less media time at these media times, us, relative to W."""
    clock = RunClock.of(knots)
    return [clock.wall_us(round(at * S_NS)) - W - round(at * S) for at in media_s]


def test_a_file_alone_has_its_own_time() -> None:
    assert anchored(5 * S_NS, W) == [Knot(5 * S_NS, W, PPB)]


@pytest.mark.parametrize(
    ("start_s", "wall_us", "used_us"),
    [(10, 11 * S, 11 * S), (10, 9 * S, 10 * S), (0, 0, 1), (0, 1, 1), (0, 2, 2)],
)
def test_a_file_is_not_before_the_clock_of_the_files_before(start_s: int, wall_us: int, used_us: int) -> None:
    left = Knot(0, W, PPB)
    assert anchored(start_s * S_NS, W + wall_us, left=left) == [Knot(start_s * S_NS, W + used_us, PPB)]


@pytest.mark.parametrize(
    ("ends_us", "rate_ppb"),
    [
        (60_006_000, 1_000_100_000),
        (59_994_000, 999_900_000),
        (66_000_000, 1_100_000_000),
        (72_000_000, 1_100_000_000),  # no clock is that slow
        (54_000_000, 900_000_000),
        (30_000_000, 500_000_000),  # the recorder's clock was set back: time must still rise
    ],
)
def test_a_file_leads_to_the_next_one(ends_us: int, rate_ppb: int) -> None:
    assert anchored(0, W, right=(60 * S_NS, W + ends_us)) == [Knot(0, W, rate_ppb)]


@pytest.mark.parametrize("right", [(0, W + S), (S_NS, W), (-1, W + S), (S_NS, W - 1)])
def test_a_next_file_that_is_not_later_is_ignored(right: tuple[int, int]) -> None:
    assert anchored(0, W, right=right) == [Knot(0, W, PPB)]


@pytest.mark.parametrize("right", [(1, W + 1), (2, W + 1)])
def test_a_next_file_that_is_just_later_counts(right: tuple[int, int]) -> None:
    assert anchored(0, W, right=right) == [Knot(0, W, 1_100_000_000)]


def test_the_rate_is_positive_whatever_it_leads_to() -> None:
    assert aimed(Knot(0, W, PPB), (10 * S_NS, W)).rate_ppb == 1
    assert aimed(Knot(0, W, PPB), (10 * S_NS, W - 5 * S)).rate_ppb == 1
    assert aimed(Knot(0, W, PPB), (0, W + S)).rate_ppb == 1_100_000_000


@pytest.mark.parametrize(
    ("late_us", "is_moved"), [(60_000, False), (60_001, True), (250_000, True), (250_001, False), (-1, False)]
)
def test_the_first_file_of_a_run_may_be_late(late_us: int, is_moved: bool) -> None:
    right = (60 * S_NS, W + 60 * S - late_us)
    (knot,) = anchored(0, W, right=right, begins_run=True)
    assert knot.wall_us == W - late_us * is_moved
    assert offsets([knot], 60) == pytest.approx([-late_us], abs=1)
    (later,) = anchored(S_NS, W + S, right=(61 * S_NS, W + 61 * S - late_us), begins_run=True)
    assert later.wall_us == W + S - late_us * is_moved, "over the length of the file"


def test_only_the_first_file_is_taken_for_late() -> None:
    right = (60 * S_NS, W + 60 * S - 90_000)
    assert anchored(0, W, right=right)[0].wall_us == W
    assert anchored(0, W, right=right, begins_run=True, left=Knot(-S_NS, W - 2 * S, PPB))[0].wall_us == W
    assert anchored(0, W, right=right, begins_run=True, leaps=[LEAP])[0].wall_us == W


# -- leaps of media time inside the file --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("too_late_us", "expected"),
    [(100_000, False), (100_001, True), (3 * S, True), (5 * S, True), (5 * S + 1, False), (-1, False)],
)
def test_a_leap_explains_a_file_that_ends_later_than_it_was_written(too_late_us: int, expected: bool) -> None:
    assert is_leapt([LEAP], too_late_us) is expected
    assert is_leapt([Leap(0, S_NS), LEAP, Leap(20 * S_NS, 21 * S_NS)], too_late_us) is expected
    assert not is_leapt([], too_late_us)


def test_the_time_of_the_last_write_shows_how_much_of_a_leap_was_no_real_time() -> None:
    knots = anchored(0, W, leaps=[LEAP], last=(20 * S_NS, W + 18 * S))
    assert [knot.media_ns for knot in knots] == [0, 10 * S_NS, 13 * S_NS]
    assert offsets(knots, 0, 10, 13, 20) == [0, 0, -2 * S, -2 * S]


def test_the_largest_leap_is_shortened() -> None:
    leaps = [Leap(2 * S_NS, 3 * S_NS), LEAP, Leap(15 * S_NS, 16 * S_NS)]
    knots = anchored(0, W, leaps=leaps, last=(20 * S_NS, W + 18 * S))
    assert [knot.media_ns for knot in knots] == [0, 10 * S_NS, 13 * S_NS]


def test_of_a_leap_that_is_longer_than_the_write_allows_a_millisecond_stays() -> None:
    knots = anchored(0, W, leaps=[LEAP], last=(20 * S_NS, W + 15 * S))
    assert offsets(knots, 10, 13) == [0, -3 * S + 1000]


def test_a_write_long_after_the_end_takes_the_whole_leap_out() -> None:
    last = (20 * S_NS, W + 18 * S)
    assert offsets(anchored(0, W, leaps=[LEAP], last=last, is_bound=True), 13) == [-3 * S + 1000]
    leaps = [Leap(2 * S_NS, 3 * S_NS), LEAP]
    assert offsets(anchored(0, W, leaps=leaps, last=last, is_bound=True), 3, 13) == [0, -3 * S + 1000]
    longer = (20 * S_NS, W + 16 * S)
    assert offsets(anchored(0, W, leaps=[LEAP], last=longer, is_bound=True), 13) == [-3 * S + 1000]


@pytest.mark.parametrize("last", [None, (20 * S_NS, W + 20 * S - 100_000), (20 * S_NS, W + 14 * S)])
def test_without_a_need_for_it_a_leap_stays(last: tuple[int, int] | None) -> None:
    assert anchored(0, W, leaps=[LEAP], last=last) == [Knot(0, W, PPB)]
    assert anchored(0, W, last=last) == [Knot(0, W, PPB)]


@pytest.mark.parametrize(("too_late_us", "media"), [(100_000, [0]), (100_001, [0, 10, 13])])
def test_the_next_file_shows_how_much_of_a_leap_was_no_real_time(too_late_us: int, media: list[int]) -> None:
    knots = anchored(0, W, leaps=[LEAP], right=(20 * S_NS, W + 20 * S - too_late_us))
    assert [knot.media_ns // S_NS for knot in knots] == media
    assert offsets(knots, 20) == pytest.approx([-too_late_us], abs=1)
    if len(media) == 3:
        assert offsets(knots, 10, 13) == [0, -too_late_us]


# -- a leap between this file and the next ------------------------------------------------------------------


def between(end_ns: int, right: tuple[int, int]) -> list[Knot]:
    return anchored(0, W, right=right, last=(end_ns, W + 60 * S))


def test_a_leap_between_two_files_is_taken_out_there() -> None:
    knots = between(10 * S_NS, (13 * S_NS, W + 10 * S + 500_000))
    assert [knot.media_ns for knot in knots] == [0, 10 * S_NS - 1_000_000]
    assert offsets(knots, 0, 5, 9.999, 13) == pytest.approx([0, 0, 0, -2_500_000], abs=1)


def test_what_was_lost_between_two_files_stays_and_the_file_leads_to_it() -> None:
    """3 s of media time are 0.5 s of real time; the file itself is 0.1 s fast over its 10 s."""
    knots = between(10 * S_NS, (13 * S_NS, W + 10 * S + 400_000))
    assert offsets(knots, 13) == pytest.approx([-2_600_000], abs=1)
    assert between(10 * S_NS, (13 * S_NS, W + 9_500_000))[0].rate_ppb == 950_000_000


@pytest.mark.parametrize(("gap_ns", "knots"), [(400_000_000, 1), (400_000_001, 2)])
def test_files_of_one_run_are_no_further_apart_than_sound_before_a_picture(gap_ns: int, knots: int) -> None:
    assert len(between(10 * S_NS, (10 * S_NS + gap_ns, W + 10_200_000))) == knots


def test_without_a_known_end_nothing_leapt_after_it() -> None:
    assert len(anchored(0, W, right=(13 * S_NS, W + 10_500_000))) == 1


def test_a_gap_that_really_passed_is_no_leap() -> None:
    assert len(between(10 * S_NS, (13 * S_NS, W + 13 * S))) == 1


# -- a run that was observed up to this file ----------------------------------------------------------------

KNOWN = Knot(0, W, PPB + 100_000)


def test_an_observed_run_goes_on_by_its_own_clock() -> None:
    assert anchored(5 * S_NS, W + 9 * S, left=KNOWN, is_known=True) == []
    assert anchored(5 * S_NS, W, left=KNOWN, right=(20 * S_NS, W + 18 * S), is_known=True) == []
    assert anchored(5 * S_NS, W, left=KNOWN, leaps=[LEAP], is_known=True) == []
    assert anchored(5 * S_NS, W, is_known=True) == [Knot(5 * S_NS, W, PPB)]


def test_a_leap_is_taken_out_of_an_observed_run() -> None:
    last = (20 * S_NS, W + 18_002_000)
    knots = anchored(5 * S_NS, W, left=KNOWN, leaps=[LEAP], last=last, is_known=True)
    assert [(knot.media_ns, knot.wall_us) for knot in knots] == [
        (10 * S_NS, W + 10_001_000),
        (13 * S_NS, W + 11_001_300),
    ]
    assert knots[-1].rate_ppb == KNOWN.rate_ppb
    right = (20 * S_NS, W + 17_002_000)
    knots = anchored(5 * S_NS, W, left=KNOWN, leaps=[LEAP], last=last, right=right, is_known=True)
    assert knots[-1].wall_us == W + 10_001_000 + 1_000, "the next file's start is better than a write"
    early = (20 * S_NS, W + 20_002_000 - 100_000)
    assert anchored(5 * S_NS, W, left=KNOWN, leaps=[LEAP], last=early, is_known=True) == []
