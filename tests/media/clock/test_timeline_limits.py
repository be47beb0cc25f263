"""Knots of a run at every limit: numbers alone."""

from __future__ import annotations

import pytest

from appliance.media.clock.envelope import MAX_SKEW
from appliance.media.clock.timeline import PPB, Arrival, Knot, Leap, Run, RunClock, squeeze, with_an_end

W = 1_790_000_000_000_000
S = 1_000_000
S_NS = 1_000_000_000


def knot(media_s: float, wall_s: float, rate_ppb: int = PPB) -> Knot:
    return Knot(round(media_s * S_NS), W + round(wall_s * S), rate_ppb)


def media_of(knots: list[Knot]) -> list[float]:
    return [each.media_ns / S_NS for each in knots]


def second(number: int, off_us: int = 0, leap: Leap | None = None) -> Arrival:
    """The part of media seconds number..number + 1, written `off_us` late."""
    end_ns = (number + 1) * S_NS
    return Arrival(number * S_NS, end_ns, end_ns, W + (number + 1) * S + off_us, leap)


def run_of(count: int) -> Run:
    """A run of so many parts of a second, each written in time."""
    run = Run("r")
    for number in range(count):
        run.observe(second(number))
    return run


def test_a_knot_slews_first_and_then_goes_on_at_its_rate() -> None:
    slewing = Knot(10 * S_NS, W, PPB, S_NS, 2 * PPB)
    times = [10 * S_NS, 10 * S_NS + S_NS // 2, 11 * S_NS, 12 * S_NS]
    walls = [W, W + S, W + 2 * S, W + 3 * S]
    assert [slewing.wall_at(at) for at in times] == walls
    clock = RunClock.of([slewing])
    assert [clock.wall_us(at) for at in times] == walls
    assert [clock.media_ns(wall) for wall in walls] == times
    assert slewing.aim_at(10 * S_NS) == W + S
    assert Knot(10 * S_NS, W, 2 * PPB).wall_at(9 * S_NS) == W - 2 * S
    assert clock.wall_us(9 * S_NS) == W - S


def test_a_slew_and_a_rate_are_cut_to_whole_microseconds_apart() -> None:
    clock = RunClock.of([Knot(0, W, PPB, 1_500, PPB)])
    assert [clock.wall_us(at) for at in (1_500, 2_400, 2_500, 2_600)] == [W + 1, W + 1, W + 2, W + 2]


def test_only_a_rate_beyond_any_source_is_the_slew_of_an_old_release() -> None:
    most = Knot(0, W, PPB + round(MAX_SKEW * PPB))
    assert with_an_end(most) == most
    assert with_an_end(most._replace(rate_ppb=most.rate_ppb + 1)).slew_ns == 10 * S_NS


def test_the_inverse_is_exact_at_the_first_and_last_of_several_knots() -> None:
    clock = RunClock.of([knot(0, 0), knot(10, 11), knot(20, 25)])
    assert [clock.media_ns(W + round(wall * S)) for wall in (-1, 0, 5, 10.5, 11, 23, 25, 30)] == [
        -S_NS, 0, 5 * S_NS, 10 * S_NS, 10 * S_NS, 20 * S_NS, 20 * S_NS, 25 * S_NS
    ]  # fmt: skip
    one = RunClock.of([knot(0, 0)])
    assert [one.media_ns(W + wall) for wall in (-1, 0, 1)] == [-1000, 0, 1000]


# -- knots of stretches that were not observed --------------------------------------------------------------


def test_the_neighbours_of_a_media_time() -> None:
    knots = [knot(0, 0), knot(10, 10), knot(20, 20)]
    run = Run("r", knots)
    assert run.neighbours(10 * S_NS) == (knots[0], knots[1])
    assert run.neighbours(10 * S_NS + 1) == (knots[1], knots[2])
    assert run.neighbours(0) == (None, knots[0])
    assert run.neighbours(20 * S_NS + 1) == (knots[2], None)


def test_knots_that_fit_together_are_inserted_together_in_order() -> None:
    run = Run("r", [knot(0, 0), knot(100, 100)])
    assert run.anchor([knot(50, 60)]) == [], "alone it would lead past the next one"
    made = [knot(50, 60, PPB // 2), knot(70, 70)]
    assert run.anchor(made) == made
    assert media_of(run.clock().knots()) == [0, 50, 70, 100]
    assert run.anchor([]) == []


def test_of_knots_that_do_not_fit_together_those_that_fit_alone_are_inserted() -> None:
    run = Run("r", [knot(0, 0), knot(100, 100)])
    assert run.anchor([knot(50, 50), knot(60, 40)]) == [knot(50, 50)]
    assert run.anchor([knot(20, 60), knot(30, 30)]) == [knot(30, 30)]
    assert run.anchor([knot(90, 90), knot(100, 100)]) == [knot(90, 90)], "there is one at this time"
    assert run.anchor([knot(40, 40), knot(60, 60)]) == [knot(40, 40), knot(60, 60)]
    assert media_of(run.clock().knots()) == [0, 30, 40, 50, 60, 90, 100]


@pytest.mark.parametrize(
    ("new", "fits"),
    [
        ((50, 50), True),
        ((50, 49.9), False),  # before the time of the knot before
        ((50, 50.1), False),  # the next one would be before its time
        ((0, 0.1), False),
        ((100, 100), False),
        ((-1, -1), True),
        ((-1, 0), False),
        ((101, 101), True),
        ((101, 100), False),
    ],
)
def test_a_knot_must_keep_time_rising_on_both_sides(new: tuple[float, float], fits: bool) -> None:
    run = Run("r", [knot(0, 0), knot(100, 100)])
    assert bool(run.anchor([knot(*new)])) is fits


def test_knots_of_a_stretch_are_replaced_from_its_begin_to_before_its_end() -> None:
    run = Run("r", [knot(at, at) for at in (0, 10, 20, 30)])
    run.replace(10 * S_NS, 30 * S_NS, [knot(15, 15)])
    assert media_of(run.clock().knots()) == [0, 15, 30]


# -- arrivals -----------------------------------------------------------------------------------------------


def test_a_run_without_knots_has_no_clock_and_no_skew() -> None:
    run = Run("r")
    with pytest.raises(ValueError, match="no knot"):
        run.clock()
    with pytest.raises(ValueError, match="anchor"):
        run.observe(second(0)._replace(written_us=None))
    assert (run.skew_ppm, run.is_settling, run.has_clock, run.published_ns) == (0.0, False, False, None)


def test_the_first_part_makes_the_first_knot_and_publishes_its_frames() -> None:
    run = Run("r")
    assert run.observe(second(3)) == [Knot(3 * S_NS, W + 3 * S, PPB)]
    assert (run.is_settling, run.is_observed, run.published_ns) == (True, True, 4 * S_NS)
    run.publish(2 * S_NS)
    assert run.published_ns == 4 * S_NS


def test_an_observed_run_goes_on_with_its_skew_and_offset() -> None:
    run = Run("r", [Knot(0, W, PPB + 100_000)], is_observed=True)
    late = Arrival(10 * S_NS, 11 * S_NS, 11 * S_NS, W + 11_001_100 + 500_000)
    assert run.observe(late) == []
    assert run.skew_ppm == pytest.approx(-100, abs=1e-6)
    other = Run("r", [Knot(0, W, PPB + 100_000)])
    other.observe(late)
    assert other.skew_ppm == 0.0


def test_the_offset_of_an_observed_run_is_that_at_its_last_knot() -> None:
    run = Run("r", [Knot(10 * S_NS, W + 10 * S, PPB, S_NS, PPB)], is_observed=True)
    assert run.observe(second(20, 500_000)) == []
    assert Run("r", [knot(10, 10)]).observe(second(20, 500_000)) != []


def test_a_supposed_offset_counts_as_the_best_arrival_while_the_run_settles() -> None:
    run = Run("r", [knot(0, 0)])
    run.suppose(10 * S_NS, 12 * S_NS)
    assert run.observe(second(12, 500_000)) == []


@pytest.mark.parametrize(
    ("parts", "early_us", "slew"),
    [
        (1, 1_999, None),  # while it settles
        (1, 2_000, (40_000, 50_000_000)),
        (1, 20_000, (200_000, 100_000_000)),
        (5, 7_999, None),  # settled, ten seconds after the newest knot not yet over
        (5, 8_000, (160_000, 50_000_000)),
        (20, 999, None),
        (20, 1_000, (20_000, 50_000_000)),
        (20, 10_000, (200_000, 50_000_000)),
        (20, 300_000, (2_000_000, 150_000_000)),
        (20, 1_500_000, (3_000_000, 500_000_000)),
    ],
)
def test_an_error_is_slewed_away_when_it_is_worth_a_knot(
    parts: int, early_us: int, slew: tuple[int, int] | None
) -> None:
    made = run_of(parts).observe(second(parts, -early_us))
    if slew is None:
        assert made == []
        return
    span_us, ppb = slew
    assert made == [Knot(parts * S_NS, W + parts * S, PPB, span_us * 1000, PPB - ppb)]


# -- leaps --------------------------------------------------------------------------------------------------

LEAP = Leap(10 * S_NS, 13 * S_NS)


@pytest.mark.parametrize(
    ("off_us", "is_leap"), [(-60_000, False), (-60_001, True), (1_000_000, False), (1_000_001, True)]
)
def test_an_arrival_shows_whether_media_time_leapt(off_us: int, is_leap: bool) -> None:
    made = run_of(10).observe(second(13, off_us, LEAP))
    assert (10 in media_of(made)) is is_leap


def test_a_leap_is_taken_out_between_the_frames_around_it() -> None:
    run = run_of(10)
    made = run.observe(second(13, -2 * S, LEAP))
    assert made == [Knot(10 * S_NS, W + 10 * S, 333_333_333), Knot(13 * S_NS, W + 11 * S, PPB)]
    assert run.is_settling
    assert run_of(10).observe(second(13, -2 * S, LEAP)._replace(written_us=None)) == []


def test_a_leap_begins_after_what_was_published() -> None:
    run = run_of(10)
    run.publish(10 * S_NS + S_NS // 2)
    assert media_of(run.observe(second(13, -2 * S, LEAP))) == [10.5, 13]
    again = Run("r", [knot(0, 0)], is_observed=True)
    assert media_of(again.observe(second(13, -2 * S, LEAP))) == [10, 13]


@pytest.mark.parametrize(("off_us", "floor_s"), [(-2_700_000, 12.8), (-2_900_000, 12.901), (-3 * S, 13)])
def test_frames_that_may_still_come_before_a_leap_share_the_shortened_stretch(
    off_us: int, floor_s: float
) -> None:
    leap = Leap(10 * S_NS, 12_800_000_000, 13 * S_NS)
    run = run_of(10)
    made = run.observe(second(13, off_us, leap))
    assert media_of(made) == [10, floor_s]
    assert run.clock().wall_us(13 * S_NS) == max(W + 13 * S + off_us, W + 10 * S + 1000)


def test_an_empty_stretch_is_squeezed_to_its_wall_time_or_a_millisecond() -> None:
    tail = Knot(0, W, PPB)
    assert squeeze(tail, 10 * S_NS, 10 * S_NS, W + 11 * S, PPB) == []
    assert squeeze(tail, 10 * S_NS, 13 * S_NS, W + 11 * S, 7) == [
        Knot(10 * S_NS, W + 10 * S, 333_333_333),
        Knot(13 * S_NS, W + 11 * S, 7),
    ]
    assert squeeze(tail, 10 * S_NS, 13 * S_NS, W + 5 * S, PPB) == [
        Knot(10 * S_NS, W + 10 * S, 333_333),
        Knot(13 * S_NS, W + 10 * S + 1000, PPB),
    ]
    long_ns = 2 * 10**15
    assert squeeze(tail, 0, long_ns, W, PPB) == [Knot(0, W, 1), Knot(long_ns, W + 2000, PPB)]
