"""openfootball's JSON: shapes, and every defect with its line."""

from __future__ import annotations

import json
from datetime import UTC
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from appliance.cloud.scoring.imports.model import SeasonFile
from appliance.cloud.scoring.imports.openfootball_json import read_json

MATCH: dict[str, Any] = {"round": "Matchday 1", "date": "2014-08-16", "team1": "A", "team2": "B"}


def read(*matches: Any, **fields: Any) -> SeasonFile:
    """A match a line, from line 2."""
    lines = ",\n".join(json.dumps(each) for each in matches)
    own = "".join(f", {json.dumps(key)}: {json.dumps(value)}" for key, value in fields.items())
    return read_json('{"name": "League 2014/15", "matches": [\n' + lines + "\n]" + own + "}", UTC)


def one(**fields: Any) -> Any:
    return read({**MATCH, **fields}).matches[0]


def codes(file: SeasonFile) -> list[tuple[int, str]]:
    return [(defect.line, defect.code) for defect in file.defects]


def test_a_match() -> None:
    match = one(time="15:00", score={"ht": [1, 0], "ft": [2, 1]})
    assert (match.line, match.home, match.away, match.kind, match.stage) == (2, "A", "B", "league", "League")
    assert (match.round, match.slug, match.date, match.kickoff) == (
        "Matchday 1",
        "matchday-1",
        "2014-08-16",
        "2014-08-16T15:00:00Z",
    )
    assert (match.status, match.score, match.half_time) == ("ended", (2, 1), (1, 0))


def test_a_score_after_90_minutes_after_120_and_the_kicks_are_three_things() -> None:
    match = one(round="Final", score={"ft": [2, 2], "et": [3, 3], "p": [4, 2]})
    assert (match.score, match.extra_time, match.shoot_out) == ((2, 2), (3, 3), (4, 2))


@pytest.mark.parametrize(
    "text",
    [
        '{"name": "L", "rounds": [{"name": "Matchday 1", "matches": [\n'
        '{"date": "2014-08-16", "team1": {"key": "a", "name": "A"}, "team2": {"name": "B"},'
        ' "score1": 2, "score2": 1}]}]}',
        '{"matches": [\n{"round": "Matchday 1", "date": "2014-08-16", "team1": "A", "team2": "B",'
        ' "score": [2, 1]}],'
        ' "name": "L"}',
    ],
)
def test_older_and_newer_shapes(text: str) -> None:
    file = read_json(text, UTC)
    (match,) = file.matches
    assert (match.line, match.home, match.round, match.score, file.name) == (
        2,
        "A",
        "Matchday 1",
        (2, 1),
        "L",
    )
    assert file.defects == []


def test_times_are_read_in_the_tournaments_zone_or_as_utc_with_a_defect() -> None:
    text = json.dumps(
        {"name": "L", "matches": [{**MATCH, "time": "20:45"}, {**MATCH, "team1": "C", "time": "20:45 UTC+2"}]}
    )
    madrid = read_json(text, ZoneInfo("Europe/Madrid"))
    assert [match.kickoff for match in madrid.matches] == [
        "2014-08-16T18:45:00Z"
    ] * 2 and madrid.defects == []
    unknown = read_json(text, None)
    assert [match.kickoff for match in unknown.matches] == ["2014-08-16T20:45:00Z", "2014-08-16T18:45:00Z"]
    assert codes(unknown) == [(1, "no_zone")] and "1 times" in unknown.defects[0].detail


def test_without_a_time_there_is_a_date_and_no_kickoff() -> None:
    match = one()
    assert (match.kickoff, match.date, match.status) == (None, "2014-08-16", "open")


def test_an_awarded_result_is_official_and_the_pitch_result_unknown() -> None:
    match = one(status="AWARDED", score={"ft": [0, 2]})
    assert (match.status, match.detail, match.official, match.score) == ("ended", "awarded", (0, 2), None)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("abandoned", "not-defined"),
        ("cancelled", "not-defined"),
        ("postponed", "not-defined"),
        ("finished", "ended"),
    ],
)
def test_statuses(status: str, expected: str) -> None:
    match = one(status=status, score={"ft": [1, 0]})
    assert (match.status, match.detail, match.score) == (expected, status, (1, 0))


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"score": {"ft": [0, 0], "p": [4, 4]}}, "equal_shoot_out"),
        ({"score": {"ft": []}}, "bad_score"),
        ({"score": {"ft": [1]}}, "bad_score"),
        ({"score": {"ft": ["1", 0]}}, "bad_score"),
        ({"score": {"ft": [1, -1]}}, "bad_score"),
        ({"score": {"ft": [1, 0], "ht": [2, 0]}}, "half_time_above_score"),
        ({"score": {"ft": [2, 2], "et": [1, 0]}}, "extra_time_below_score"),
        ({"date": "2014-02-30"}, "no_date"),
        ({"date": None}, "no_date"),
        ({"time": "evening"}, "bad_time"),
        ({"team2": "A"}, "same_team"),
        ({"status": "finished"}, "no_score"),
        ({"score2x": 1}, "unknown_field"),
    ],
)
def test_a_defect_names_the_line_and_the_match_is_kept(fields: dict[str, Any], code: str) -> None:
    file = read(MATCH | {"team1": "Z"}, {**MATCH, **fields})
    assert codes(file) == [(3, code)] and len(file.matches) == file.found == 2
    assert str(file.defects[0]).startswith("line 3: ")


def test_what_is_left_out_is_named() -> None:
    file = read(MATCH, 7, {**MATCH, "team2": None}, {**MATCH, "score": {"ft": [1, 0]}})
    assert codes(file) == [(3, "not_a_match"), (4, "no_team"), (5, "duplicate")]
    assert (file.found, len(file.matches)) == (4, 1)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{", "not_json"),
        ("[]", "not_json"),
        ('{"name": "L"}', "no_matches"),
        ('{"matches": []}', "no_matches"),
    ],
)
def test_a_file_that_is_none(text: str, code: str) -> None:
    file = read_json(text, None)
    assert [defect.code for defect in file.defects] == [code] and file.matches == []


def test_a_missing_round_is_numbered_by_date() -> None:
    """Play-off rows of 2024-25 have a stage and no round: the legs are numbered as they are played."""
    rows = [
        {"stage": "Playoffs", "team1": "A", "team2": "B", "date": "2025-02-19"},
        {"stage": "Playoffs", "team1": "B", "team2": "A", "date": "2025-02-12"},
    ]
    second, first = read(*rows).matches
    assert (first.slug, second.slug, first.kind, first.stage) == (
        "playoffs-1",
        "playoffs-2",
        "knockout",
        "Playoffs",
    )


def test_rows_of_one_group_written_in_three_ways_are_one_group() -> None:
    rows = [
        {**MATCH, "round": name, "team1": team}
        for name, team in (("Group C", "A"), ("Group c", "C"), ("Gruppe C", "D"))
    ]
    assert {(match.stage, match.group) for match in read(*rows).matches} == {("Group stage", "Group C")}
    assert [match.slug for match in read(*rows).matches] == [
        "group-stage-1",
        "group-stage-2",
        "group-stage-3",
    ]


def met(*pairs: str, round_: str, **fields: Any) -> list[dict[str, Any]]:
    rows = (pair.split() for pair in pairs)
    return [{**MATCH, "round": round_, "team1": home, "team2": away, **fields} for home, away in rows]


def test_matchdays_of_play_offs_are_a_table_where_each_team_meets_several() -> None:
    """As the championship round of Austria and Play-off I of Belgium; two legs meet the same team again."""
    days = [["A B", "C D"], ["A C", "B D"], ["D A", "B C"]]
    table = [
        row for day, pairs in enumerate(days, 1) for row in met(*pairs, round_=f"Playoff I, Matchday {day}")
    ]
    assert {(match.kind, match.stage) for match in read(*table).matches} == {("league", "Playoff I")}
    legs = met("A B", "C D", round_="Playoffs, Matchday 1") + met("B A", "D C", round_="Playoffs, Matchday 2")
    assert {match.kind for match in read(*legs).matches} == {"knockout"}


def test_numbered_rounds_of_a_cup_are_no_league() -> None:
    """As Round 1 and Round 2 of the DFB-Pokal, before its round of 16."""
    cup = met("A B", "C D", "E F", "G H", round_="Round 1") + met("A C", "E G", round_="Round 2")
    cup += met("A E", round_="Final")
    assert {(match.kind, match.stage) for match in read(*cup).matches} == {("knockout", "Knockout")}
    assert [match.slug for match in read(*cup).matches][::4] == ["round-1", "round-2"]
    season = met("A B", "C D", round_="Round 1") + met("A C", "B D", round_="Round 2")
    kinds = [match.kind for match in read(*season, *met("A B", round_="Final")).matches]
    assert kinds == ["league"] * 4 + ["knockout"]


@pytest.mark.parametrize("number", [10**20, -1, 1.5, "7", True])
def test_a_number_that_is_none_is_a_defect(number: Any) -> None:
    file = read({**MATCH, "num": number})
    assert [match.number for match in file.matches] == [None]
    assert [defect.code for defect in file.defects] == ["bad_number"]


def test_a_day_of_no_match_is_a_defect() -> None:
    file = read({**MATCH, "date": "9999-12-31", "time": "23:30 UTC-5"})
    assert [defect.code for defect in file.defects] == ["no_date"] and file.matches[0].kickoff is None


def test_a_group_stage_without_names_falls_into_the_sets_that_meet() -> None:
    """As the Champions League of 2023-24 and the Copa Libertadores of 2025."""
    days = [["E F", "A B", "C D", "G H"], ["A C", "E G", "F H", "B D"], ["D A", "B C", "H E", "F G"]]
    rows = [row for day, pairs in enumerate(days, 1) for row in met(*pairs, round_=f"Group, Matchday {day}")]
    file = read(*rows, *met("A E", round_="Finals, Final"))
    groups = {match.home: (match.kind, match.stage, match.group) for match in file.matches[:-1]}
    assert {team: group[2][-1] for team, group in groups.items()} == {
        **dict.fromkeys("EFGH", "A"),
        **dict.fromkeys("ABCD", "B"),
    }
    assert {group[:2] for group in groups.values()} == {("group", "Group")}
    assert (file.matches[-1].kind, file.matches[-1].group) == ("knockout", "")
    assert codes(file) == [(2, "no_group_names")]
    assert "Group A to Group B" in file.defects[0].detail
    assert codes(read(*(row for row in rows if {row["team1"], row["team2"]} <= set("ABCD")))) == []


def test_a_first_match_day_does_not_tell_the_groups() -> None:
    first = read(*met("A B", "C D", "E F", "G H", round_="Group, Matchday 1"))
    assert {(match.kind, match.group) for match in first.matches} == {("group", "")}
    assert codes(first) == [(2, "no_group_names")]
    assert "too few matches" in first.defects[0].detail


def test_names_of_groups_that_are_there_are_kept() -> None:
    rows = met("A B", "C D", round_="Matchday 1", group="Group C")
    rows += met("E F", "G H", round_="Matchday 1", group="Group D")
    file = read(*rows)
    assert [match.group for match in file.matches] == ["Group C", "Group C", "Group D", "Group D"]
    assert codes(file) == []


@pytest.mark.parametrize(
    "name",
    ["Match\x00day 1", "Day\x1b[31m 1", "R" * 201, "S" * 201 + ", Matchday 1", "Apertura\x7f, Matchday 1"],
)
def test_a_round_whose_name_cannot_be_stored_is_a_defect_of_its_line(name: str) -> None:
    file = read(MATCH, {**MATCH, "round": name, "team1": "C"}, {**MATCH, "round": "R" * 200, "team1": "D"})
    assert [match.home for match in file.matches] == ["A", "D"]
    assert codes(file) == [(3, "bad_name")] and file.found == 3
    assert file.defects[0].detail.startswith("C - B: ") and len(file.defects[0].detail) < 200
    assert str(file.defects[0]).isprintable()


def test_a_group_whose_name_cannot_be_stored_is_a_defect_of_its_line() -> None:
    assert codes(read({**MATCH, "group": "Group\x01A"})) == [(2, "bad_name")]


def test_a_match_may_say_that_it_is_of_a_knockout() -> None:
    """As the World Cup's files do, for rounds that are named so and for others."""
    file = read(
        {**MATCH, "round": "Round of 16", "knockout": True},
        {**MATCH, "round": "Day of the cup", "knockout": True},
        {**MATCH, "round": "", "date": "2014-09-01", "knockout": True},
        {**MATCH, "round": "Matchday 1", "group": "Group A", "knockout": False},
    )
    assert codes(file) == []
    assert [(match.kind, match.stage, match.group, match.slug) for match in file.matches] == [
        ("knockout", "Knockout", "", "round-of-16"),
        ("knockout", "Knockout", "", "day-of-the-cup"),
        ("knockout", "Knockout", "", "knockout-3"),
        ("group", "Group stage", "Group A", "matchday-1"),
    ]
    assert codes(read({**MATCH, "knockout": "yes"})) == [(2, "bad_knockout")]
