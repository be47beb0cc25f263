"""Seeds of a conference: division winners, then wild cards, by the steps for clubs of different divisions."""

from __future__ import annotations

from appliance.cloud.scoring.tables.ledger import Result
from appliance.cloud.scoring.tables.model import Phase
from appliance.cloud.scoring.tables.schedule import Schedule
from appliance.cloud.scoring.tables.seeding import Seed, seeds
from tests.cloud.scoring.kit import rows, season

GROUPS: dict[Phase, list[str]] = {
    ("AFC", "East"): ["E1", "E2"],
    ("AFC", "North"): ["N1", "N2"],
    ("AFC", "South"): ["S1", "S2"],
    ("NFC", "East"): ["X"],
}


def seeded(*texts: str, wild_cards: int = 2) -> list[Seed]:
    of = season(*texts, rules="nfl", groups=GROUPS)
    divisions = {team: phase for phase, teams in GROUPS.items() for team in teams}
    results = [Result(each.id, "", each.home, each.away, *each.score) for each in of.matches if each.score]
    return seeds(rows(of), "AFC", Schedule(results, divisions), wild_cards)


def beat(winner: str, loser: str, times: int = 1) -> list[str]:
    return [f"{winner} 7-0 {loser}"] * times


def test_winners_of_divisions_come_before_better_clubs_of_others() -> None:
    games = [
        *beat("E1", "X", 3),
        *beat("E2", "X", 2),
        *beat("N1", "X"),
        *beat("X", "N2"),
        *beat("S1", "X"),
        *beat("X", "S2"),
    ]
    games += beat("X", "N1")
    assert [seed.team for seed in seeded(*games)] == ["E1", "S1", "N1", "E2", "N2"]


def test_two_clubs_by_their_own_match_and_three_by_a_sweep_alone() -> None:
    two = [
        *beat("E1", "X"),
        *beat("N1", "X"),
        *beat("X", "S1"),
        *beat("E2", "N2"),
        *beat("X", "E2"),
        *beat("N2", "X"),
    ]
    two += beat("X", "S2", 2)
    assert seeded(*two)[3] == Seed("E2", "head_to_head")
    three = [*two[:-2], *beat("E2", "S2"), *beat("S2", "X")]  # E2 beat N2 and S2
    assert [seed.team for seed in seeded(*three)][3] == "E2"


def test_a_club_that_lost_to_each_other_one_is_out_first_and_the_others_begin_again() -> None:
    """S2 lost to both. E2 and N2 have not met: matches within the conference decide."""
    games = [
        *beat("E2", "S2"),
        *beat("N2", "S2"),
        *beat("S2", "X", 2),
        *beat("X", "E2"),
        *beat("S1", "N2"),
        *beat("N2", "X"),
    ]
    games += [*beat("E2", "X"), *beat("E1", "X", 4), *beat("N1", "X", 4), *beat("S1", "X", 4)]
    wild = seeded(*games, wild_cards=3)[3:]
    assert [(seed.team, seed.tie_break) for seed in wild][:1] == [("E2", "conference_percentage")]
    assert [seed.team for seed in wild] == ["E2", "N2", "S2"]


def test_nothing_separates_clubs_that_have_not_played() -> None:
    assert seeded("E1 v E2", wild_cards=0)[0].is_level
