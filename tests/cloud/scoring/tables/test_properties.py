"""What holds for every season: any order of results, goals and points add up, nothing later is used."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.cloud.scoring.match import Match
from appliance.cloud.scoring.rules.reader import load_rules, rule_names
from appliance.cloud.scoring.tables.model import Adjustment, Season
from tests.cloud.scoring.kit import rows

TEAMS = "ABCDEF"
goals = st.integers(0, 3)
days = st.integers(1, 9).map(lambda day: f"2026-01-0{day}")


@st.composite
def seasons(draw: st.DrawFn) -> Season:
    pairs = st.tuples(st.sampled_from(TEAMS), st.sampled_from(TEAMS)).filter(lambda pair: pair[0] != pair[1])
    drawn = draw(st.lists(st.tuples(pairs, goals, goals, days), max_size=24))
    matches = [
        Match(f"m{at}", home, away, status="ended", score=(scored, against), date=day)
        for at, ((home, away), scored, against, day) in enumerate(drawn)
    ]
    taken = draw(st.lists(st.tuples(st.sampled_from(TEAMS), st.integers(-6, 3), days), max_size=2))
    rules = load_rules(draw(st.sampled_from([name for name in rule_names() if name != "nfl"])), "2018")
    return Season(rules, matches, adjustments=[Adjustment(*each) for each in taken])


def shuffled(of: Season, matches: list[Match]) -> Season:
    return Season(of.rules, matches, adjustments=of.adjustments)


@settings(max_examples=20, deadline=None)
@given(seasons(), st.randoms(use_true_random=False))
def test_any_order_of_results_gives_the_same_table(of: Season, random: object) -> None:
    matches = list(of.matches)
    random.shuffle(matches)  # type: ignore[attr-defined]
    assert rows(shuffled(of, matches)) == rows(of)


@settings(max_examples=20, deadline=None)
@given(seasons())
def test_goals_and_points_add_up(of: Season) -> None:
    table, points = rows(of), of.rules.points
    assert sum(row.goals_for for row in table) == sum(row.goals_against for row in table)
    assert sum(row.won for row in table) == sum(row.lost for row in table)
    for row in table:
        assert row.played == row.won + row.drawn + row.lost
        won = points.win * row.won + points.draw * row.drawn + points.loss * row.lost
        assert row.points == won + row.adjustment
    places = [row.position for row in table]
    assert places == sorted(places)
    for row in table:
        assert row.shared == (places.count(row.position) > 1)
        assert row.position == 1 + sum(place < row.position for place in places)


@settings(max_examples=20, deadline=None)
@given(seasons(), days)
def test_a_table_as_of_a_day_uses_nothing_later(of: Season, day: str) -> None:
    """Every later result and adjustment could be another one."""
    changed = [
        match
        if (match.date or "") <= day
        else Match(match.id, match.home, match.away, status="ended", score=(9, 0), date=match.date)
        for match in of.matches
    ]
    taken = [each if each.on <= day else Adjustment(each.team, -99, each.on) for each in of.adjustments]
    assert rows(Season(of.rules, changed, adjustments=taken), as_of=day) == rows(of, as_of=day)
