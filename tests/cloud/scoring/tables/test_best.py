"""The best thirds of several groups."""

from __future__ import annotations

from appliance.cloud.scoring.rules.model import BestPlaced
from appliance.cloud.scoring.tables.best import are_level, best_placed
from appliance.cloud.scoring.tables.model import Row
from tests.cloud.scoring.kit import played, rows, season

RULE = BestPlaced(3, 2, ("points", "goal_difference", "goals_for", "discipline"))


def thirds(*margins: int) -> tuple[Row, ...]:
    """A group for each margin, by which its third beats its fourth."""
    matches = []
    for group, margin in zip("ABCD", margins, strict=False):
        for text in (f"{group}1 5-0 {group}2", f"{group}2 4-0 {group}3", f"{group}3 {margin}-0 {group}4"):
            matches.append(played(text, kind="group", stage="Group stage", group=f"Group {group}"))
    return rows(season(*matches))


def test_the_best_thirds_by_points_difference_and_goals() -> None:
    assert best_placed(thirds(1, 3, 2), RULE, {}).through == ("B3", "C3")
    assert best_placed(thirds(1, 1, 2), RULE, {}).through == ("C3",)


def test_level_thirds_for_the_last_place_are_undecided_without_conduct() -> None:
    assert best_placed(thirds(1, 1, 2), RULE, {}).undecided == ("A3", "B3")
    known = {"A3": {"discipline": 5.0}, "B3": {"discipline": 2.0}}
    assert best_placed(thirds(1, 1, 2), RULE, known) == (("C3", "B3"), ())


def test_all_go_on_when_there_are_places_for_all() -> None:
    assert best_placed(thirds(1, 1), RULE, {}) == (("A3", "B3"), ())


def test_an_office_decides_which_of_level_thirds_goes_on() -> None:
    table, lots = thirds(1, 1, 2), ["B3", "A3"]
    assert best_placed(table, RULE, {}, [["A3", "B3"], lots]) == (("C3", "B3"), ())
    assert best_placed(table, RULE, {}, [["A3", "C3"]]).undecided == ("A3", "B3")


def test_teams_of_several_groups_are_level_in_one_place_with_the_same_figures() -> None:
    table = {row.team: row for row in thirds(1, 1, 2)}
    assert are_level([table["A3"], table["B3"]], RULE, {})
    assert not are_level([table["A3"], table["C3"]], RULE, {})
    assert not are_level([table["A3"], table["B2"]], None, {})
    conduct = {"A3": {"discipline": 5.0}, "B3": {"discipline": 2.0}}
    assert not are_level([table["A3"], table["B3"]], RULE, conduct)
