"""Where a match of a file is found: slots of a bracket that got their teams, rounds that a provider names
otherwise."""

from __future__ import annotations

from typing import Any

from appliance.cloud.scoring.imports.model import FileMatch, SeasonFile
from appliance.cloud.scoring.imports.plan import plan
from appliance.cloud.scoring.match import Match

TEAMS = {"A": "a", "B": "b", "C": "c"}


def final_of(**fields: Any) -> Match:
    shape = {"kind": "knockout", "stage": "Cup", "round": "Final"}
    return Match(**{"id": "f", "home": "W1", "away": "W2", **shape, **fields})


def named_final(home: str = "A", away: str = "B", **fields: Any) -> FileMatch:
    return FileMatch(1, home, away, kind="knockout", stage="Cup", round="Final", **fields)


def test_a_match_of_slots_is_found_when_the_teams_are_named() -> None:
    made = plan(SeasonFile(matches=[named_final()]), [final_of()], TEAMS, drawn={"f": ("a", None)})
    assert (list(made.pairs), made.create) == (["f"], [])


def test_a_slot_that_the_bracket_gives_to_another_team_is_not_the_match() -> None:
    made = plan(SeasonFile(matches=[named_final()]), [final_of()], TEAMS, drawn={"f": ("c", None)})
    assert (list(made.pairs), len(made.create)) == ([], 1)


def test_of_two_matches_of_slots_the_number_decides() -> None:
    known = [final_of(id="one", number=1), final_of(id="two", home="W3", away="W4", number=2)]
    made = plan(SeasonFile(matches=[named_final(number=2)]), known, TEAMS)
    assert list(made.pairs) == ["two"]
    assert plan(SeasonFile(matches=[named_final()]), known, TEAMS).pairs == {}


def test_an_update_finds_the_match_of_the_teams_by_its_day() -> None:
    known = [
        Match("first", "a", "b", stage="League", round="R1", date="2026-08-01"),
        Match("second", "a", "b", stage="League", round="R9", date="2026-12-01"),
    ]
    given = FileMatch(1, "A", "B", stage="X", round="9", date="2026-12-01", status="ended", score=(1, 0))
    made = plan(SeasonFile(matches=[given]), known, TEAMS, may_create=False)
    assert list(made.change) == ["second"]
    assert made.change["second"].keys() == {"status", "score"}  # neither stage nor round
    unsure = FileMatch(1, "A", "B", stage="X", round="9", date="2027-01-01")
    left = plan(SeasonFile(matches=[unsure]), known, TEAMS, may_create=False)
    assert [defect.code for defect in left.defects] == ["unknown_match"]
