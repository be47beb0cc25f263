"""Football.TXT: the forms that files of fifteen years have, line by line."""

from __future__ import annotations

from datetime import UTC
from zoneinfo import ZoneInfo

import pytest

from appliance.cloud.scoring.imports.football_txt import read_txt
from appliance.cloud.scoring.imports.model import FileMatch, SeasonFile
from appliance.cloud.scoring.imports.txt_dates import Calendar, Written, leading_date, season_years
from appliance.cloud.scoring.imports.txt_score import SCORE, Score, plain, read_score


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2-1", Score((2, 1))),
        ("2–1", Score((2, 1))),
        ("2:1 (1:0)", Score((2, 1), (1, 0))),
        ("4-1 a.e.t. (3-1, 1-0)", Score((3, 1), (1, 0), (4, 1))),
        ("1-2 a.e.t. (1-1)", Score((1, 1), None, (1, 2))),
        ("2-2 a.e.t.", Score(None, None, (2, 2))),
        ("4-1 a.e.t. (1-1, )", Score((1, 1), None, (4, 1))),
        ("1-1 a.e.t. 1-1", Score((1, 1), None, (1, 1))),
        ("4-3 pen. 1-0 a.e.t. (1-0, 1-0)", Score((1, 0), (1, 0), (1, 0), (4, 3))),
        ("3-2 pen. (1-0 a.e.t.)", Score(None, None, (1, 0), (3, 2))),
        ("5-4 pen. 0-0", Score((0, 0), None, None, (5, 4))),
        ("3-3 a.e.t. (2-2, 2-0), 4-2 pen.", Score((2, 2), (2, 0), (3, 3), (4, 2))),
        ("4-2 pen. (1-1, 0-0)", Score((1, 1), (0, 0), None, (4, 2))),
    ],
)
def test_scores(text: str, expected: Score) -> None:
    found = SCORE.search(f"Home Town  {plain(text)}  Away City")
    assert found is not None and read_score(found[0]) == expected
    at_the_end = SCORE.search(f"Home Town v Away City  {plain(text)}")
    assert at_the_end is not None and read_score(at_the_end[0]) == expected


@pytest.mark.parametrize(
    ("text", "written", "rest"),
    [
        ("Tue Feb/14 2012", Written(2, 14, 2012, 1), ""),
        ("Sat Aug 16", Written(8, 16, None, 5), ""),
        ("Jun/11 16:00  A", Written(6, 11, None, None), "16:00  A"),
        ("27 May   Sweden", Written(5, 27, None, None), "Sweden"),
        ("17.09.2013 20.45 (Tu) A", Written(9, 17, 2013, None), "20.45 (Tu) A"),
        ("2014-08-16", Written(8, 16, 2014, None), ""),
        ("Jun 14 2000    Boca", Written(6, 14, 2000, None), "Boca"),
    ],
)
def test_dates(text: str, written: Written, rest: str) -> None:
    assert leading_date(text) == (written, rest)


@pytest.mark.parametrize(
    "text", ["Mar del Plata 2-1 Boca", "20.45  A  1-0  B", "May United", "Mayfield 12-1 X"]
)
def test_names_are_no_dates(text: str) -> None:
    assert leading_date(text) is None


@pytest.mark.parametrize(
    ("years", "written", "day", "problem"),
    [
        ((2011, 2012), Written(9, 14, None, 2), "2011-09-14", ""),
        ((2011, 2012), Written(2, 15, None, 2), "2012-02-15", ""),
        ((2019, 2020), Written(7, 26, None, 6), "2020-07-26", ""),  # a season that went on into July
        ((2013, 2014), Written(9, 19, None, 1), "2013-09-19", "2013-09-19 is a Thursday"),
        ((2014,), Written(6, 12, None, None), "2014-06-12", ""),
        ((), Written(6, 12, None, None), None, "a date without a year, and the season is not known"),
        ((2014,), Written(2, 30, None, None), None, "there is no 30 in month 2 of 2014"),
    ],
)
def test_years(years: tuple[int, ...], written: Written, day: str | None, problem: str) -> None:
    assert Calendar(years).resolve(written) == (day, problem)


def test_years_of_a_season() -> None:
    assert [season_years(text) for text in ("CL 2011/12", "2014-2015", "World Cup 2010", "Cup")] == [
        (2011, 2012),
        (2014, 2015),
        (2010,),
        (),
    ]


def read(text: str, season: str = "") -> SeasonFile:
    return read_txt(text, UTC, season=season)


def facts(match: FileMatch) -> tuple[object, ...]:
    return match.round, match.date, (match.kickoff or "")[11:16], match.home, match.score, match.away


def test_a_league_with_marked_matchdays() -> None:
    file = read(
        "= English Premier League 2014/15\n\n# Matches 380\n\n▪ Matchday 1\nSat Aug 16\n"
        "  12:45  Manchester United        1-2 (0-1)  Swansea City\n"
        "         Leicester City           2-2 (1-2)  Everton FC\n"
        "Sun Jan 17\n  16:00  Newcastle United         0-2 (0-1)  Manchester City\n"
    )
    assert file.defects == [file.defects[0]] and "2015-01-17 is a Saturday" in file.defects[0].detail
    assert [facts(match) for match in file.matches] == [
        ("Matchday 1", "2014-08-16", "12:45", "Manchester United", (1, 2), "Swansea City"),
        ("Matchday 1", "2014-08-16", "12:45", "Leicester City", (2, 2), "Everton FC"),
        ("Matchday 1", "2015-01-17", "16:00", "Newcastle United", (0, 2), "Manchester City"),
    ]
    assert [match.line for match in file.matches] == [7, 8, 10]


def test_groups_with_versus_and_knockouts_with_kicks() -> None:
    file = read(
        "= UEFA Champions League 2011/12\n\n» Group A\n  Wed Sep/14 2011\n"
        "    20.45  Manchester City (ENG)   v SSC Napoli (ITA)         1-1 (0-0)\n"
        "» Round of 16\n  Wed Mar/7 2012\n"
        "    20.45  APOEL Nikosia (CYP)     v Olympique Lyonnais (FRA)  4-3 pen. 1-0 a.e.t. (1-0, 1-0)\n"
    )
    first, second = file.matches
    assert (first.kind, first.group, first.home, first.away) == (
        "group",
        "Group A",
        "Manchester City (ENG)",
        "SSC Napoli (ITA)",
    )
    assert (first.score, first.half_time, first.slug) == ((1, 1), (0, 0), "group-stage-1")
    assert (second.kind, second.round, second.shoot_out, second.extra_time) == (
        "knockout",
        "Round of 16",
        (4, 3),
        (1, 0),
    )
    assert file.defects == []


def test_groups_that_are_listed_first() -> None:
    file = read(
        "= World Cup 2010\nGroup A  |  Mexico  France\nGroup B  |  Brazil  Chile\n\n"
        "Matchday 1  |  Fri Jun/11\n\n"
        "Group A\n(1) Fri Jun/11 16:00    Mexico  1-1  France      @ Soccer City, Johannesburg (UTC+2)\n"
        "Matchday 2\n(2) Sat Jun/12 Brazil - Chile  @ Ellis Park\n"
        "Final\n(64) Sun Jul/11  W61  v W62\n"
    )
    first, second, final = file.matches
    assert (first.group, first.number, first.kickoff) == ("Group A", 1, "2010-06-11T14:00:00Z")
    assert (second.group, second.kind, second.round, second.score) == ("Group B", "group", "Matchday 2", None)
    assert (final.kind, final.home, final.number) == ("knockout", "W61", 64)
    assert (
        file.groups == {"Group A": ["Mexico", "France"], "Group B": ["Brazil", "Chile"]}
        and file.defects == []
    )


def test_old_headings_in_brackets_and_numbers() -> None:
    file = read(
        "(9) Round of 16 - 1st Leg   //  (Tu+We) 18-19 February 2014\n\n[Tue Feb/18]\n"
        "  20.45   Manchester City      0-2  FC Barcelona\n\n"
        "(10) Round of 16 - 2nd Leg\n[Tue Mar/11]\n"
        "  20.45   FC Barcelona  2-1  Manchester City  @ Camp Nou\n\n"
        "(3) Matchday 1 / Group B\n17.09.2013 20.45 (Tu)  Galatasaray   1-6  Real Madrid\n",
        season="2013-14",
    )
    one, two, three = file.matches
    assert [(match.round, match.leg) for match in (one, two)] == [("Round of 16", 1), ("Round of 16", 2)]
    assert (one.date, two.date) == ("2014-02-18", "2014-03-11")
    assert (three.group, three.round, three.date, three.home) == (
        "Group B",
        "Matchday 1",
        "2013-09-17",
        "Galatasaray",
    )
    assert file.defects == []


def test_goals_line_ups_and_referees_are_read_over() -> None:
    file = read(
        "= Final 2000\nFinal - Second Leg\n\n"
        "Jun 21 2000   Palmeiras    0-0  Boca Juniors   @ São Paulo, BRA  (att: 75000)\n"
        "   [2-2 on aggregate; 2-4 on penalties]\n\nReferee: Epifanio González (PAR)\n"
        "PALMEIRAS: Marcos - Rogéiro, Argel,\n           Galeano, Alex;\n           Coach: Scolari\n\n"
        "  (Neymar 29', 71' Oscar 90+1'; Marcelo 11' (og))\nGoals: Galic 11' Zanetic 55'\n"
    )
    (match,) = file.matches
    assert (match.score, match.shoot_out, match.leg) == ((0, 0), (2, 4), 2) and file.defects == []


@pytest.mark.parametrize(
    ("line", "status", "detail", "official"),
    [
        ("A  0-3 [awarded]  B", "ended", "awarded", (0, 3)),
        ("A  0-3  B  [awarded]", "ended", "awarded", (0, 3)),
        ("A v B [postponed]", "not-defined", "postponed", None),
        ("A  postponed  B", "not-defined", "postponed", None),
        ("A  1-0  B [abandoned]", "not-defined", "abandoned", None),
        ("A v B [cancelled]", "not-defined", "cancelled", None),
        ("A  w/o  B", "ended", "walkover", None),
        ("A n/p B   [cancelled; B withdrew]  @ Lyon", "not-defined", "cancelled", None),
    ],
)
def test_statuses(line: str, status: str, detail: str, official: tuple[int, int] | None) -> None:
    (match,) = read(f"= L 2014\nMatchday 1\nSat Aug 16\n{line}\n").matches
    assert (match.home, match.away, match.status, match.detail, match.official) == (
        "A",
        "B",
        status,
        detail,
        official,
    )


def test_a_line_that_is_nothing_is_named() -> None:
    file = read("= L 2014\nMatchday 1\nSat Aug 16\nA 1-0 B\n!!! what is this\n")
    assert [(each.line, each.code) for each in file.defects] == [(5, "not_understood")]
    assert (file.found, len(file.matches)) == (1, 1)


def test_a_match_before_any_date_is_kept_without_one() -> None:
    file = read("= L 2014\nMatchday 1\nA 1-0 B\n")
    assert [each.code for each in file.defects] == ["no_date"] and file.matches[0].date is None


def test_several_competitions_in_one_file_are_stages() -> None:
    file = read(
        "= English Championship - Play-offs 2014/15\nSemi-finals\n[Fri May/8]\n"
        "  Brentford  1-2  Middlesbrough\n"
        "= English League One - Play-offs 2014/15\nSemi-finals\n[Thu May/7]\n  Chesterfield  0-1  Preston\n"
    )
    assert [match.stage for match in file.matches] == ["Knockout", "English League One - Play-offs"]
    assert [match.date for match in file.matches] == ["2015-05-08", "2015-05-07"] and file.defects == []


def test_a_marked_heading_with_its_days_is_a_heading() -> None:
    """1950: the final round was a table. Read as a list of days, its matches would be of the last group."""
    file = read(
        "= World Cup 1950\n▪ First round |   June 24 - July 2\n▪ Group 4\nJuly 2\n  Uruguay  8-0  Bolivia\n"
        "▪ Final Round | July 9-16\nJuly 9\n  Uruguay  2-2  Spain\n"
    )
    assert [(match.kind, match.stage, match.group) for match in file.matches] == [
        ("group", "Group stage", "Group 4"),
        ("league", "Final Round", ""),
    ]


def test_headings_of_the_second_level_are_stages() -> None:
    file = read(
        "= L 2014/15\n== Apertura\n▪ Matchday 1\nSat Aug 16\nA 1-0 B\n== Round of 16\nSat Feb 7\nA 1-0 B\n"
    )
    assert [(match.stage, match.round, match.kind) for match in file.matches] == [
        ("Apertura", "Matchday 1", "league"),
        ("Knockout", "Round of 16", "knockout"),
    ]


def test_times_without_a_zone_are_one_defect() -> None:
    text = "= L 2014\nMatchday 1\nSat Aug 16\n20:45 A 1-0 B\n20:45 C 1-0 D\n"
    assert [(each.line, each.code) for each in read_txt(text, None).defects] == [(4, "no_zone")]
    assert read_txt(text, ZoneInfo("Europe/Madrid")).matches[0].kickoff == "2014-08-16T18:45:00Z"
