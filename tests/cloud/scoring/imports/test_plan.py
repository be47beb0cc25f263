"""The same file twice changes nothing; a later one changes what it should."""

from __future__ import annotations

from dataclasses import replace

import pytest

from appliance.cloud.scoring.imports.model import FileMatch, SeasonFile, unnamed_groups
from appliance.cloud.scoring.imports.plan import Plan, as_matches, plan, team_names
from appliance.cloud.scoring.match import Match

TEAMS = {"Arsenal FC": "t1", "Chelsea FC": "t2"}


def given(line: int = 1, **fields: object) -> FileMatch:
    base = FileMatch(line, "Arsenal FC", "Chelsea FC", stage="League", round="Matchday 1", date="2014-08-16")
    return replace(base, **fields)  # type: ignore[arg-type]


def planned(
    *matches: FileMatch, known: list[Match] | None = None, decided: frozenset[str] = frozenset()
) -> Plan:
    return plan(SeasonFile(matches=list(matches)), known or [], TEAMS, decided)


def known(*matches: FileMatch) -> list[Match]:
    ids = [f"m{at}" for at in range(len(matches))]
    return as_matches(SeasonFile(matches=list(matches)), ids, TEAMS)


def test_the_same_file_twice_changes_nothing() -> None:  # D20
    file = [given(), given(2, home="Chelsea FC", away="Arsenal FC", score=(1, 0), status="ended")]
    first = planned(*file)
    assert [(match.line, home, away) for match, home, away in first.create] == [
        (1, "t1", "t2"),
        (2, "t2", "t1"),
    ]
    again = planned(*file, known=known(*file))
    assert (again.create, again.change, again.unchanged) == ([], {}, 2)


def test_a_match_that_was_moved_is_the_same_match() -> None:
    moved = planned(given(date="2014-10-01"), known=known(given()))
    assert (moved.create, moved.change) == ([], {"m0": {"date": "2014-10-01"}})


def test_a_result_comes_and_is_corrected() -> None:
    ended = given(status="ended", score=(2, 1))
    assert planned(ended, known=known(given())).change == {"m0": {"status": "ended", "score": (2, 1)}}
    assert planned(replace(ended, score=(2, 2)), known=known(ended)).change == {"m0": {"score": (2, 2)}}


def test_a_file_takes_no_result_away() -> None:
    ended = given(status="ended", score=(2, 1))
    older = planned(given(date="2014-08-17"), known=known(ended))
    assert older.change == {"m0": {"date": "2014-08-17"}}
    assert [(defect.line, defect.code) for defect in older.defects] == [(1, "result_taken_away")]


def test_what_an_office_has_set_stays() -> None:
    own = replace(known(given(status="ended", score=(2, 1)))[0], official=(0, 3))
    same = given(status="ended", score=(2, 1))
    assert planned(same, known=[own], decided=frozenset({"m0"})).change == {}
    assert planned(same, known=[own]).change == {"m0": {"official": None}}


def test_a_first_round_stays_when_later_rounds_show_that_it_is_of_a_cup() -> None:
    league = given(round="Round 1")
    cup = replace(league, kind="knockout", stage="Knockout")
    for before, after in ((league, cup), (cup, league)):
        result = planned(after, known=known(before))
        assert (result.create, result.change) == ([], {"m0": {"kind": after.kind, "stage": after.stage}})


def test_two_matches_of_the_same_round_are_found_by_date() -> None:
    """Two legs at the same ground, or a replay."""
    first, second = given(), given(2, date="2014-08-23")
    result = replace(second, status="ended", score=(0, 0))
    assert planned(first, result, known=known(first, second)).change == {
        "m1": {"status": "ended", "score": (0, 0)}
    }


def test_an_unmapped_name_makes_nothing_and_is_named() -> None:
    plan_ = planned(given(), given(2, home="Arsenal", round="Matchday 2"))
    assert (len(plan_.create), plan_.unmapped) == (1, ["Arsenal"])
    assert str(plan_.defects[0]).startswith("line 2: Arsenal - Chelsea FC: Arsenal is mapped to no team")


def test_placeholders_are_no_teams() -> None:
    final = given(home="W61", away="W62", kind="knockout", round="Final")
    assert team_names(
        SeasonFile(matches=[given(), final], groups={"Group A": ["Chelsea FC", "Fulham FC"]})
    ) == [
        "Arsenal FC",
        "Chelsea FC",
        "Fulham FC",
    ]
    assert [(home, away) for _, home, away in planned(final).create] == [("W61", "W62")]


DAYS = [["A B", "E F", "C D", "G H"], ["E G", "F H", "A C", "B D"], ["D A", "H E", "B C", "F G"]]


def unnamed(*days: int) -> SeasonFile:
    """These match days of a group stage whose groups have no names."""
    pairs = [(day, *pair.split()) for day in days for pair in DAYS[day - 1]]
    file = SeasonFile()
    stage = [
        given(line, home=home, away=away, kind="group", stage="Group", round=f"{day}", date=f"2023-09-0{day}")
        for line, (day, home, away) in enumerate(pairs, 1)
    ]
    file.matches = unnamed_groups(stage, file)
    return file


def imported(file: SeasonFile, known: list[Match]) -> tuple[list[Match], int, int]:
    """The matches after it, how many were made, and how many changed."""
    made = plan(file, known, {team: team for team in "ABCDEFGH"})
    after = [replace(match, **made.change.get(match.id, {})) for match in known]
    new = SeasonFile(matches=[given for given, _, _ in made.create])
    after += as_matches(new, [f"m{len(known) + at}" for at in range(len(new.matches))], {})
    return after, len(made.create), len(made.change)


@pytest.mark.parametrize("first", [(1,), (1, 2), (2, 3), (3,), (1, 2, 3)])
def test_unnamed_groups_are_stable_over_files_of_any_part(first: tuple[int, ...]) -> None:
    matches, made, _ = imported(unnamed(*first), [])
    assert made == 4 * len(first)
    ids = {(match.round, match.home): match.id for match in matches}
    matches, made, _ = imported(unnamed(1, 2, 3), matches)
    assert (made, len(matches)) == (12 - 4 * len(first), 12)
    assert ids.items() <= {(match.round, match.home): match.id for match in matches}.items()
    groups = {match.home: match.group for match in matches}
    assert {groups[team] for team in "ABCD"} | {groups[team] for team in "EFGH"} == {"Group A", "Group B"}
    assert len({groups[team] for team in "ABCD"}) == len({groups[team] for team in "EFGH"}) == 1
    for part in ((1,), (3,), (2, 3), (3, 2), (1, 2, 3)):
        assert imported(unnamed(*part), matches) == (matches, 0, 0)


def test_a_later_match_day_alone_goes_to_the_groups_that_are_known() -> None:
    matches, _, _ = imported(unnamed(1, 2), [])
    matches, made, changed = imported(unnamed(3), matches)
    assert (made, changed) == (4, 0)
    groups = {frozenset((match.home, match.away)): match.group for match in matches}
    assert {group for pair, group in groups.items() if pair <= set("ABCD")} == {"Group A"}
    assert {group for pair, group in groups.items() if pair <= set("EFGH")} == {"Group B"}
