"""Published tables: what they cannot say, and where ours differ."""

from __future__ import annotations

from appliance.cloud.scoring.rules.model import Points
from appliance.cloud.scoring.tables.published import Published, contradictions, differences
from tests.cloud.scoring.kit import rows, season

THREE = Points(3, 1)


def test_a_deduction_without_its_sign() -> None:
    """Bury in 2019-20: no match, 12 points taken, written as 12."""
    assert contradictions([Published("Bury", 0, 0, 0, 0, 0, 0, -12, 12)], THREE) == [
        "Bury: -12 points are not 0 +12; the sign of the adjustment is the other one"
    ]
    assert contradictions([Published("Bury", 0, 0, 0, 0, 0, 0, 12, -12)], THREE) == [
        "Bury: 12 points are not 0 -12; the sign of the adjustment is the other one"
    ]
    assert contradictions([Published("Bury", 0, 0, 0, 0, 0, 0, -12, -12)], THREE) == []


def test_sums_that_do_not_fit() -> None:
    table = [Published("A", 3, 1, 0, 1, 4, 0, 4), Published("B", 1, 0, 0, 1, 0, 3, 0)]
    assert contradictions(table, THREE) == [
        "A: 3 played are not 1 + 0 + 1",
        "A: 4 points are not 3",
        "all teams: 4 goals for, 3 against",
    ]


def test_differences_are_named_by_place_and_shared_places_have_any_order() -> None:
    ours = rows(season("A 1-0 C", "B 1-0 D", "E 2-0 C"))
    right = [Published(*each) for each in (
        ("e", 1, 1, 0, 0, 2, 0, 3), ("b", 1, 1, 0, 0, 1, 0, 3), ("a", 1, 1, 0, 0, 1, 0, 3),
        ("d", 1, 0, 0, 1, 0, 1, 0), ("c", 2, 0, 0, 2, 0, 3, 0),
    )]  # fmt: skip
    assert differences(ours, right) == []
    wrong = [right[1], right[0], *right[2:]]
    assert [each[:5] for each in differences(ours, wrong)] == ["1: E ", "2: A "]
    assert differences(ours, right[:4]) == ["5 teams here, 4 there"]
