"""A table as columns of text."""

from __future__ import annotations

from typing import Any

from appliance.cloud.client.table_text import table_lines


def row(position: int, team: str, **fields: Any) -> dict[str, Any]:
    figures = dict.fromkeys(("played", "won", "drawn", "lost", "goals_for", "goals_against", "points"), 0)
    plain = {"shared": False, "stage": "", "group": "", "goal_difference": 0, "adjustment": 0, "zone": None}
    return {"position": position, "team": team, **figures, **plain, **fields}


def test_groups_have_headings_and_columns_are_aligned() -> None:
    rows = [
        row(1, "A", group="Group A", points=10, goals_for=12, goal_difference=12, shared=True),
        row(1, "Long name", group="Group A", points=9, goal_difference=-1, shared=True),
        row(1, "C", stage="Finals", group="Group B"),
    ]
    assert table_lines(rows) == [
        "Group A",
        " #  Team       P  W  D  L  Goals  +/-  Pts",
        "1=  A          0  0  0  0   12:0  +12   10",
        "1=  Long name  0  0  0  0    0:0   -1    9",
        "",
        "Finals, Group B",
        "#  Team  P  W  D  L  Goals  +/-  Pts",
        "1  C     0  0  0  0    0:0   +0    0",
    ]


def test_no_rows_are_no_lines() -> None:
    assert table_lines([]) == []
