"""When clip time differs from a source's own, at every limit: numbers without media."""

from __future__ import annotations

import pytest

from appliance.media.cut.clip_time import ClipTime, clip_time


@pytest.mark.parametrize(
    ("own", "wall", "near", "is_off"),
    [
        (10_000, 10_010, 0, False),  # a thousandth: a correct crystal
        (10_000, 10_011, 0, True),
        (10_000, 9_989, 0, True),
        (1000, 1005, 5, False),
        (1000, 1005, 4, True),
        (1000, 1003, 5, False),
        (1, 100, 0, True),
        (100, 1, 0, True),
        (0, 100, 1, False),
        (100, 0, 1, False),
        (-100, 100, 1, False),
    ],
)
def test_a_source_is_off_by_more_than_a_crystal_and_more_than_near(
    own: int, wall: int, near: int, is_off: bool
) -> None:
    assert clip_time([(0, 0), (own, wall)], near) == (ClipTime(own, wall) if is_off else None)


def test_every_point_is_near_the_line() -> None:
    points = [(0, 0), (500, 520), (1000, 1100)]  # 30 ticks below the line
    assert clip_time(points, 30) == ClipTime(1000, 1100)
    assert clip_time(points, 29) is None


def test_ticks_are_rounded_down() -> None:
    line = ClipTime(3, 4)
    assert [line.at(own) for own in (0, 1, 2, 3, -1)] == line.of([0, 1, 2, 3, -1]) == [0, 1, 2, 4, -2]
