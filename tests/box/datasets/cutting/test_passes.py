"""Which clips are decoded together."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.box.datasets.cutting.passes import MOST_CLIPS, Stretch, encoders_for, group

GOP_US = 2_000_000


def stretch(number: int, start_s: float, end_s: float) -> Stretch:
    start_us, end_us = round(start_s * 1e6), round(end_s * 1e6)
    return Stretch(number, start_us // GOP_US * GOP_US, start_us, end_us)


def numbers(*spans: tuple[float, float], encoders: int = 4) -> list[list[int]]:
    stretches = [stretch(number, *span) for number, span in enumerate(spans)]
    return [[each.number for each in mine] for mine in group(stretches, encoders)]


def test_plays_apart_are_decoded_apart() -> None:
    assert numbers((1, 5), (20, 25), (40, 45)) == [[0], [1], [2]]


def test_overlapping_plays_share_a_pass() -> None:
    assert numbers((1, 5), (4, 9), (20, 25)) == [[0, 1], [2]]


def test_plays_within_one_group_of_pictures_share_a_pass() -> None:
    assert numbers((10.1, 10.5), (11.2, 11.9)) == [[0, 1]]
    assert numbers((10.1, 10.5), (12.0, 12.9)) == [[0], [1]]


def test_no_more_encoders_run_at_once_than_allowed() -> None:
    assert numbers((1, 9), (2, 9), (3, 9), encoders=2) == [[0, 1], [2]]
    assert numbers((1, 3), (2, 9), (4, 9), encoders=2) == [[0, 1, 2]]


@pytest.mark.parametrize(
    ("width", "height", "encoders"),
    [(640, 360, 6), (1920, 1080, 4), (3840, 2160, 1), (7680, 4320, 1), (0, 0, 6)],
)
def test_fewer_large_pictures_are_encoded_at_once(width: int, height: int, encoders: int) -> None:
    assert encoders_for(width * height, 6) == encoders


spans = st.lists(st.tuples(st.integers(0, 400), st.integers(1, 60)), max_size=60)


@given(spans, st.integers(1, 6))
def test_every_clip_is_in_one_pass_and_limits_hold(plays: list[tuple[int, int]], encoders: int) -> None:
    stretches = [stretch(number, at / 4, (at + length) / 4) for number, (at, length) in enumerate(plays)]
    passes = group(stretches, encoders)
    assert sorted(each.number for mine in passes for each in mine) == list(range(len(plays)))
    for mine in passes:
        assert len(mine) <= MOST_CLIPS
        end_us = mine[0].end_us
        for each in mine[1:]:
            assert each.key_us < end_us  # nothing between two clips of a pass is decoded for neither
            end_us = max(end_us, each.end_us)
        for each in mine:
            assert sum(other.start_us <= each.start_us < other.end_us for other in mine) <= encoders
