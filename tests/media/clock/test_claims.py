"""Which file of a run determines the time when they disagree on when they were recorded."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from appliance.media.clock.claims import StartClaim, believed_us, is_written_then

S = 1_000_000
NOW = 1_790_000_000 * S


def claims(count: int, *, off: dict[int, float] | None = None, skew: float = 0.0) -> list[StartClaim]:
    """Files of a minute; each differs by some ms, as MediaMTX's do. `off`: (file, s) of a wrong one."""
    made = []
    for number in range(count):
        media_us = number * 60 * S
        odd_us = round((off or {}).get(number, 0) * S)
        step_us = (number * 7919 % 41 - 20) * 1000
        made.append(StartClaim(media_us, NOW + media_us + round(media_us * skew) + step_us + odd_us))
    return made


def error_us(all_of: Sequence[StartClaim], number: int, **more: int | None) -> int:
    """Distance between a file's assigned and real recording time, from three neighbours on each side."""
    own = all_of[number]
    beside = [each for at, each in enumerate(all_of) if at != number and abs(at - number) <= 3]
    written_us = more.get("written_us")

    def is_likely(at_us: int) -> bool | None:
        return None if written_us is None else is_written_then(at_us + 60 * S, written_us)

    return believed_us(own, beside, is_likely, more.get("leapt_us") or 0) - NOW - own.media_us


@pytest.mark.parametrize("late_s", [0.2, 0.4, 1.5, 4.9, 60])
@pytest.mark.parametrize("odd", range(10))
def test_one_file_of_ten_whose_claim_is_late_is_placed_by_the_others(odd: int, late_s: float) -> None:
    report = claims(10, off={odd: late_s})
    assert all(abs(error_us(report, number)) <= 51_000 for number in range(10))


@pytest.mark.parametrize("early_s", [0.2, 3])
def test_an_early_claim_is_not_used_where_files_on_both_sides_agree(early_s: float) -> None:
    output = claims(10, off={4: -early_s})
    assert all(abs(error_us(output, number)) <= 51_000 for number in range(10))


@pytest.mark.parametrize("skew", [-0.02, 0.0003, 0.02])
def test_a_constant_rate_error_does_not_make_claims_wrong(skew: float) -> None:
    for published in (claims(10, skew=skew), claims(10, skew=skew, off={1: 1.5})):
        for number in range(10):
            assert abs(error_us(published, number) - number * 60 * S * skew) <= 120_000


def test_an_estimate_that_was_set_anew_holds_from_then_on() -> None:
    published = claims(10, off=dict.fromkeys(range(5, 10), 5))
    assert [round(error_us(published, number) / S) for number in range(10)] == [0] * 5 + [5] * 5


@pytest.mark.parametrize("is_copied", [True, False])
@pytest.mark.parametrize("step_s", [-3, -0.3, 0.3, 3])
@pytest.mark.parametrize("count", [3, 4, 5, 6, 9])
def test_one_step_of_the_clock_does_not_make_claims_wrong(count: int, step_s: float, is_copied: bool) -> None:
    """A jump of media time (-) or a clock set forward (+) before each of the files."""
    for at in range(1, count):
        published = claims(count, off=dict.fromkeys(range(at, count), step_s))
        for number in range(count):
            wanted_us = step_s * S if number >= at else 0.0
            alone = (number, at) == (0, 1) or ((number, at) == (count - 1, count - 1) and step_s > 0)
            if alone and (is_copied or abs(step_s) < 1):
                continue  # one file wrong, or all others: only jumps, or the disk, decide
            written_us = None if is_copied else NOW + number * 60 * S + 60 * S + round(wanted_us) + 60_000
            got_us = error_us(published, number, written_us=written_us)
            assert got_us == pytest.approx(wanted_us, abs=51_000), (at, number)


def test_the_disk_decides_between_two_and_whether_the_last_was_set_anew() -> None:
    two = claims(2, off={1: 0.5})
    assert error_us(two, 1, written_us=NOW + 120 * S + 50_000) < 51_000
    assert error_us(two, 1) > 400_000, "nothing tells"
    last = claims(5, off={4: 5})
    assert error_us(last, 4, written_us=NOW + 305 * S + 50_000) > 4 * S
    assert error_us(last, 4, written_us=NOW + 300 * S + 50_000) < 51_000


def test_a_leap_of_media_time_does_not_make_claims_wrong() -> None:
    """Each file after the jump claims 3 s less; those before are correct."""
    published = claims(6, off=dict.fromkeys(range(1, 6), -3))
    assert abs(error_us(published, 0, leapt_us=3 * S)) <= 20_000
    published = claims(6, off={5: -3})
    assert error_us(published, 5) == pytest.approx(-3 * S, abs=20_000)


def test_the_claim_of_a_single_file_is_used() -> None:
    assert error_us(claims(1, off={0: 7}), 0) == pytest.approx(7 * S, abs=20_000)
