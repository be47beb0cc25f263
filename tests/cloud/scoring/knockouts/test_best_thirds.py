"""Published tables of best thirds: complete, possible, and as they were played."""

from __future__ import annotations

from itertools import combinations
from math import comb

import pytest

from appliance.cloud.scoring.knockouts.best_thirds import published

EURO_2016 = {"1A": "cde", "1B": "acd", "1C": "abf", "1D": "bef"}
EURO_2020 = {"1B": "adef", "1C": "def", "1E": "abcd", "1F": "abc"}
WORLD_CUP_2026 = {"1A": "cefhi", "1B": "efgij", "1D": "befij", "1E": "abcdf"} | {
    "1G": "aehij",
    "1I": "cdfgh",
    "1K": "deijl",
    "1L": "ehijk",
}


@pytest.mark.parametrize(
    ("slots", "groups"), [(EURO_2016, "abcdef"), (EURO_2020, "abcdef"), (WORLD_CUP_2026, "abcdefghijkl")]
)
def test_every_set_of_thirds_has_its_places(slots: dict[str, str], groups: str) -> None:
    sets = list(combinations(groups, len(slots)))
    assert len(sets) == comb(len(groups), len(slots))
    for going_on in sets:
        row = published(going_on, slots)
        assert row is not None, going_on
        assert sorted(row.values()) == list(going_on)
        assert all(group in slots[name] for name, group in row.items()), going_on


@pytest.mark.parametrize(
    ("slots", "groups", "played"),
    [
        (EURO_2016, "bcef", {"1A": "e", "1B": "c", "1C": "b", "1D": "f"}),
        (EURO_2020, "acdf", {"1B": "f", "1C": "d", "1E": "c", "1F": "a"}),
        (EURO_2020, "cdef", {"1B": "f", "1C": "e", "1E": "d", "1F": "c"}),
    ],
)
def test_they_are_as_they_were_played(slots: dict[str, str], groups: str, played: dict[str, str]) -> None:
    """France met Ireland (E) in 2016, Belgium met Portugal (F) in 2020, Spain met Georgia (F) in 2024."""
    assert published(groups, slots) == played


def test_other_brackets_have_none() -> None:
    assert published("ab", {"1A": "ab", "1B": "bc"}) is None
    assert published("ab", EURO_2016) is None
