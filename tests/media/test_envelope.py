"""The lower envelope: late arrivals do not count, skew is told from jitter."""

from __future__ import annotations

import random

import pytest

from appliance.media.envelope import MAX_SKEW, Envelope
from appliance.media.timeline import Arrival, Run

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
def test_skew_is_told_from_jitter_within_a_few_minutes(skew_ppm: int) -> None:
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


def test_no_source_is_believed_to_be_off_by_more_than_a_film_shown_as_television() -> None:
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
    """A daemon that saw only the first seconds: what is recorded a minute later keeps its time."""
    for seed in range(50):
        rng, run = random.Random(seed), Run("one")
        for end_us in range(SECOND // 5, stop_us + 1, SECOND // 5):
            late_us = min(rising_us, end_us * rising_us // 800_000) + rng.randrange(jitter_us + 1)
            written_us = NOW_US + end_us + late_us
            run.observe(Arrival((end_us - SECOND // 5) * 1000, end_us * 1000, end_us * 1000, written_us))
        later_us = stop_us + 60 * SECOND
        first_us = rising_us // 4  # by so much even the first part is late
        assert 0 <= run.clock().wall_us(later_us * 1000) - NOW_US - later_us <= first_us + jitter_us + 1_000
