"""How level teams are put in order: each case is one that real competitions have had."""

from __future__ import annotations

import pytest

from appliance.cloud.scoring.match import Match
from appliance.cloud.scoring.rules.model import HeadToHead, Zone
from appliance.cloud.scoring.tables.model import Decision, Fact, Season
from tests.cloud.scoring.kit import by_team, order, plain_rules, played, rows, season


def test_points_then_goal_difference_then_goals_scored() -> None:  # D29 D30
    table = rows(season("A 3-0 C", "B 2-0 C", "D 2-1 E", "F 1-0 E"))
    assert [row.team for row in table] == ["A", "B", "D", "F", "E", "C"]
    assert [row.tie_break for row in table] == ["goal_difference"] * 2 + ["goals_for"] * 2 + [
        "goal_difference"
    ] * 2


def test_level_in_everything_is_a_shared_place_that_only_a_person_breaks() -> None:  # D30
    level = season("A 1-0 C", "B 1-0 D", "C 1-1 D")
    table = rows(level)
    assert [(row.position, row.team, row.shared, row.tie_unresolved) for row in table[:2]] == [
        (1, "A", True, True),
        (1, "B", True, True),
    ]
    assert (table[2].position, table[2].shared) == (3, True)
    told = season("A 1-0 C", "B 1-0 D", "C 1-1 D", decisions=[Decision("", "", ("B", "A"))])
    table = rows(told)
    assert [(row.position, row.team, row.tie_break, row.tie_unresolved) for row in table[:2]] == [
        (1, "B", "decision", False),
        (2, "A", "decision", False),
    ]
    assert table[2].tie_unresolved


def test_a_decision_of_teams_that_are_no_longer_level_changes_nothing() -> None:
    told = season("A 2-0 C", "B 1-0 D", decisions=[Decision("", "", ("B", "A"))])
    assert order(told)[:2] == ["A", "B"]


def test_the_latest_decision_holds_and_needs_all_the_level_teams() -> None:
    matches = ("A 1-0 D", "B 1-0 E", "C 1-0 F")
    assert rows(season(*matches, decisions=[Decision("", "", ("B", "A"))]))[0].shared
    decisions = [Decision("", "", ("A", "B", "C")), Decision("", "", ("C", "B", "A"))]
    assert order(season(*matches, decisions=decisions))[:3] == ["C", "B", "A"]


def test_goal_average_before_1976() -> None:
    """4-2 (2.0) is above 9-6 (1.5), although the difference is less; no goal against is the best of all."""
    matches = ("A 4-2 X", "B 9-6 Y", "C 1-0 Z")
    assert order(season(*matches, rules="england", year="1970-71"))[:3] == ["C", "A", "B"]
    assert order(season(*matches, rules="england", year="1976-77"))[:3] == ["B", "A", "C"]


def test_more_wins_do_not_decide_before_the_matches_between_two_clubs() -> None:
    """As Oldham and Tranmere in 2010-11: level on points, difference and goals; fewer wins, but better
    between them."""
    rules = plain_rules("points", "goal_difference", "goals_for", HeadToHead(("points",)), "wins")
    of = season("O 1-0 T", "T 2-2 O", "T 1-0 X", "O 1-1 X", "O 1-1 Y", "O 1-1 Z", "T 3-2 Z", rules=rules)
    table = by_team(of)
    assert (table["O"].points, table["O"].won, table["T"].points, table["T"].won) == (7, 1, 7, 2)
    assert (
        (table["O"].goal_difference, table["O"].goals_for)
        == (table["T"].goal_difference, table["T"].goals_for)
        == (1, 6)
    )
    assert order(of)[:2] == ["O", "T"] and table["O"].tie_break == "head_to_head.points"


def test_matches_between_two_clubs_come_first_in_spain() -> None:
    """B has the better difference of all matches, A that of the two between them."""
    matches = ("A 2-0 B", "B 1-0 A", "B 6-0 C", "C 0-1 A", "A 1-0 C", "C 0-1 B")
    assert [(row.team, row.points, row.tie_break) for row in rows(season(*matches, rules="spain"))] == [
        ("A", 9, "head_to_head.goal_difference"),
        ("B", 9, "head_to_head.goal_difference"),
        ("C", 0, None),
    ]
    assert order(season(*matches))[0] == "B"


def test_spain_waits_until_the_level_clubs_have_played_both_matches() -> None:
    """One match of two: the difference of all matches stands before it."""
    first = season("A 1-0 B", "B 5-0 C", "C 0-2 A", "D 1-0 A", "D 0-3 B", rules="spain")
    points = {team: row.points for team, row in by_team(first).items()}
    assert points == {"A": 6, "B": 6, "D": 3, "C": 0}
    assert order(first)[:2] == ["B", "A"]
    both = Season(first.rules, [*first.matches, played("B 0-0 A")])
    assert order(both)[:2] == ["A", "B"]


AGAIN_MINI = ("points", "goal_difference", "goals_for")


def test_criteria_are_applied_again_to_those_still_level() -> None:
    """C has more goals among the three; A and B are level there, and A won the match between the two. Without
    beginning again the difference of all matches would put B before A."""
    matches = ("A 1-0 B", "C 3-2 A", "B 3-2 C", "A 1-0 D", "B 9-0 D", "C 1-0 D")
    again = plain_rules("points", HeadToHead(AGAIN_MINI, again="block"), "goal_difference")
    once = plain_rules("points", HeadToHead(AGAIN_MINI), "goal_difference")
    table = by_team(season(*matches, rules=again))
    assert {table[team].points for team in "ABC"} == {6}
    assert order(season(*matches, rules=again)) == ["C", "A", "B", "D"]
    assert [table[team].tie_break for team in "CAB"] == [
        "head_to_head.goals_for",
        *["head_to_head.points"] * 2,
    ]
    assert order(season(*matches, rules=once)) == ["C", "B", "A", "D"]


def test_begin_again_after_each_criterion_or_after_all() -> None:
    """C is separated by points among the three. A and B drew: after `each` their matches against C are
    out."""
    matches = (
        "A 1-1 B",
        "C 1-0 A",
        "C 5-0 B",
        "A 1-0 D",
        "A 1-0 E",
        "B 9-0 D",
        "B 9-0 E",
        "C 0-0 D",
        "E 1-0 C",
    )
    block = plain_rules("points", HeadToHead(AGAIN_MINI, again="block"), "goal_difference")
    each = plain_rules("points", HeadToHead(AGAIN_MINI, again="each"), "goal_difference")
    assert {by_team(season(*matches, rules=each))[team].points for team in "ABC"} == {7}
    assert order(season(*matches, rules=block))[:3] == ["C", "A", "B"]
    assert order(season(*matches, rules=each))[:3] == ["C", "B", "A"]


def test_head_to_head_for_two_clubs_only_in_brazil() -> None:
    two = plain_rules("points", HeadToHead(("points",), clubs=2), "goals_for")
    assert order(season("A 1-0 B", "B 0-0 A", "B 2-0 X", rules=two))[:2] == ["A", "B"]
    cycle = ("A 1-0 B", "B 1-0 C", "C 2-0 A")
    assert [(row.team, row.position) for row in rows(season(*cycle, rules=two))] == [
        ("C", 1),
        ("A", 2),
        ("B", 2),
    ]
    any_number = plain_rules("points", HeadToHead(AGAIN_MINI), "goals_for")
    assert order(season(*cycle, rules=any_number)) == ["C", "B", "A"]


def group(*texts: str, **fields: object) -> Season:
    matches = [played(text, kind="group", stage="Group stage", group="Group H", id=text) for text in texts]
    return season(*matches, **fields)  # type: ignore[arg-type]


def test_goals_away_from_home_decide_group_h_of_2022_23() -> None:
    """PSG and Benfica: 14 points, 16-7, both matches between them 1-1; nine goals away against six."""
    of_h = group(
        "PSG 2-1 JUV", "BEN 2-0 MAC", "MAC 1-3 PSG", "JUV 1-2 BEN", "JUV 3-1 MAC", "BEN 1-1 PSG",
        "MAC 2-0 JUV", "PSG 1-1 BEN", "PSG 7-2 MAC", "BEN 4-3 JUV", "JUV 1-2 PSG", "MAC 1-6 BEN",
        rules="uefa-groups", year="2022-23",
    )  # fmt: skip
    table = rows(of_h)
    assert [(row.team, row.points, row.goals_for, row.goals_against) for row in table[:2]] == [
        ("BEN", 14, 16, 7),
        ("PSG", 14, 16, 7),
    ]
    assert table[0].tie_break == "away_goals" and not table[0].shared


def test_matches_between_two_beat_goals_in_group_b_of_2022_23() -> None:
    """Leverkusen above Atletico: 5 points each; 2-0 and 2-2 between them."""
    of_b = group(
        "ATM 2-1 POR", "BRU 1-0 LEV", "LEV 2-0 ATM", "POR 0-4 BRU", "BRU 2-0 ATM", "POR 2-0 LEV",
        "ATM 0-0 BRU", "LEV 0-3 POR", "ATM 2-2 LEV", "BRU 0-4 POR", "LEV 0-0 BRU", "POR 2-1 ATM",
        rules="uefa-groups", year="2022-23",
    )  # fmt: skip
    table = rows(of_b)
    assert [row.team for row in table] == ["POR", "BRU", "LEV", "ATM"]
    assert table[2].tie_break == "head_to_head.points"


def test_discipline_decides_group_h_of_2018() -> None:
    """Japan with 4 points of conduct goes on, Senegal with 6 does not; without them nothing decides."""
    matches = ("COL 1-2 JPN", "POL 1-2 SEN", "JPN 2-2 SEN", "POL 0-3 COL", "JPN 0-1 POL", "SEN 0-1 COL")
    facts = [Fact("JPN", "discipline", 4), Fact("SEN", "discipline", 6)]
    table = rows(group(*matches, rules="fifa-groups", year="2018", facts=facts))
    assert [row.team for row in table] == ["COL", "JPN", "SEN", "POL"]
    assert (table[1].tie_break, table[1].tie_unresolved) == ("discipline", False)
    unknown = rows(group(*matches, rules="fifa-groups", year="2018", facts=facts[:1]))
    assert unknown[1].tie_unresolved and unknown[1].position == unknown[2].position == 2


def test_lots_decide_group_f_of_1990() -> None:
    """Ireland and the Netherlands level in everything: drawn, and recorded."""
    matches = ("ENG 1-1 IRL", "NED 1-1 EGY", "ENG 0-0 NED", "IRL 0-0 EGY", "ENG 1-0 EGY", "IRL 1-1 NED")
    table = rows(group(*matches, rules="fifa-groups", year="1990"))
    assert [(row.team, row.points) for row in table] == [("ENG", 4), ("IRL", 3), ("NED", 3), ("EGY", 2)]
    assert [row.tie_unresolved for row in table] == [False, True, True, False]
    drawn = [Decision("Group stage", "Group H", ("IRL", "NED"))]
    assert [
        row.position for row in rows(group(*matches, rules="fifa-groups", year="1990", decisions=drawn))
    ] == [1, 2, 3, 4]


def test_the_league_phase_compares_goals_away_then_opponents() -> None:
    """Real and Bayern in 2024-25 were level up to goals scored: goals away decide."""
    away = season("X 0-2 A", "B 2-0 Y", rules="uefa-league-phase")
    assert [(row.team, row.tie_break) for row in rows(away)][:2] == [("A", "away_goals"), ("B", "away_goals")]
    level = season("A 1-0 X", "B 1-0 Y", "X 3-0 Q", "R 5-0 Y", rules="uefa-league-phase")
    table = by_team(level)
    assert table["A"].tie_break == table["B"].tie_break == "opponents_points"
    assert table["A"].position < table["B"].position


TITLE = (Zone("Champions", "title", 1, 1),)


def test_matches_between_clubs_count_only_where_a_zone_depends_on_it_and_at_the_end() -> None:
    """The Premier League since 2019-20."""
    block = HeadToHead(("points",), complete=True, at_zones=True)
    rules = plain_rules("points", "goal_difference", "goals_for", block, meetings=1, share=True, zones=TITLE)
    matches = ("A 1-0 B", "C 1-0 A", "A 1-0 D", "B 1-0 C", "B 1-0 D", "C 0-0 D")
    done = rows(season(*matches, rules=rules))
    assert [(row.team, row.position, row.tie_break) for row in done[:2]] == [
        ("A", 1, "head_to_head.points"),
        ("B", 2, "head_to_head.points"),
    ]
    under_way = rows(season(*matches[:5], "C v D", rules=rules))
    assert [(row.position, row.tie_unresolved) for row in under_way[:2]] == [(1, True), (1, True)]


def test_level_clubs_share_a_place_for_good_where_no_zone_depends_on_it() -> None:
    matches = ("A 1-0 B", "A 1-0 C", "A 1-0 D", "B 0-0 C", "B 1-0 D", "C 1-0 D")
    for share in (True, False):
        rules = plain_rules("points", "goal_difference", "goals_for", meetings=1, share=share, zones=TITLE)
        table = rows(season(*matches, rules=rules))
        assert [(row.position, row.shared, row.tie_unresolved) for row in table[1:3]] == [
            (2, True, not share)
        ] * 2


@pytest.mark.parametrize(("result", "first"), [("V 3-1 S", "V"), ("S 1-0 V", "S"), (None, None)])
def test_italy_plays_one_more_match_for_the_title_and_against_relegation(
    result: str | None, first: str | None
) -> None:
    """As Verona against Spezia in 2022-23: level on points at the boundary, whatever they did against
    each other."""
    extra = [] if result is None else [played(result, kind="knockout", stage="Play-off", date="2026-06-11")]
    tied: list[str | Match] = ["S 1-0 V", "V 1-0 S", "V 2-0 X", "X 0-0 V", "S 0-0 X", "X 0-2 S"]
    table = rows(season(*tied, *extra, rules="italy", year="2022-23"))
    by = {row.team: row for row in table}
    assert by["V"].points == by["S"].points == 7
    if first is None:
        assert [row.tie_unresolved for row in table[:2]] == [True, True]
    else:
        assert (table[0].team, table[0].tie_break, table[0].tie_unresolved) == (first, "playoff", False)
    before = rows(season(*tied, *extra, rules="italy", year="2021-22"))
    assert before[0].tie_break != "playoff"


@pytest.mark.parametrize("order", [("V", "S"), ("S", "V")])
def test_a_person_records_a_further_match_that_no_list_has(order: tuple[str, str]) -> None:  # D30
    tied = ["S 1-0 V", "V 1-0 S", "V 2-0 X", "X 0-0 V", "S 0-0 X", "X 0-2 S"]
    recorded = Decision("", "", order)
    whole = season(*tied, rules="italy", year="2022-23", decisions=[recorded])
    table = rows(whole)
    assert [(row.team, row.tie_break, row.tie_unresolved) for row in table[:2]] == [
        (team, "decision", False) for team in order
    ]
