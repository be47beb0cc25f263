"""Placeholders are slots, and names of teams are not."""

from __future__ import annotations

import pytest

from appliance.cloud.scoring.knockouts.slots import Slot, assign, slot


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("W49", Slot("winner", 49)),
        ("w 49", Slot("winner", 49)),
        ("Winner Match 49", Slot("winner", 49)),
        ("L61", Slot("loser", 61)),
        ("Loser of Match 61", Slot("loser", 61)),
        ("1A", Slot("placed", place=1, groups=("a",))),
        ("2 B", Slot("placed", place=2, groups=("b",))),
        ("3A/B/C/D/F", Slot("placed", place=3, groups=("a", "b", "c", "d", "f"))),
        ("3ABCDF", Slot("placed", place=3, groups=("a", "b", "c", "d", "f"))),
        ("1st Group C", Slot("placed", place=1, groups=("c",))),
        ("Winner Group A", Slot("placed", place=1, groups=("a",))),
        ("Winners of Group A", Slot("placed", place=1, groups=("a",))),
        ("Runner-up Group H", Slot("placed", place=2, groups=("h",))),
        ("TBD", Slot("unknown")),
        ("", Slot("unknown")),
        ("Arsenal", None),
        ("W Connection", None),
        ("1. FC Köln", None),
        ("1860 München", None),
        ("Wigan", None),
    ],
)
def test_slot(name: str, expected: Slot | None) -> None:
    assert slot(name) == expected


def test_thirds_go_where_only_one_way_is_left() -> None:
    slots = {"3A/B": ("a", "b"), "3B/C": ("b", "c"), "3A/C": ("a", "c")}
    assert assign(["a", "b", "c"], slots) is None  # two ways: the organiser's table decides
    assert assign(["a", "b"], {"3A/B": ("a", "b"), "3B/C": ("b", "c")}) == {"3A/B": "a", "3B/C": "b"}
    assert assign(["c"], {"3A/B": ("a", "b")}) is None
