"""When growth counts as a recording, and what is known of a disk's clock, at every limit: numbers alone."""

from __future__ import annotations

import pytest

from appliance.box.recordings.clocks.arrivals import DiskClock, GrowthPace

S = 1_000_000


def pace_of(*steps: tuple[int, int]) -> GrowthPace:
    """(box time written, media time reached) in us."""
    pace = GrowthPace()
    for written_us, reached_us in steps:
        pace.add(written_us, reached_us)
    return pace


@pytest.mark.parametrize(
    ("steps", "is_real_time"),
    [
        ([(0, 0), (3 * S, 3 * S)], False),  # two steps prove nothing
        ([(0, 0), (S, S), (3 * S, 3 * S)], True),
        ([(0, 0), (S, S), (3 * S - 1, 3 * S - 1)], False),
        ([(0, 0), (S // 2, S // 2), (S, S), (3 * S // 2, 3 * S // 2)], True),
        ([(0, 0), (S // 2, S // 2), (S, S), (3 * S // 2 - 1, 3 * S // 2 - 1)], False),
        ([(0, 0), (750_000, 750_000), (1_500_000, 1_500_000)], False),
        ([(0, 0), (1, 1), (2, 2), (1_500_000, 1_800_000)], True),  # a tenth and 150 ms off
        ([(0, 0), (1, 1), (2, 2), (1_500_000, 1_800_002)], False),
        ([(0, 0), (1, 1), (2, 2), (1_500_000, 1_200_000)], True),
        ([(0, 0), (1, 1), (2, 2), (1_500_000, 1_199_998)], False),
    ],
)
def test_steps_match_real_time_over_a_window(steps: list[tuple[int, int]], is_real_time: bool) -> None:
    assert pace_of(*steps).is_real_time() is is_real_time


def test_any_window_may_match() -> None:
    """The oldest steps are of a burst, the newest too few."""
    burst = [(0, 0), (1, 9 * S)]
    paced = [(S + n * S // 2, 9 * S + n * S // 2) for n in range(4)]
    assert pace_of(*burst, *paced).is_real_time()
    assert not pace_of(*burst, *paced[:3]).is_real_time()


def test_a_step_is_kept_for_a_minute() -> None:
    wrong = (30 * S, 45 * S)
    assert pace_of((0, 0), wrong, (60 * S, 60 * S)).is_real_time()
    assert not pace_of((0, 0), wrong, (60 * S + 1, 60 * S + 1)).is_real_time()


@pytest.mark.parametrize(("reached_us", "keeps"), [(S, True), (1_120_000, True), (1_120_001, False)])
def test_a_step_arrives_no_faster_than_it_was_captured(reached_us: int, keeps: bool) -> None:
    assert not pace_of((0, 0)).keeps_step()
    assert pace_of((0, 0), (S, reached_us)).keeps_step() is keeps
    assert pace_of((0, 0), (S, 50 * S), (2 * S, 50 * S + reached_us)).keeps_step() is keeps


def clock_of(*bounds: tuple[int, int]) -> DiskClock:
    """A clock that is ahead by at least and at most so much, in turn; the kernel's tick is 20 ms."""
    clock = DiskClock()
    for least_us, most_us in bounds:
        clock.learn(0, 20_000 - most_us, -least_us)
    return clock


@pytest.mark.parametrize(
    ("bounds", "ahead_us"),
    [
        ([], 0),
        ([(-5000, 30_000)], 0),  # it may be the box's own
        ([(-30_000, 0)], 0),
        ([(-30_000, -1)], -30_000),
        ([(1, 30_000)], 1),
        ([(50, 20_100), (60, 30_000)], 60),
        ([(60, 30_000), (50, 20_100)], 60),
        ([(-30_000, -10), (-40_000, 50)], -30_000),  # the upper bound holds too
        ([(-30_000, -10), (-10, 20_000)], -10),  # they meet in one value
        ([(-30_000, -10), (-9, 20_000)], 0),  # the clock was set: the newest counts
    ],
)
def test_a_disks_clock_is_known_within_bounds(bounds: list[tuple[int, int]], ahead_us: int) -> None:
    clock = clock_of(*bounds)
    assert (clock.ahead_us, clock.box_us(1000)) == (ahead_us, 1000 - ahead_us)
