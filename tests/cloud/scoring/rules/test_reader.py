"""Rule-sets from their files: every name, spans of seasons, errors that name the field and its repair."""

from __future__ import annotations

import pytest

from appliance.cloud.scoring.rules.model import HeadToHead, zone_at
from appliance.cloud.scoring.rules.reader import RulesError, load_rules, parse_rules, rule_names, season_year

NAMES = [
    "default", "england", "england:1", "england:2", "england:3", "england:4", "spain", "germany", "italy",
    "brazil", "uefa-groups", "uefa-league-phase", "fifa-groups", "nfl",
]  # fmt: skip
MINIMAL = 'title = "T"\nsport = "football"\npoints = { win = 3, draw = 1 }\ncriteria = ["points"]\n'


def test_every_name_loads_for_every_season() -> None:
    assert set(NAMES) == set(rule_names())
    for name in NAMES:
        for season in (None, *(str(year) for year in range(1888, 2031, 9))):
            rules = load_rules(name, season)
            assert rules.criteria[0] in ("points", "win_percentage") and rules.name == name


@pytest.mark.parametrize(
    ("text", "year"), [("2014-15", 2014), ("2014/15", 2014), ("2014", 2014), ("1999/2000", 1999)]
)
def test_a_season_is_the_year_it_begins_in(text: str, year: int) -> None:
    assert season_year(text) == year


@pytest.mark.parametrize(
    ("name", "season", "win"),
    [
        ("england", "1980-81", 2),
        ("england", "1981-82", 3),
        ("spain", "1994-95", 2),
        ("spain", "1995-96", 3),
        ("fifa-groups", "1990", 2),
        ("fifa-groups", "1994", 3),
        ("uefa-groups", "1994-95", 2),
        ("uefa-groups", "1995-96", 3),
        ("default", "1950", 3),
    ],
)
def test_points_of_a_win_by_season(name: str, season: str, win: int) -> None:
    assert load_rules(name, season).points.win == win


@pytest.mark.parametrize(
    ("name", "season", "criteria"),
    [
        ("england", "1975-76", ("points", "goal_average")),
        ("england:1", "1976-77", ("points", "goal_difference", "goals_for")),
        ("england:2", "1998-99", ("points", "goals_for", "goal_difference")),
        ("england:1", "1998-99", ("points", "goal_difference", "goals_for")),
        ("default", None, ("points", "goal_difference", "goals_for")),  # D29
        ("brazil", "2023", ("points", "wins", "goal_difference", "goals_for")),
    ],
)
def test_criteria_by_season(name: str, season: str | None, criteria: tuple[str, ...]) -> None:
    assert load_rules(name, season).criteria[: len(criteria)] == criteria


def test_matches_between_level_teams_come_first_from_2026() -> None:
    assert isinstance(load_rules("fifa-groups", "2026").criteria[1], HeadToHead)
    assert load_rules("fifa-groups", "2022").criteria[1] == "goal_difference"


@pytest.mark.parametrize(("season", "holds"), [("1960", False), ("2020-21", True), ("2021-22", False)])
def test_goals_away_from_home_decide_to_2020_21(season: str, holds: bool) -> None:
    assert load_rules("uefa-groups", season).knockout.away_goals is holds


def test_zones_count_from_the_bottom() -> None:
    zones = load_rules("england:3", "2010-11").zones
    names = [
        zone.name if (zone := zone_at(zones, place, 24)) else "" for place in (1, 2, 3, 6, 7, 20, 21, 24)
    ]
    assert names == ["Promotion", "Promotion", "Play-offs", "Play-offs", "", "", "Relegation", "Relegation"]


@pytest.mark.parametrize(
    ("name", "season", "problem"),
    [
        ("scotland", None, "rules: no rule-set 'scotland'; known: brazil, default"),
        ("../default", None, "rules: no rule-set"),
        ("england:9", None, "rules: england has no tier '9'; known: 1, 2, 3, 4"),
        ("spain:1", None, "rules: spain has no tier '1'; known: none"),
        ("spain", "last year", "season: 'last year' is not understood; write 2014-15 or 2014"),
    ],
)
def test_an_unknown_name_names_the_known_ones(name: str, season: str | None, problem: str) -> None:
    with pytest.raises(RulesError) as raised:
        load_rules(name, season)
    assert raised.value.problems[0].startswith(problem)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("title = ", "x.toml: Invalid value"),
        ("", "x.toml: title: Field required"),
        (MINIMAL + "colour = 1", "x.toml: colour: no such setting"),
        (
            MINIMAL.replace('["points"]', '["luck"]'),
            "unknown criterion 'luck'; use one of away_goals, away_wins",
        ),
        (MINIMAL + '[[seasons]]\ncriteria = ["points"]', "x.toml: seasons.0: needs from or to"),
        (MINIMAL + "[[seasons]]\nfrom = 2000\nto = 1999", "x.toml: seasons.0: from 2000 is after to 1999"),
        (
            MINIMAL + 'zones = [{ name = "Z", kind = "title", places = [-1, -3] }]',
            "write the first and the last place",
        ),
        (
            MINIMAL + 'zones = [{ name = "Z", kind = "nice", places = [1, 1] }]',
            "x.toml: zones.0.kind: Input should be",
        ),
        (MINIMAL.replace("win = 3", "win = -3"), "x.toml: points.win: Input should be greater"),
    ],
)
def test_an_error_in_a_file_names_the_field_and_the_repair(text: str, problem: str) -> None:
    with pytest.raises(RulesError) as raised:
        parse_rules(text, "x.toml")
    assert problem in raised.value.problems[0] or any(problem in each for each in raised.value.problems)
