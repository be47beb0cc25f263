"""Whether an event is logged: every row of the truth table, and who wins."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.cloud.breakdowns.marking.core import (
    SIDES,
    WORDS,
    BreakdownType,
    Decision,
    Event,
    Rule,
    decide,
)

EVENT = Event("season", "home", "away")
BOTH = frozenset({"home", "away"})
BASIC = BreakdownType("basic", 1, ("goal",))
COMPLEX = BreakdownType("complex", 5, ("goal", "pass"))
OTHER = BreakdownType("other", 5, ("foul", "goal"))
TEAM = {"league": None, "home": "home", "away": "away"}


def rule(side: str, breakdown: BreakdownType = BASIC, name: str = "", **more: str) -> Rule:
    return Rule(name or side, breakdown, TEAM[side], **more)


@pytest.mark.parametrize(("associated", "of_league", "of_team"), [*product((False, True), repeat=3)])  # L02
def test_the_truth_table(associated: bool, of_league: bool, of_team: bool) -> None:
    rules = [*[rule("league")] * of_league, *[rule("away")] * of_team]
    decision = decide(EVENT, BOTH if associated else frozenset({"home"}), rules)
    assert decision.is_marked == (associated and (of_league or of_team))
    reasons = {
        (True, True): "league_and_team_rules",
        (True, False): "league_rule",
        (False, True): "team_rule",
        (False, False): "no_rule",
    }
    assert decision.reason == (reasons[of_league, of_team] if associated else "away_not_associated")
    if not decision.is_marked:  # L04
        assert decision == Decision(False, decision.reason)


@pytest.mark.parametrize(
    ("associated", "reason"),
    [
        (frozenset(), "teams_not_associated"),
        ({"away"}, "home_not_associated"),
        ({"home"}, "away_not_associated"),
    ],
)
def test_the_reason_names_the_team(associated: frozenset[str], reason: str) -> None:
    assert decide(EVENT, associated, [rule("league")]).reason == reason


def test_a_rule_of_another_season_or_team_is_none() -> None:  # L03
    assert decide(EVENT, BOTH, [rule("league", season_id="next")]).reason == "no_rule"
    assert decide(EVENT, BOTH, [rule("league", season_id="season")]).is_marked
    assert decide(EVENT, BOTH, [Rule("x", BASIC, "third team")]).reason == "no_rule"


def test_a_cancelled_or_deleted_event_is_not_logged() -> None:
    assert decide(Event("season", "home", "away", is_cancelled=True), BOTH, [rule("league")]).reason == (
        "cancelled"
    )
    gone = Event("season", "home", "away", is_cancelled=True, is_deleted=True)
    assert decide(gone, BOTH, [rule("league")]) == Decision(False, "deleted")


@pytest.mark.parametrize("side", SIDES)
def test_one_rule_gives_its_own_type(side: str) -> None:  # L05
    decision = decide(EVENT, BOTH, [rule(side, COMPLEX)])
    expected = ("complex", ("goal", "pass"), side, side)
    assert (decision.breakdown_type_id, decision.fields, decision.rule_id, decision.won_by) == expected


@pytest.mark.parametrize(("winner", "loser"), [pair for pair in product(SIDES, SIDES) if pair[0] != pair[1]])
def test_the_more_extensive_type_wins_on_every_side(winner: str, loser: str) -> None:  # L05
    decision = decide(EVENT, BOTH, [rule(loser, BASIC), rule(winner, COMPLEX)])
    assert (decision.breakdown_type_id, decision.won_by) == ("complex", winner)
    assert decision.fields == ("goal", "pass")  # a type of a lower rank adds nothing


@pytest.mark.parametrize(
    ("sides", "won_by"),
    [(("away", "home", "league"), "league"), (("away", "home"), "home"), (("away", "league"), "league")],
)
def test_at_equal_ranks_the_league_wins_then_home(sides: tuple[str, ...], won_by: str) -> None:  # L05
    rules = [rule(side, COMPLEX if side == won_by else OTHER) for side in sides]
    decision = decide(EVENT, BOTH, rules)
    assert (decision.won_by, decision.breakdown_type_id) == (won_by, "complex")
    assert decision.fields == ("goal", "pass", "foul")  # the union, the winner's first


def test_of_two_rules_of_one_side_the_smaller_id_wins() -> None:
    rules = [rule("home", COMPLEX, "b"), rule("home", OTHER, "a")]
    assert decide(EVENT, BOTH, rules).rule_id == "a"


def test_every_reason_has_its_words() -> None:
    assert all(words and words != reason for reason, words in WORDS.items())


types = st.builds(
    BreakdownType,
    st.sampled_from(["a", "b", "c"]),
    st.integers(0, 2),
    st.lists(st.sampled_from(["goal", "pass", "foul"]), unique=True).map(tuple),
)
rules = st.lists(
    st.builds(
        Rule,
        st.uuids().map(str),
        types,
        st.sampled_from([None, "home", "away", "third"]),
        st.sampled_from([None, "season", "next"]),
    ),
    max_size=6,
)
teams = st.frozensets(st.sampled_from(["home", "away", "third"]))


@given(rules, teams, st.randoms(use_true_random=False))
def test_the_order_of_the_rules_does_not_matter(
    found: list[Rule], there: frozenset[str], random: object
) -> None:
    before = decide(EVENT, there, found)
    mixed = list(found)
    random.shuffle(mixed)  # type: ignore[attr-defined]
    assert decide(EVENT, there, mixed) == before


@given(rules, teams)
def test_no_rule_that_holds_is_more_extensive_than_the_winner(
    found: list[Rule], there: frozenset[str]
) -> None:
    decision = decide(EVENT, there, found)
    holding = [
        each
        for each in found
        if each.team_id in (None, "home", "away") and each.season_id in (None, "season")
    ]
    assert decision.is_marked == (there >= BOTH and bool(holding))
    if decision.is_marked:
        (winner,) = [each for each in holding if each.id == decision.rule_id]
        assert winner.breakdown.rank == max(each.breakdown.rank for each in holding)
        assert set(winner.breakdown.fields) <= set(decision.fields)
