"""Further matches that decide a place between two level teams."""

from __future__ import annotations

from appliance.cloud.scoring.rules.reader import load_rules
from appliance.cloud.scoring.tables.ledger import Ledger, Result
from appliance.cloud.scoring.tables.table import PhaseTable


def table(*results: tuple[str, int, int, str], winner: str | None) -> PhaseTable:
    rules = load_rules("fifa-groups", "1958")
    ledger = Ledger("ABCD", rules.points)
    for at, (home, scored, against, away) in enumerate(results):
        ledger.add(Result(str(at), "", home, away, scored, against))
    return PhaseTable(("Group stage", "Group 1"), rules, ledger, play_off=lambda one, other: winner)


GROUP = (
    ("A", 3, 0, "D"),
    ("A", 2, 0, "B"),
    ("A", 1, 0, "C"),
    ("B", 3, 0, "C"),
    ("C", 9, 0, "D"),
    ("B", 0, 1, "D"),
)


def test_the_second_place_of_1958_is_played_for() -> None:
    """Two points each for B, C and D: the average puts C and B before D, and the further match C behind B."""
    assert [row.team for row in table(*GROUP, winner=None).rows()] == ["A", "C", "B", "D"]
    rows = table(*GROUP, winner="B").rows()
    assert [(row.team, row.tie_break) for row in rows[1:3]] == [("B", "playoff"), ("C", "playoff")]
    undecided = table(*GROUP, winner=None).rows()
    assert [row.tie_unresolved for row in undecided] == [False, True, True, False]


def test_points_that_differ_need_no_further_match() -> None:
    results = (*GROUP[:4], ("C", 0, 0, "D"), ("B", 1, 0, "D"))
    assert [row.team for row in table(*results, winner="D").rows()] == ["A", "B", "C", "D"]
