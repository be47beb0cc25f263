"""Which claim on a file's start is used, at every limit: numbers alone."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from appliance.media.clock.claims import StartClaim, believed_us, is_written_then
from appliance.media.clock.envelope import MAX_SKEW

S = 1_000_000
AGREES = 50_000
MINUTE = 60 * S


def used_us(offs: Mapping[int, int], own: int, **more: int | bool | None) -> int:
    """Offset that file `own` gets. `offs`: that of each file's claim (us), by its number; a minute each.
    `by_own`, `by_others`: whether these times agree with the last write."""
    made = {number: StartClaim(number * MINUTE, number * MINUTE + off) for number, off in offs.items()}
    claim = made.pop(own)

    def is_likely(at_us: int) -> bool | None:
        likely = more.get("by_own") if at_us == claim.wall_us else more.get("by_others")
        return None if likely is None else bool(likely)

    most = more.get("most_leapt_us")
    leapt_us, most_us = int(more.get("leapt_us") or 0), None if most is None else int(most)
    return believed_us(claim, list(made.values()), is_likely, leapt_us, most_us) - claim.media_us


def level(*numbers: int) -> dict[int, int]:
    return dict.fromkeys(numbers, 0)


def test_one_other_file_that_agrees_is_not_enough() -> None:
    assert used_us({**level(0, 1, 3), 2: 4 * AGREES, 4: 4 * AGREES}, 2) == 0


def test_claims_on_both_sides_of_zero_do_not_agree() -> None:
    assert used_us({**dict.fromkeys((0, 1, 3, 4, 5), -2 * AGREES), 2: 2 * AGREES}, 2) == -2 * AGREES


@pytest.mark.parametrize(("early_us", "used"), [(AGREES, -AGREES), (AGREES + 1, 0)])
def test_a_claim_near_the_line_of_most_is_used(early_us: int, used: int) -> None:
    offs = {**level(1, 3, 5), 0: 30_000, 4: 30_000, 2: -early_us}
    assert used_us(offs, 2) == used


@pytest.mark.parametrize(("late_us", "used"), [(S + AGREES, S + AGREES), (S + AGREES + 1, 0)])
def test_a_claim_is_late_by_what_media_time_leaps_after_it(late_us: int, used: int) -> None:
    assert used_us({**level(0, 1, 3, 4), 2: late_us}, 2, leapt_us=S) == used


@pytest.mark.parametrize(
    ("offs", "own", "most_leapt_us", "is_used"),
    [
        # the first files are late, media time can leap by that much, or by a microsecond less
        ({0: S, 1: S, **level(2, 3, 4, 5)}, 1, None, True),
        ({0: S, 1: S, **level(2, 3, 4, 5)}, 1, S - AGREES, True),
        ({0: S, 1: S, **level(2, 3, 4, 5)}, 1, S - AGREES - 1, False),
        # they are early: the clock was set forward
        ({0: -S, 1: -S, **level(2, 3, 4, 5)}, 1, 0, True),
        # the last files are late: the clock was set forward
        ({**level(0, 1, 2, 3), 4: S, 5: S}, 4, 0, True),
        # they are early: a leap, which must be possible
        ({**level(0, 1, 2, 3), 4: -S, 5: -S}, 4, 0, False),
        ({**level(0, 1, 2, 3), 4: -S, 5: -S}, 4, None, True),
        # one file in between disagrees
        ({0: S, 1: S, 2: 0, 3: S, **level(4, 5, 6)}, 3, None, False),
    ],
)
def test_the_files_of_one_side_decide_where_the_clock_or_media_time_may_have_stepped(
    offs: dict[int, int], own: int, most_leapt_us: int | None, is_used: bool
) -> None:
    assert used_us(offs, own, most_leapt_us=most_leapt_us) == (offs[own] if is_used else 0)


def test_two_others_that_agree_outvote_a_claim() -> None:
    assert used_us({**level(0, 2), 1: S}, 1) == 0


@pytest.mark.parametrize(
    ("by_own", "by_others", "is_used"),
    [(False, True, False), (False, None, True), (None, True, True), (True, False, True)],
)
def test_of_two_claims_the_last_write_decides_alone(
    by_own: bool | None, by_others: bool | None, is_used: bool
) -> None:
    assert used_us({0: S, 1: 0}, 0, by_own=by_own, by_others=by_others) == (S if is_used else 0)


def test_of_two_lines_with_as_many_claims_the_flattest_is_used() -> None:
    steep, flat = 240_000, 120_000  # a minute: 0.4 and 0.2 per cent
    offs = {0: 0, 1: steep, 2: 2 * steep, 3: 2 * steep + flat, 4: 2 * steep + 2 * flat}
    assert used_us(offs, 0) == 2 * steep - 2 * flat


def test_half_of_the_claims_are_not_most() -> None:
    assert used_us({**level(0, 1), 2: S, 3: 5 * S}, 2) == S


def test_a_flat_line_is_compared_too() -> None:
    offs = {0: 40_000, 1: -40_000, 2: 0, 3: S, 4: 40_000, 5: -40_000}
    assert used_us(offs, 3) == 0


def test_a_claim_agrees_with_a_line_up_to_the_limit() -> None:
    assert used_us({0: 0, 1: AGREES, 2: S}, 2) == 0


@pytest.mark.parametrize(("more", "is_line"), [(0, True), (1200, False)])
def test_no_line_is_steeper_than_a_source_can_be_off(more: int, is_line: bool) -> None:
    step_us = round(MAX_SKEW * MINUTE) + more
    offs = {number: number * step_us for number in range(5)}
    offs[2] += S
    assert (used_us(offs, 2) == 2 * step_us) is is_line


@pytest.mark.parametrize(
    ("written_us", "expected"),
    [(-100_001, False), (-100_000, True), (0, True), (S, True), (S + 1, None)],
)
def test_a_file_is_last_written_when_it_ends(written_us: int, expected: bool | None) -> None:
    assert is_written_then(10 * S, 10 * S + written_us) is expected
