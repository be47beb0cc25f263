"""A run's clock: causal, strictly increasing, never revised, within a frame of the truth."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.media.clock.timeline import PPB, Arrival, Knot, Leap, Run, RunClock, with_an_end

FRAME_NS = 33_366_667
START_US = 1_790_000_000_000_000
SECOND_NS = 1_000_000_000


def arrivals(
    *,
    minutes: float,
    skew_ppm: float,
    part_s: float,
    late_us: Callable[[int], int],
    first_ns: int = 0,
) -> Iterator[tuple[Arrival, Callable[[int], float]]]:
    """Parts of a source whose clock is `skew_ppm` fast, each seen `late_us(n)` late; and the truth."""
    per_ns = 1 / (1000 * (1 + skew_ppm / 1e6))

    def truth_us(media_ns: int) -> float:
        return START_US + (media_ns - first_ns) * per_ns

    step_ns = round(part_s * SECOND_NS)
    for number in range(round(minutes * 60 / part_s)):
        start = first_ns + number * step_ns
        end = start + step_ns
        yield Arrival(start, end, end, round(truth_us(end)) + late_us(number)), truth_us


def jitter(seed: int, usual_us: int, stall_every: int = 97, stall_us: int = 600_000) -> Callable[[int], int]:
    """Realistic lateness: mostly a few ms, sometimes a disk stall."""
    rng = random.Random(seed)
    return lambda number: rng.randrange(usual_us) + (stall_us if number % stall_every == 50 else 0)


@pytest.mark.parametrize("skew_ppm", [200, -200, 50, -50, 0])
@pytest.mark.parametrize("part_s", [0.2, 1.0])
def test_a_source_fast_or_slow_stays_within_one_frame_for_thirty_minutes(
    skew_ppm: float, part_s: float
) -> None:
    # issue slice b: 200 ppm fast and slow, within 33 ms, with arrivals jittered and stalled
    run = Run("r")
    worst = 0.0
    for part, truth_us in arrivals(minutes=30, skew_ppm=skew_ppm, part_s=part_s, late_us=jitter(1, 25_000)):
        run.observe(part)
        for media_ns in (part.start_ns, part.shown_ns - FRAME_NS):
            worst = max(worst, abs(run.clock().wall_us(media_ns) - truth_us(media_ns)))
    assert worst < 33_000
    assert abs(run.skew_ppm - skew_ppm) < 25


def test_what_was_published_never_moves() -> None:
    run = Run("r")
    published: dict[int, int] = {}
    for part, _ in arrivals(minutes=4, skew_ppm=200, part_s=0.5, late_us=jitter(2, 60_000)):
        run.observe(part)
        clock = run.clock()
        for media_ns in range(part.start_ns, part.shown_ns, FRAME_NS):
            published[media_ns] = clock.wall_us(media_ns)
    final = run.clock()
    assert all(final.wall_us(media_ns) == wall for media_ns, wall in published.items())
    walls = [published[media_ns] for media_ns in sorted(published)]
    assert all(left < right for left, right in pairwise(walls))


def test_a_clock_handed_out_does_not_change_while_the_run_grows() -> None:
    run = Run("r")
    feed = arrivals(minutes=2, skew_ppm=100, part_s=1, late_us=jitter(3, 30_000))
    for part, _ in list(feed)[:3]:
        run.observe(part)
    early = run.clock()
    before = [early.wall_us(second * SECOND_NS) for second in range(120)]
    for part, _ in list(arrivals(minutes=2, skew_ppm=100, part_s=1, late_us=jitter(3, 30_000)))[3:]:
        run.observe(part)
    assert [early.wall_us(second * SECOND_NS) for second in range(120)] == before


def test_knots_are_made_when_the_clock_is_off_and_not_more_often_than_a_second() -> None:
    run = Run("r")
    for part, _ in arrivals(minutes=5, skew_ppm=150, part_s=0.2, late_us=jitter(4, 10_000)):
        run.observe(part)
    media = [knot.media_ns for knot in run.clock().knots() if knot.media_ns > 15 * SECOND_NS]
    steps = [right - left for left, right in pairwise(media)]
    assert min(steps) >= SECOND_NS
    assert len(media) < 30


# M3: nothing was observed while the daemon was down, and a slew meant for seconds continued for minutes
@pytest.mark.parametrize("seen_parts", [2, 5, 8, 20, 75, 300])
@pytest.mark.parametrize("skew_ppm", [-300, 0, 300])
def test_unobserved_footage_keeps_the_last_observed_offset_and_skew(seen_parts: int, skew_ppm: float) -> None:
    run = Run("r")
    late = [400_000, 350_000, 250_000, 120_000, 60_000, 30_000]
    feed = arrivals(
        minutes=4,
        skew_ppm=skew_ppm,
        part_s=0.2,
        late_us=lambda n: late[n] if n < len(late) else 2_000 + n % 7 * 1000,
    )
    offset_us = 0.0
    for part, truth_us in list(feed)[:seen_parts]:
        run.observe(part)
        assert part.written_us is not None
        offset_us = part.written_us - truth_us(part.end_ns)
    clock, at_ns = Run("r", run.clock().knots()).clock(), seen_parts * SECOND_NS // 5
    for after_s in (2, 30, 120):
        error_us = clock.wall_us(at_ns + after_s * SECOND_NS) - truth_us(at_ns + after_s * SECOND_NS)
        # at most the lateness of the last arrivals, and a skew that could not be known so early
        assert -2_000 - after_s * 300 <= error_us <= offset_us + 9_000 + after_s * 300


def test_a_slew_ends_when_the_error_is_made_up_for() -> None:
    run = Run("r")
    for number in range(60):
        at = number * SECOND_NS // 5
        late_us = 300_000 if number < 10 else 0
        run.observe(
            Arrival(at, at + SECOND_NS // 5, at + SECOND_NS // 5, START_US + number * 200_000 + late_us)
        )
    rates = {knot.rate_ppb for knot in run.clock().knots()}
    assert rates == {PPB}
    assert any(knot.slew_ns and knot.slew_ppb < PPB for knot in run.clock().knots())


def test_a_source_two_per_cent_off_stays_in_step() -> None:
    # a file played as a camera
    for skew_ppm in (20_000, -20_000, 41_700):
        run = Run("r")
        worst = 0.0
        for part, truth_us in arrivals(minutes=10, skew_ppm=skew_ppm, part_s=0.2, late_us=jitter(6, 10_000)):
            run.observe(part)
            if part.start_ns > 15 * SECOND_NS:
                error_us = run.clock().wall_us(part.start_ns) - truth_us(part.start_ns)
                worst = max(worst, abs(error_us))
        assert worst < 33_000, skew_ppm


def test_the_last_slew_of_the_first_release_ends_too() -> None:
    # the slew had no end; ten seconds later another knot would have been made
    steered = Knot(0, START_US, PPB + 100_000_000)
    ended = with_an_end(steered)
    assert ended.wall_at(9 * SECOND_NS) == steered.wall_at(9 * SECOND_NS)
    assert ended.wall_at(130 * SECOND_NS) - ended.wall_at(10 * SECOND_NS) == 120_000_000
    assert with_an_end(Knot(0, START_US, PPB + 200_000)) == Knot(0, START_US, PPB + 200_000)


def test_a_burst_at_the_start_is_slewed_away_within_seconds() -> None:
    # an embedded recorder probes its input first: the first parts arrive late, then catch up
    run = Run("r")
    late = [900_000, 700_000, 500_000, 300_000, 100_000]
    errors: dict[float, float] = {}
    for part, truth_us in arrivals(
        minutes=1, skew_ppm=0, part_s=0.2, late_us=lambda n: late[n] if n < len(late) else 2_000
    ):
        run.observe(part)
        errors[part.start_ns / SECOND_NS] = run.clock().wall_us(part.start_ns) - truth_us(part.start_ns)
    assert max(error for at, error in errors.items() if at >= 8) < 33_000
    assert min(errors.values()) > -33_000  # never ahead of the truth: nothing arrives early


def test_media_time_that_leaps_without_real_time_is_taken_out_of_the_leap() -> None:
    # as measured with MediaMTX: +3 s in one sample's duration, in the same segment
    run = Run("r")
    for number in range(10):
        at = number * SECOND_NS
        run.observe(Arrival(at, at + SECOND_NS, at + SECOND_NS, START_US + (number + 1) * 1_000_000 + 3000))
    before = [run.clock().wall_us(at * SECOND_NS // 10) for at in range(100)]
    leap = Leap(10 * SECOND_NS, 13 * SECOND_NS)
    made = run.observe(Arrival(13 * SECOND_NS, 14 * SECOND_NS, 14 * SECOND_NS, START_US + 11_004_000, leap))
    assert len(made) == 2
    assert abs(run.clock().wall_us(13 * SECOND_NS) - (START_US + 10_000_000)) < 10_000
    assert [run.clock().wall_us(at * SECOND_NS // 10) for at in range(100)] == before
    walls = [run.clock().wall_us(at * FRAME_NS) for at in range(420)]
    assert all(left < right for left, right in pairwise(walls))


@pytest.mark.parametrize("late_us", [0, 400_000])
def test_frames_lost_in_real_time_leave_the_clock_alone(late_us: int) -> None:
    run = Run("r")
    for number in range(10):
        at = number * SECOND_NS
        run.observe(Arrival(at, at + SECOND_NS, at + SECOND_NS, START_US + (number + 1) * 1_000_000 + 3000))
    leap = Leap(10 * SECOND_NS, 13 * SECOND_NS)
    written = START_US + 14_003_000 + late_us
    run.observe(Arrival(13 * SECOND_NS, 14 * SECOND_NS, 14 * SECOND_NS, written, leap))
    assert abs(run.clock().wall_us(13 * SECOND_NS) - (START_US + 13_003_000)) < 1_000


def test_a_source_whose_clock_stood_still_is_caught_up_with_in_one_forward_step() -> None:
    run = Run("r")
    error = 0.0
    for number in range(40):
        at = number * SECOND_NS
        stopped_us = 20_000_000 if number >= 10 else 0
        written = START_US + (number + 1) * 1_000_000 + stopped_us
        run.observe(Arrival(at, at + SECOND_NS, at + SECOND_NS, written))
        error = run.clock().wall_us(at) - (START_US + number * 1_000_000 + stopped_us)
    assert abs(error) < 33_000
    walls = [run.clock().wall_us(at * FRAME_NS) for at in range(1190)]
    assert all(left < right for left, right in pairwise(walls))


def test_media_time_may_begin_before_zero() -> None:
    # mtxi.DTS can be negative
    run = Run("r")
    for part, truth_us in arrivals(
        minutes=1, skew_ppm=0, part_s=1, late_us=lambda _: 0, first_ns=-7 * SECOND_NS
    ):
        run.observe(part)
        assert abs(run.clock().wall_us(part.start_ns) - truth_us(part.start_ns)) < 2
    assert run.clock().media_ns(START_US) == -7 * SECOND_NS


def test_a_restarted_daemon_goes_on_from_its_knots_without_a_jump() -> None:
    run = Run("r")
    parts = [p for p, _ in arrivals(minutes=2, skew_ppm=-100, part_s=1, late_us=jitter(5, 20_000))]
    for part in parts[:60]:
        run.observe(part)
    old = run.clock()
    again = Run("r", old.knots())
    for part in parts[:60]:
        again.observe(part._replace(written_us=None))  # read again, but their writing was not observed
    for part in parts[60:]:
        again.observe(part)
    new, last_ns = again.clock(), parts[-1].start_ns
    assert [new.wall_us(p.start_ns) for p in parts[:60]] == [old.wall_us(p.start_ns) for p in parts[:60]]
    assert abs(new.wall_us(last_ns) - (START_US + last_ns * (1 + 1e-4) / 1000)) < 33_000


def test_old_stretches_are_anchored_only_where_time_keeps_rising() -> None:
    run = Run("r", [Knot(100 * SECOND_NS, START_US + 100_000_000, PPB)])
    clock = run.clock()
    assert run.anchor([Knot(0, START_US, PPB)]) == [Knot(0, START_US, PPB)]
    # would overtake the next knot
    assert run.anchor([Knot(50 * SECOND_NS, START_US + 90_000_000, PPB)]) == []
    assert run.anchor([Knot(50 * SECOND_NS, START_US + 40_000_000, PPB)]) == []  # would go back
    assert clock.knots() == [Knot(100 * SECOND_NS, START_US + 100_000_000, PPB)]
    assert len(run.clock().knots()) == 2


@st.composite
def clocks(draw: st.DrawFn) -> RunClock:
    media, wall = draw(st.integers(-(10**10), 10**10)), START_US
    knots = []
    for _ in range(draw(st.integers(1, 6))):
        rate = draw(st.integers(PPB // 1000, 2 * PPB))
        slew = draw(st.one_of(st.none(), st.tuples(st.integers(1, 10**10), st.integers(PPB // 2, 2 * PPB))))
        knots.append(Knot(media, wall, rate, *(slew or ())))
        step = draw(st.integers(2_000_000, 10**10))
        wall = knots[-1].wall_at(media + step) + draw(st.sampled_from([0, 0, 5, 10**6]))
        media += step
    return RunClock.of(knots)


@given(clocks(), st.integers(-(10**10), 10**11), st.integers(-(10**7), 10**8))
def test_both_directions_agree_to_the_bit(clock: RunClock, media_ns: int, offset_us: int) -> None:
    wall = START_US + offset_us
    earliest = clock.media_ns(wall)
    assert clock.wall_us(earliest) >= wall
    assert clock.wall_us(earliest - 1) < wall
    assert (clock.wall_us(media_ns) >= wall) == (media_ns >= earliest)
