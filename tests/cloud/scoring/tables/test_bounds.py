"""Best and worst places against every way in which small leagues can end."""

from __future__ import annotations

from itertools import combinations, product

from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.cloud.scoring.match import Match
from appliance.cloud.scoring.rules.model import Points, RuleSet, Zone
from appliance.cloud.scoring.tables.bounds import places, remaining_matches
from appliance.cloud.scoring.tables.ledger import Ledger, Result
from appliance.cloud.scoring.tables.model import Excluded, Row, Season
from tests.cloud.scoring.kit import by_team, plain_rules, played, rows, season

ZONES = (
    Zone("Champions", "title", 1, 1),
    Zone("Promotion", "promotion", 2, 2),
    Zone("Relegation", "relegation", -1, -1),
)
SCORES = {"W": "1-0", "D": "0-0", "L": "0-1", "-": "v"}


def league(teams: int, letters: str, win: int) -> tuple[Season, list[Match]]:
    """Every pair meets once; `letters` are the results so far, the others are open."""
    pairs = list(combinations("ABCD"[:teams], 2))
    matches = [
        played(f"{home} {SCORES[letter]} {away}") for (home, away), letter in zip(pairs, letters, strict=True)
    ]
    rules = RuleSet("test", None, Points(win, 1), ("points", "goal_difference", "goals_for"), ZONES)
    return Season(rules, matches), [match for match in matches if match.status == "open"]


def endings(of: Season, left: list[Match]) -> list[dict[str, Row]]:
    """The final tables for all results of the open matches, some with many goals."""
    tables = []
    for scores in product([(9, 0), (1, 0), (0, 0), (0, 1), (0, 9)], repeat=len(left)):
        done = dict(zip((match.id for match in left), scores, strict=True))
        matches = [
            Match(
                match.id,
                match.home,
                match.away,
                status="ended",
                score=done.get(match.id, match.score),
                date=match.date,
            )
            for match in of.matches
        ]
        tables.append(by_team(Season(of.rules, matches)))
    return tables


@settings(max_examples=20, deadline=None)
@given(st.data())
def test_a_place_is_never_outside_its_bounds_and_nothing_certain_is_wrong(data: st.DataObject) -> None:
    teams = data.draw(st.integers(2, 4))
    count = teams * (teams - 1) // 2
    letters = data.draw(st.text("WDL", min_size=count, max_size=count))
    hidden = data.draw(st.sets(st.integers(0, count - 1), max_size=3))
    letters = "".join("-" if at in hidden else letter for at, letter in enumerate(letters))
    of, left = league(teams, letters, data.draw(st.sampled_from([2, 3])))
    now = by_team(of)
    for final in endings(of, left):
        for team, row in now.items():
            end = final[team]
            last = end.position + sum(other.position == end.position for other in final.values()) - 1
            assert row.best is not None and row.worst is not None
            assert row.best <= end.position and last <= row.worst, (letters, team)
            if row.clinched and row.zone != "Relegation":
                assert last <= (1 if row.zone == "Champions" else 2)
            if row.clinched and row.zone == "Relegation":
                assert end.position == len(now)
            if row.eliminated:
                assert end.zone not in ("Champions", "Promotion")


def test_champions_are_certain_when_no_other_team_can_reach_their_points() -> None:
    open_last = season("A 1-0 B", "A 1-0 C", "B v C", rules="default")
    table = by_team(open_last)
    assert (table["A"].clinched, table["A"].best, table["A"].worst) == (True, 1, 1)
    assert table["B"].eliminated and table["C"].eliminated
    early = by_team(season("A 1-0 B", "A v C", "B v C", rules="default"))
    assert (
        not early["A"].clinched
        and not early["B"].eliminated
        and (early["A"].best, early["A"].worst) == (1, 3)
    )


def test_level_points_are_not_certain_whatever_the_goals() -> None:
    table = by_team(season("A 9-0 C", "A 0-0 B", "B v C", rules="default"))
    assert not table["A"].clinched and table["A"].worst == 2


def test_nothing_is_claimed_of_a_schedule_that_is_not_whole() -> None:
    """One round of several is loaded: who meets whom later is not known."""
    table = rows(season("A 1-0 B", "C 1-0 D", rules="default"))
    assert {(row.best, row.worst, row.clinched, row.eliminated) for row in table} == {
        (None, None, False, False)
    }


def test_rules_that_say_how_many_matches_there_are_count_those_not_listed() -> None:
    half = by_team(season("A 1-0 B", "B 0-1 C", "C 0-1 A", rules="england:1"))
    assert not half["A"].clinched and (half["A"].best, half["A"].worst) == (1, 3)


def test_the_rest_of_an_excluded_team_is_void() -> None:
    matches = ("A 1-0 B", "A 1-0 C", "B v C")
    table = by_team(season(*matches, rules="default", excluded=[Excluded("C", "void_rest")]))
    assert table["A"].clinched and table["C"].played == 1
    gone = rows(season(*matches, rules="default", excluded=[Excluded("C", "expunge")]))
    assert [(row.team, row.played) for row in gone] == [("A", 1), ("B", 1)]


def test_a_complete_table_is_certain_but_for_ties_that_remain() -> None:
    table = rows(season("A 1-0 C", "B 1-0 C", "A 0-0 B", rules="default"))
    assert [(row.position, row.best, row.worst, row.clinched) for row in table] == [
        (1, 1, 2, False),
        (1, 1, 2, False),
        (3, 3, 3, False),
    ]


def ledger(*texts: str, teams: str = "ABC") -> Ledger:
    own = Ledger(teams, Points(3, 1))
    for at, text in enumerate(texts):
        match = played(text)
        assert match.score is not None
        own.add(Result(str(at), "", match.home, match.away, *match.score))
    return own


def left(of: Ledger, *pairs: str, out: str = "", **fields: int) -> dict[str, int] | None:
    open_pairs = [(pair[0], pair[1]) for pair in pairs]
    return remaining_matches(plain_rules("points", **fields), of, open_pairs, out)


def test_matches_left_by_the_number_of_meetings() -> None:
    one = ledger("A 1-0 B")
    assert left(one, meetings=2) == {"A": 3, "B": 3, "C": 4}
    assert left(one, *["AB"] * 5, meetings=2) == {
        "A": 5,
        "B": 5,
        "C": 4,
    }  # more than the rules
    assert left(one, meetings=2, out="C") == {"A": 1, "B": 1, "C": 0}
    assert left(ledger("A 1-0 B", "C 1-0 A"), meetings=2, out="C") == {"A": 1, "B": 1, "C": 0}
    assert left(ledger("A 1-0 C", "C 1-0 A", "A 0-0 C"), meetings=2, out="C") == {"A": 1, "B": 2, "C": 0}


def test_matches_left_by_the_number_of_games() -> None:
    assert left(ledger("A 1-0 B"), games=8) == {"A": 7, "B": 7, "C": 8}


def test_matches_left_by_the_list_alone_where_every_pair_meets_as_often() -> None:
    assert left(ledger("A 1-0 B"), "BC", "AC") == {"A": 1, "B": 1, "C": 2}
    assert left(ledger("A 1-0 B"), "BC") is None  # A and C never meet
    assert left(ledger("A 1-0 B"), "BC", "AC", "AC") is None
    assert left(ledger("A 1-0 B"), "CA", "CB", "AB", out="C") == {"A": 1, "B": 1, "C": 0}
    assert left(ledger()) is None


def test_two_teams_that_still_meet_cannot_both_win() -> None:
    """A has six points and no match left; B and C have four and meet."""
    group = ledger("A 1-0 B", "A 1-0 C", "B 1-0 D", "C 1-0 D", "B 0-0 D", "C 0-0 D", teams="ABCD")
    counts = {"A": 0, "B": 1, "C": 1, "D": 0}
    assert places(group, counts, [("B", "C")])["A"] == (1, 2)
    assert places(group, counts)["A"] == (1, 3)
    assert places(group, counts, [("B", "C"), ("C", "B")])["A"] == (1, 3)  # two matches: each may win one


def test_of_two_level_teams_that_still_meet_one_ends_above() -> None:
    """All have four points; A has no match left, and a draw or a win lifts B, C or both."""
    group = ledger("A 1-0 D", "A 0-0 E", "B 1-0 D", "B 0-0 E", "C 1-0 D", "C 0-0 E", teams="ABCDE")
    counts = {"A": 0, "B": 1, "C": 1, "D": 0, "E": 0}
    assert places(group, counts, [("B", "C")])["A"] == (2, 3)
    assert places(group, counts)["A"] == (1, 3)


def test_each_pair_counts_once() -> None:
    """Y is above A. Four rivals in two matches: two more end above; no team is counted in two pairs."""
    teams = "ABCDEXY"
    texts = [text for team in "ABCDE" for text in (f"{team} 1-0 X", f"{team} 0-0 Y")]
    group = ledger(*texts, teams=teams)
    counts = {team: int(team in "BCDE") for team in teams}
    assert places(group, counts, [("B", "C"), ("D", "E")])["A"] == (4, 6)
    counts = {team: {"B": 1, "C": 2, "D": 1}.get(team, 0) for team in teams}
    assert places(group, counts, [("B", "C"), ("C", "D")])["A"][0] == 3
