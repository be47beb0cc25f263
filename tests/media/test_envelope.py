"""The lower envelope: late arrivals do not count, skew is told from jitter."""

from __future__ import annotations

import random

import pytest

from appliance.media.envelope import MAX_SKEW, Envelope

SECOND = 1_000_000


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


def test_two_minutes_are_too_few_to_call_jitter_skew() -> None:
    envelope = Envelope()
    for second in range(120):
        envelope.add(second * SECOND, second * 300)
    assert envelope.skew == 0


def test_no_source_is_believed_to_be_off_by_more_than_a_crystal_can_be() -> None:
    envelope = Envelope()
    for second in range(600):
        envelope.add(second * SECOND, second * 50_000)
    assert envelope.skew == MAX_SKEW


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
