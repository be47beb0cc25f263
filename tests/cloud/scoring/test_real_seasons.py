"""Whole seasons from their files: every row of the published tables, and every tie of a knockout stage."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

from appliance.cloud.scoring.imports.football_txt import read_txt
from appliance.cloud.scoring.imports.model import SeasonFile
from appliance.cloud.scoring.imports.openfootball_json import read_json
from appliance.cloud.scoring.imports.plan import as_matches
from appliance.cloud.scoring.knockouts.bracket import Bracket, draw_bracket
from appliance.cloud.scoring.match import Match
from appliance.cloud.scoring.rules.model import Points
from appliance.cloud.scoring.rules.reader import load_rules
from appliance.cloud.scoring.tables.model import Adjustment, Row, Season, View
from appliance.cloud.scoring.tables.published import Published, contradictions, differences
from appliance.cloud.scoring.tables.standings import standings

DATA = Path(__file__).parents[2] / "data/football"
PLYMOUTH = Adjustment("Plymouth Argyle", -10, "2011-02-21")


def text(name: str) -> str:
    return (DATA / name).read_text(encoding="utf-8")


@cache
def read(name: str, zone: str) -> SeasonFile:
    reader = read_json if name.endswith(".json") else read_txt
    return reader(text(name), ZoneInfo(zone))


def matches_of(file: SeasonFile) -> list[Match]:
    return as_matches(file, [f"m{at:03}" for at in range(len(file.matches))], {})


def published(name: str) -> Iterator[tuple[str, Published]]:
    """Each row with its group."""
    for row in csv.DictReader(text(name).splitlines()):
        group, team = row.pop("group", ""), row.pop("team")
        yield group, Published(team, **{key: int(value) for key, value in row.items()})


def league_one(**fields: object) -> Season:
    matches = matches_of(read("2010-11.en.3.json", "Europe/London"))
    whole = Season(load_rules("england:3", "2010-11"), matches, adjustments=(PLYMOUTH,))
    return replace(whole, **fields)  # type: ignore[arg-type]


def la_liga() -> Season:
    matches = matches_of(read("2013-14.es.1.json", "Europe/Madrid"))
    return Season(load_rules("spain", "2013-14"), matches)


def champions_league() -> Season:
    matches = matches_of(read("2012-13.cl.txt", "Europe/Zurich"))
    return Season(load_rules("uefa-groups", "2012-13"), matches)


def by_team(season: Season, view: View | None = None) -> dict[str, Row]:
    return {row.team: row for row in standings(season, view).rows}


def test_nothing_of_the_files_is_left_out() -> None:
    for name, zone, matches in (
        ("2010-11.en.3.json", "Europe/London", 552),
        ("2013-14.es.1.json", "Europe/Madrid", 380),
        ("2012-13.cl.txt", "Europe/Zurich", 125),
    ):
        file = read(name, zone)
        assert (file.found, len(file.matches), file.defects) == (matches, matches, []), name


def test_league_one_with_ten_points_taken() -> None:
    table = [row for _, row in published("2010-11.en.3.table.csv")]
    assert contradictions(table, Points(3, 1)) == []
    rows = standings(league_one()).rows
    assert differences(rows, table) == []
    plymouth = by_team(league_one())["Plymouth Argyle"]
    assert (plymouth.position, plymouth.points, plymouth.adjustment, plymouth.zone) == (
        23, 42, -10, "Relegation",
    )  # fmt: skip
    # without the decision the table is another one, and the sum says where
    assert len(differences(standings(league_one(adjustments=())).rows, table)) > 1


def test_points_are_taken_from_the_day_of_the_decision_on() -> None:
    before, after = (by_team(league_one(), View(as_of=day)) for day in ("2011-02-20", "2011-02-21"))
    assert before["Plymouth Argyle"].adjustment == 0 and after["Plymouth Argyle"].adjustment == -10


def test_level_in_all_three_their_own_matches_decide() -> None:
    table = by_team(league_one())
    first, second = table["Oldham Athletic"], table["Tranmere Rovers"]
    assert (first.position, second.position) == (17, 18) and first.won < second.won
    assert first.tie_break == second.tie_break == "head_to_head.points"


def test_la_liga_by_the_matches_between_level_clubs() -> None:
    table = [row for _, row in published("2013-14.es.1.table.csv")]
    assert contradictions(table, Points(3, 1)) == []
    assert differences(standings(la_liga()).rows, table) == []
    rows = by_team(la_liga())
    getafe, espanyol = rows["Getafe CF"], rows["Espanyol Barcelona"]
    assert getafe.position == 13 and getafe.goal_difference < espanyol.goal_difference
    assert {row.tie_break for row in rows.values()} - {None, "points"} == {
        "head_to_head.points", "goal_difference",
    }  # fmt: skip


def test_every_group_of_the_champions_league() -> None:
    rows = standings(champions_league()).rows
    tables: dict[str, list[Published]] = {}
    for group, row in published("2012-13.cl.tables.csv"):
        tables.setdefault(group, []).append(row)
    assert len(tables) == 8
    for group, table in tables.items():
        assert contradictions(table, Points(3, 1)) == []
        own = [row for row in rows if row.group == group]
        assert differences(own, table) == []
        assert [row.team for row in own] == [row.team for row in table]


def bracket() -> Bracket:
    season = champions_league()
    return draw_bracket(season.matches, season.rules.knockout)


def test_every_tie_of_the_champions_league() -> None:
    drawn = bracket()
    assert drawn.notes == ()
    assert [(name, len(ties)) for name, ties in drawn.rounds()] == [
        ("Round of 16", 8), ("Quarterfinals", 4), ("Semifinals", 2), ("Final", 1),
    ]  # fmt: skip
    rounds = [ties for _, ties in drawn.rounds()]
    for ties, after in pairwise(rounds):
        assert {tie.winner for tie in ties} == {team for tie in after for team in (tie.home, tie.away)}
    assert rounds[-1][0].winner == "Bayern München (GER)"
    by_id = {tie.id: tie for tie in drawn.ties}
    assert all(by_id[tie.feeds].round != tie.round for tie in drawn.ties if tie.feeds)
    assert [tie.id for tie in drawn.ties if tie.feeds is None] == [rounds[-1][0].id]


def test_the_first_of_a_group_met_the_second_of_another() -> None:
    """The season's own draw shows who was first and second, without a table of ours."""
    places = {row.team: (row.position, row.group) for row in standings(champions_league()).rows if row.group}
    ties = next(ties for name, ties in bracket().rounds() if name == "Round of 16")
    met = [sorted((places[str(tie.home)], places[str(tie.away)])) for tie in ties]
    assert [(first[0], second[0]) for first, second in met] == [(1, 2)] * 8
    assert all(first[1] != second[1] for first, second in met)
    assert len({first[1] for first, _ in met}) == len({second[1] for _, second in met}) == 8


def test_two_ties_by_goals_away_from_home() -> None:
    away = [tie for tie in bracket().ties if tie.decided_by == "away_goals"]
    assert [(tie.home, tie.winner, tie.aggregate) for tie in away] == [
        ("Arsenal FC (ENG)", "Bayern München (GER)", (3, 3)),
        ("Paris Saint-Germain (FRA)", "FC Barcelona (ESP)", (3, 3)),
    ]
    season = champions_league()
    without = draw_bracket(season.matches, load_rules("uefa-groups", "2022-23").knockout)
    assert [tie.decided_by for tie in without.ties if tie.aggregate == (3, 3)] == [None, None]
