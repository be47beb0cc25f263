"""The lower envelope: late arrivals are ignored; skew is separated from jitter."""

from __future__ import annotations

import random
from collections.abc import Callable
from statistics import fmean

import pytest

from appliance.media.clock.envelope import MAX_SKEW, Envelope, rise_of
from appliance.media.clock.timeline import PPB, Arrival, Run

SECOND = 1_000_000
NOW_US = 1_790_000_000 * SECOND


def test_the_smallest_difference_of_the_last_minute_is_the_offset() -> None:
    envelope = Envelope()
    assert envelope.offset_us(0) is None
    for second, late in enumerate([900, 70, 300, 5_000, 90]):
        envelope.add(second * SECOND, late)
    assert envelope.offset_us(5 * SECOND) == 70


def test_what_is_older_than_a_minute_is_forgotten() -> None:
    envelope = Envelope()
    envelope.add(0, 10)
    for second in range(1, 90):
        envelope.add(second * SECOND, 5_000)
    assert envelope.offset_us(90 * SECOND) == 5_000


@pytest.mark.parametrize("skew_ppm", [-200, 0, 40, 200])
def test_skew_is_reported_from_jitter_within_a_few_minutes(skew_ppm: int) -> None:
    rng = random.Random(7)
    envelope = Envelope()
    for second in range(10 * 60):
        envelope.add(second * SECOND, second * skew_ppm + rng.randrange(40_000))
    assert envelope.skew * 1e6 == pytest.approx(skew_ppm, abs=15)
    assert envelope.offset_us(600 * SECOND) == pytest.approx(600 * skew_ppm, abs=4_000)


def test_jitter_is_not_called_skew() -> None:
    for seed in range(20):
        rng = random.Random(seed)
        envelope, worst = Envelope(), 0.0
        for part in range(120 * 5):
            envelope.add(part * SECOND // 5, rng.randrange(25_000) + (600_000 if part % 97 == 50 else 0))
            worst = max(worst, abs(envelope.skew) if part > 50 else 0.0)
        assert worst < 1e-3, seed
        assert abs(envelope.skew) < 1e-4, seed


@pytest.mark.parametrize("skew", [-0.04, -0.02, -0.003, 0.003, 0.02, 0.04])
def test_a_source_that_is_far_off_is_known_within_seconds(skew: float) -> None:
    rng = random.Random(3)
    envelope = Envelope()
    for part in range(15 * 5):
        envelope.add(part * SECOND // 5, round(part * SECOND // 5 * skew) + rng.randrange(8_000))
    assert envelope.skew == pytest.approx(skew, abs=0.0015)


def test_a_rate_error_is_limited_to_that_of_a_film_at_television_speed() -> None:
    envelope = Envelope()
    for second in range(600):
        envelope.add(second * SECOND, second * 200_000)
    assert envelope.skew == MAX_SKEW


def test_what_was_supposed_holds_until_the_arrivals_have_settled() -> None:
    envelope = Envelope()
    envelope.suppose(0, 10_000)
    for part, late in enumerate([300_000, 200_000, 100_000, 60_000]):
        envelope.add(part * SECOND // 5, late)
        assert envelope.offset_us(part * SECOND // 5) == 10_000
    for part in range(4, 30):
        assert not (envelope.is_settled and part < 19)
        envelope.add(part * SECOND // 5, 60_000 + part)
    assert envelope.is_settled
    assert envelope.offset_us(6 * SECOND) == 60_000


def test_after_a_leap_offsets_are_forgotten_and_skew_is_kept() -> None:
    envelope = Envelope()
    for second in range(600):
        envelope.add(second * SECOND, second * 100)
    skew = envelope.skew
    envelope.restart()
    assert (envelope.offset_us(0), envelope.recent_offset_us(SECOND), envelope.skew) == (None, None, skew)


def test_a_lasting_delay_shows_in_the_newest_seconds() -> None:
    envelope = Envelope()
    for second in range(30):
        envelope.add(second * SECOND, 1_000 if second < 20 else 9_000_000)
    assert envelope.offset_us(30 * SECOND) == 1_000
    assert envelope.recent_offset_us(5 * SECOND) == 9_000_000


def test_first_arrivals_that_come_late_are_not_called_a_fast_source() -> None:
    envelope = Envelope()
    for part in range(35):
        envelope.add(part * SECOND // 5, max(0, 300_000 - part * 15_000))
        assert envelope.skew == 0


@pytest.mark.parametrize("skew", [-0.03, 0.03])
def test_what_was_the_least_of_a_stretch_is_carried_from_its_later_end_for_a_fast_source(skew: float) -> None:
    envelope = Envelope()
    envelope.know_skew(skew)
    envelope.suppose(0, 10_000, SECOND)
    assert envelope.offset_us(2 * SECOND) == 10_000 + round(skew * (2 if skew > 0 else 1) * SECOND)


@pytest.mark.parametrize("stop_us", [1_200_000, 2_000_000, 3_000_000, 5_000_000])
@pytest.mark.parametrize("jitter_us", [0, 5_000, 20_000])
@pytest.mark.parametrize("rising_us", [0, 40_000])
def test_seconds_of_arrivals_make_no_lasting_rate(rising_us: int, jitter_us: int, stop_us: int) -> None:
    """A daemon that saw only the first seconds: footage recorded a minute later keeps its time."""
    for seed in range(50):
        rng, run = random.Random(seed), Run("one")
        for end_us in range(SECOND // 5, stop_us + 1, SECOND // 5):
            late_us = min(rising_us, end_us * rising_us // 800_000) + rng.randrange(jitter_us + 1)
            written_us = NOW_US + end_us + late_us
            run.observe(Arrival((end_us - SECOND // 5) * 1000, end_us * 1000, end_us * 1000, written_us))
        later_us = stop_us + 60 * SECOND
        first_us = rising_us // 4  # even the first part is late by this much
        assert 0 <= run.clock().wall_us(later_us * 1000) - NOW_US - later_us <= first_us + jitter_us + 1_000


def observed(
    late: Callable[[int, random.Random], int], seconds: float, seed: int = 1, part_us: int = 200_000
) -> Run:
    """The clock of a run after this much was observed; `late` by media time (us)."""
    rng, run = random.Random(seed), Run("one")
    for end_us in range(part_us, round(seconds * SECOND) + 1, part_us):
        written_us = NOW_US + end_us + late(end_us, rng)
        run.observe(Arrival((end_us - part_us) * 1000, end_us * 1000, end_us * 1000, written_us))
    return run


@pytest.mark.parametrize("part_us", [100_000, 200_000, 500_000, 1_000_000])
@pytest.mark.parametrize(("skew", "within_us"), [(0.01, 65_000), (0.02, 65_000), (0.03, 95_000)])
def test_a_slow_source_is_followed_in_its_first_seconds_at_no_lasting_rate(
    skew: float, within_us: int, part_us: int
) -> None:
    for seed in range(20):
        run = observed(lambda at, rng: round(at * skew) + rng.randrange(8_000), 7, seed, part_us)
        [*_, tail] = run.clock().knots()
        assert tail.rate_ppb == PPB
        late_us = NOW_US + round(7 * SECOND * (1 + skew)) - run.clock().wall_us(7 * SECOND * 1000)
        assert abs(late_us) < within_us, (seed, late_us)


def test_what_the_first_seconds_showed_is_forgotten_once_there_is_an_estimate_that_lasts() -> None:
    """A delay that rose for six seconds and then stayed: afterwards only the slope over minutes counts."""
    envelope, without = Envelope(), Envelope()
    without.know_skew(1e-12)  # the first seconds of a known clock contribute nothing
    apart_us = []
    for part in range(5 * 30):
        at = part * SECOND // 5
        for each in (envelope, without):
            each.add(at, min(120_000, at // 50))
        apart_us.append((envelope.offset_us(at) or 0) - (without.offset_us(at) or 0))
    assert apart_us[5 * 6] == pytest.approx(120_000, abs=2_000)
    assert max(map(abs, apart_us[5 * 9 :])) <= 1


def test_the_first_seconds_of_a_known_clock_do_not_change_its_rate() -> None:
    envelope = Envelope()
    envelope.know_skew(1e-5)
    for part in range(5 * 6):
        envelope.add(part * SECOND // 5, part * 4_000)
    assert envelope.offset_us(6 * SECOND) == 60


@pytest.mark.parametrize("jitter_us", [0, 8_000, 25_000])
@pytest.mark.parametrize("seconds", [3, 5, 8])
def test_a_delay_that_rose_once_is_not_taken_for_a_slow_source(jitter_us: int, seconds: int) -> None:
    made_us = []
    for seed in range(100):
        rng = random.Random(seed)
        for rose_us in (200_000, 800_000, seconds * SECOND // 3):
            points = [
                (at, min(40_000, at * 40_000 // rose_us) + rng.randrange(jitter_us + 1))
                for at in range(0, seconds * SECOND, 200_000)
            ]
            made_us.append(rise_of(points) * seconds * SECOND)
    # at most the rise of the delay, and nearly always nothing
    assert max(made_us) <= (40_000 + jitter_us if jitter_us else 0) and fmean(made_us) <= 1_500


def test_jitter_and_stalls_rise_hardly_ever() -> None:
    rises = []
    for seed in range(300):
        rng = random.Random(seed)
        lates = [rng.randrange(25_000) + (300_000 if rng.random() < 0.02 else 0) for _ in range(25)]
        rises.append(rise_of([(at * SECOND // 5, late) for at, late in enumerate(lates)]) * 5)
    assert sum(rise > 0.002 for rise in rises) <= 15 and max(rises) < 0.02


def test_a_stall_and_the_burst_after_it_do_not_rise() -> None:
    points = [(at * SECOND // 5, 1_000) for at in range(15)]
    for late_us in (2_000_000, 1_800_000, 1_500_000, 900_000, 100_000, 2_000):
        points.append((points[-1][0] + SECOND // 5, late_us))
        assert rise_of(points) == 0.0
