"""The NFL's divisions: one club is separated at a time, then the first criterion is tried again."""

from __future__ import annotations

import pytest

from appliance.cloud.scoring.tables.ledger import Result
from appliance.cloud.scoring.tables.model import Phase
from appliance.cloud.scoring.tables.schedule import Schedule
from tests.cloud.scoring.kit import rows, season

EAST: Phase = ("AFC", "East")
WEST: Phase = ("AFC", "West")
NORTH: Phase = ("NFC", "North")
GROUPS = {EAST: ["A", "B", "C"], WEST: ["X"], NORTH: ["Y"]}


def order(*texts: str, group: str = "East") -> list[tuple[str, str | None]]:
    table = rows(season(*texts, rules="nfl", groups=GROUPS), group=group)
    return [(row.team, row.tie_break) for row in table]


def test_matches_outside_the_division_count_and_a_draw_is_half_a_win() -> None:
    table = rows(season("A 20-20 X", "B 10-3 Y", "C 3-10 Y", rules="nfl", groups=GROUPS))
    east = [(row.team, row.won, row.drawn, row.lost) for row in table if row.group == "East"]
    assert east == [("B", 1, 0, 0), ("A", 0, 1, 0), ("C", 0, 0, 1)]
    assert [(row.team, row.won) for row in table if row.group == "North"] == [("Y", 1)]


def test_two_clubs_by_their_own_match() -> None:
    assert order("A 10-7 B", "B 30-0 X", "X 10-0 A")[:2] == [
        ("A", "head_to_head.win_percentage"),
        ("B", "head_to_head.win_percentage"),
    ]


def test_after_a_club_is_separated_the_others_begin_again() -> None:
    """Three clubs 2-2. C is best among the three; between A and B alone A won, though B has more division
    wins."""
    matches = ("A 7-0 B", "B 7-0 C", "C 7-0 A", "C 7-0 B", "A 7-0 X", "X 7-0 A", "B 7-0 Y", "Y 7-0 C")
    table = order(*matches)
    assert [team for team, _ in table] == ["C", "A", "B"]
    assert table[1][1] == "head_to_head.win_percentage"


def schedule() -> Schedule:
    divisions = {team: phase for phase, teams in GROUPS.items() for team in teams}
    games = [("A", "B", 10, 0), ("A", "X", 20, 0), ("B", "X", 30, 0), ("Y", "A", 7, 7), ("C", "Y", 0, 3)]
    return Schedule([Result(str(at), "", *game) for at, game in enumerate(games)], divisions)


@pytest.mark.parametrize(
    ("criterion", "team", "value"),
    [
        ("division_percentage", "A", 1.0),
        ("conference_percentage", "A", 1.0),
        ("common_percentage", "A", 1.0),
        ("common_percentage", "B", 1.0),
        ("common_net_points", "B", 30.0),
        ("net_points", "A", 30.0),
        ("strength_of_victory", "A", 0.25),  # B 1-1, X 0-2
        ("strength_of_schedule", "C", 0.75),  # Y 1-0-1
        ("conference_rank", "A", -3),  # as many points as B, fewer allowed than B but more than C
        ("overall_rank", "Y", -5),
    ],
)
def test_criteria(criterion: str, team: str, value: float) -> None:
    assert schedule().value(criterion, team, ("A", "B")) == value
