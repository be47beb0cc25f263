"""The bracket: rounds, slots, where winners go, and what a corrected result moves."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from appliance.cloud.scoring.knockouts.bracket import Bracket, draw_bracket, is_third_place
from appliance.cloud.scoring.knockouts.changes import changes
from appliance.cloud.scoring.knockouts.groups import placed_by
from appliance.cloud.scoring.match import Match
from appliance.cloud.scoring.rules.model import BestPlaced, Knockout
from tests.cloud.scoring.kit import played, rows, season


def cup(text: str, round_: str, number: int | None = None, day: int = 1, **fields: Any) -> Match:
    return played(text, kind="knockout", round=round_, number=number, date=f"2026-06-{day:02}", **fields)


SEMI, THIRD, FINAL = "Semi-finals", "Match for third place", "Final"


def four(*extra: Match) -> list[Match]:
    return [
        cup("A 2-1 B", SEMI, 61, 1),
        cup("C 1-1 D", SEMI, 62, 2, extra_time=(1, 1), shoot_out=(3, 4)),
        cup("L61 v L62", THIRD, 63, 3),
        cup("W61 v W62", FINAL, 64, 4),
        *extra,
    ]


def teams(bracket: Bracket) -> dict[str, tuple[str | None, str | None, str | None]]:
    return {"-".join(tie.slots): (tie.home, tie.away, tie.winner) for tie in bracket.ties}


def test_placeholders_are_filled_by_winners_and_losers() -> None:
    bracket = draw_bracket(four(), Knockout())
    assert teams(bracket) == {
        "A-B": ("A", "B", "A"),
        "C-D": ("C", "D", "D"),
        "L61-L62": ("B", "C", None),
        "W61-W62": ("A", "D", None),
    }
    assert [name for name, _ in bracket.rounds()] == [SEMI, THIRD, FINAL]
    final = bracket.ties[-1].id
    assert [tie.feeds for tie in bracket.ties] == [final, final, None, None]
    assert [is_third_place(tie) for tie in bracket.ties] == [False, False, True, False]


def test_an_open_tie_leaves_its_slot_open() -> None:
    matches = [cup("A v B", SEMI, 61), *four()[1:]]
    assert teams(draw_bracket(matches, Knockout()))["W61-W62"] == (None, "D", None)


def test_a_corrected_result_moves_what_hangs_on_it_and_says_so() -> None:
    before = draw_bracket([*four()[:3], cup("W61 2-0 W62", FINAL, 64, 4)], Knockout())
    corrected = [replace(four()[0], official=(0, 3)), *four()[1:3], cup("W61 2-0 W62", FINAL, 64, 4)]
    after = draw_bracket(corrected, Knockout())
    assert [str(change) for change in changes(before, after)] == [
        "Semi-finals: winner was A, is B",
        "Match for third place: home was B, is A",
        "Final: home was A, is B; it has a result already",
        "Final: winner was A, is B",
    ]
    assert changes(after, after) == []


def test_a_level_shoot_out_stops_there() -> None:
    matches = [cup("A 0-0 B", SEMI, 61, shoot_out=(4, 4)), *four()[1:]]
    bracket = draw_bracket(matches, Knockout())
    assert teams(bracket)["W61-W62"][0] is None
    assert [(note.code, note.tie) for note in bracket.notes] == [("equal_shoot_out", bracket.ties[0].id)]


def test_a_person_records_the_winner_of_a_drawn_tie() -> None:
    matches = [cup("A 0-0 B", SEMI, 61), *four()[1:]]
    tie = draw_bracket(matches, Knockout()).ties[0].id
    told = draw_bracket(matches, Knockout(), decisions={tie: "B"})
    assert (told.ties[0].winner, told.ties[0].decided_by) == ("B", "decision")
    assert teams(told)["W61-W62"][0] == "B"
    wrong = draw_bracket(matches, Knockout(), decisions={tie: "Z"})
    assert wrong.ties[0].winner is None and wrong.notes[0].code == "decision_not_of_tie"


def test_two_legs_wait_for_the_second() -> None:
    first = [cup("A 2-0 B", SEMI, day=1), cup("C 1-0 D", SEMI, day=2)]
    second = [cup("B v A", SEMI, day=8), cup("D v C", SEMI, day=9)]
    bracket = draw_bracket([*first, *second], Knockout())
    assert [(tie.aggregate, tie.winner, len(tie.legs)) for tie in bracket.ties] == [
        ((2, 0), None, 2),
        ((1, 0), None, 2),
    ]
    marked = draw_bracket([replace(each, leg=1) for each in first], Knockout())
    assert [tie.winner for tie in marked.ties] == [None, None]
    single = draw_bracket(first, Knockout())
    assert [tie.winner for tie in single.ties] == ["A", "C"]


def test_a_tie_of_one_leg_among_ties_of_two_is_decided_when_the_next_round_names_its_winner() -> None:
    """As in the Europa League of 2019-20: two ties were played as one match on neutral ground."""
    two = [cup("C 1-0 D", SEMI, day=1), cup("D 0-0 C", SEMI, day=8)]
    one = cup("A 2-0 B", SEMI, day=9)
    assert [tie.winner for tie in draw_bracket([*two, one], Knockout()).ties] == ["C", None]
    after = draw_bracket([*two, one, cup("A v C", FINAL, day=20)], Knockout())
    assert [tie.winner for tie in after.ties] == ["C", "A", None]
    against = draw_bracket([*two, one, cup("B v C", FINAL, day=20)], Knockout())
    assert against.ties[1].winner is None


def test_a_match_that_was_not_played_is_a_walkover_when_the_next_round_names_a_team() -> None:
    """As Sweden against Austria in 1938."""
    not_played = cup("S v A", SEMI, detail="cancelled", status="not-defined")
    assert draw_bracket([not_played], Knockout()).ties[0].winner is None
    (tie, _) = draw_bracket([not_played, cup("S 8-0 C", FINAL, day=9)], Knockout()).ties
    assert (tie.winner, tie.decided_by) == ("S", "walkover")


def test_winners_go_to_the_next_round_that_they_are_in() -> None:
    matches = [
        cup("A 1-0 B", SEMI),
        cup("C 1-0 D", SEMI),
        cup("B 1-0 D", THIRD, day=3),
        cup("A 1-0 C", FINAL, day=4),
    ]
    bracket = draw_bracket(matches, Knockout())
    final = bracket.ties[-1].id
    assert [tie.feeds for tie in bracket.ties] == [final, final, None, None] and bracket.notes == ()


def test_a_loser_in_the_next_round_is_named() -> None:
    matches = [cup("A 1-0 B", SEMI), cup("C 1-0 D", SEMI), cup("B 1-0 C", FINAL, day=4)]
    notes = draw_bracket(matches, Knockout()).notes
    assert [(note.code, note.detail) for note in notes] == [("loser_goes_on", "A won, and B is in Final")]


def test_a_bye_goes_to_the_next_round() -> None:
    matches = [
        played(
            "A v B", kind="knockout", round="First round", away="", detail="bye", number=1, status="ended"
        ),
        cup("C 1-0 D", "First round", 2),
        cup("W1 v W2", FINAL, 3, day=5),
    ]
    bracket = draw_bracket(matches, Knockout())
    assert (bracket.ties[0].winner, bracket.ties[0].decided_by) == ("A", "bye")
    assert teams(bracket)["W1-W2"] == ("A", "C", None)


def group(name: str, *texts: str) -> list[Match]:
    return [played(text, kind="group", stage="Group stage", group=f"Group {name}") for text in texts]


def test_groups_fill_slots_once_a_place_is_certain() -> None:
    matches = [cup("1A v 2B", FINAL, 3)]
    done = group("A", "P 1-0 Q") + group("B", "R 2-0 S")
    placed = placed_by(rows(season(*done, rules="fifa-groups")), None, (), {})
    assert teams(draw_bracket(matches, Knockout(), placed=placed))["1A-2B"] == ("P", "S", None)
    open_ = group("A", "P v Q") + group("B", "R 2-0 S")
    placed = placed_by(rows(season(*open_, rules="fifa-groups")), None, (), {})
    assert teams(draw_bracket(matches, Knockout(), placed=placed))["1A-2B"] == (None, "S", None)


def test_best_thirds_go_to_the_only_slots_they_fit() -> None:
    matches = [cup("1A v 3B/C", "Round of 16", 1), cup("1B v 3A/C", "Round of 16", 2)]
    names = [name for match in matches for name in (match.home, match.away)]
    groups = [
        match
        for letter, goals in (("A", 1), ("B", 2), ("C", 3))
        for match in group(
            letter, f"{letter}1 5-0 {letter}2", f"{letter}1 9-0 {letter}3", f"{letter}2 {goals}-0 {letter}3"
        )
    ]
    rule = BestPlaced(3, 2, ("points", "goal_difference"))
    table = rows(season(*groups, rules="fifa-groups"))
    filled = teams(draw_bracket(matches, Knockout(), placed=placed_by(table, rule, names, {})))
    # the thirds of A and B have the better difference: B's fits 3B/C alone, A's 3A/C
    assert filled == {"1A-3B/C": ("A1", "B3", None), "1B-3A/C": ("B1", "A3", None)}


def test_legs_listed_as_two_matchdays_are_one_tie() -> None:
    """As the knockout play-offs of the Champions League in 2024-25."""
    matches = [
        cup("A 2-0 B", "Matchday 1", stage="Playoffs"),
        cup("C 0-1 D", "Matchday 1", stage="Playoffs"),
        cup("B 3-0 A", "Matchday 2", day=8, stage="Playoffs"),
        cup("D 0-0 C", "Matchday 2", day=8, stage="Playoffs"),
        cup("B 1-0 D", FINAL, day=20, stage="Finals"),
    ]
    bracket = draw_bracket(matches, Knockout())
    assert [(tie.round, tie.winner, tie.aggregate, len(tie.legs)) for tie in bracket.ties] == [
        ("", "B", (2, 3), 2),
        ("", "D", (0, 1), 2),
        (FINAL, "B", (1, 0), 1),
    ]
    assert bracket.notes == ()
    assert bracket.ties[0].id == draw_bracket(matches[:2], Knockout()).ties[0].id


def test_a_final_leads_nowhere_and_a_second_chance_is_no_contradiction() -> None:
    """As in Mexico: Apertura, then Clausura; the loser of the first play-in match has another one."""
    matches = [
        cup("A 1-0 B", FINAL, day=1, stage="Apertura"),
        cup("C 1-0 B", "Play-in 1", day=10, stage="Clausura"),
        cup("B 1-0 D", "Play-in 2", day=12, stage="Clausura"),
        cup("C 1-0 B", "Semi-finals", day=20, stage="Clausura"),
    ]
    bracket = draw_bracket(matches, Knockout())
    semi = bracket.ties[-1].id
    assert [tie.feeds for tie in bracket.ties] == [None, semi, semi, None] and bracket.notes == ()
