"""A whole tournament from its file: eight tables row by row, and the bracket from its slots to the final."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

from appliance.cloud.scoring.imports.football_txt import read_txt
from appliance.cloud.scoring.imports.model import SeasonFile
from appliance.cloud.scoring.knockouts.bracket import Bracket, draw_bracket
from appliance.cloud.scoring.knockouts.groups import placed_by
from appliance.cloud.scoring.match import Match
from appliance.cloud.scoring.rules.reader import load_rules
from appliance.cloud.scoring.tables.model import Row, Season, View
from appliance.cloud.scoring.tables.standings import standings

DATA = Path(__file__).parents[2] / "data/football/2010.world-cup.txt"
PUBLISHED = """
A Uruguay 3 2 1 0 4 0 7 | Mexico 3 1 1 1 3 2 4 | South Africa 3 1 1 1 3 5 4 | France 3 0 1 2 1 4 1
B Argentina 3 3 0 0 7 1 9 | South Korea 3 1 1 1 5 6 4 | Greece 3 1 0 2 2 5 3 | Nigeria 3 0 1 2 3 5 1
C USA 3 1 2 0 4 3 5 | England 3 1 2 0 2 1 5 | Slovenia 3 1 1 1 3 3 4 | Algeria 3 0 1 2 0 2 1
D Germany 3 2 0 1 5 1 6 | Ghana 3 1 1 1 2 2 4 | Australia 3 1 1 1 3 6 4 | Serbia 3 1 0 2 2 3 3
E Netherlands 3 3 0 0 5 1 9 | Japan 3 2 0 1 4 2 6 | Denmark 3 1 0 2 3 6 3 | Cameroon 3 0 0 3 2 5 0
F Paraguay 3 1 2 0 3 1 5 | Slovakia 3 1 1 1 4 5 4 | New Zealand 3 0 3 0 2 2 3 | Italy 3 0 2 1 4 5 2
G Brazil 3 2 1 0 5 2 7 | Portugal 3 1 2 0 7 0 5 | Côte d'Ivoire 3 1 1 1 4 3 4 | North Korea 3 0 0 3 1 12 0
H Spain 3 2 0 1 4 2 6 | Chile 3 2 0 1 3 2 6 | Switzerland 3 1 1 1 1 1 4 | Honduras 3 0 1 2 0 3 1
"""


@cache
def file() -> SeasonFile:
    return read_txt(DATA.read_text(), ZoneInfo("Africa/Johannesburg"))


def season() -> Season:
    matches = [
        Match(
            f"m{each.number:02}",
            each.home,
            each.away,
            kind=each.kind,
            stage=each.stage,
            group=each.group,
            round=each.round,
            number=each.number,
            date=each.date,
            status=each.status,
            score=each.score,
            extra_time=each.extra_time,
            shoot_out=each.shoot_out,
        )
        for each in file().matches
    ]
    return Season(load_rules("fifa-groups", "2010"), matches)


def bracket(rows: tuple[Row, ...], as_of: str | None = None) -> Bracket:
    of = season()
    placed = placed_by(rows, None, (), {})
    return draw_bracket(of.matches, of.rules.knockout, placed=placed, as_of=as_of)


def test_the_whole_file_is_understood() -> None:
    assert (file().found, len(file().matches), file().defects) == (64, 64, [])
    assert file().matches[0].kickoff == "2010-06-11T14:00:00Z"


def test_every_table_row_by_row() -> None:
    rows = standings(season()).rows
    shown = {f"Group {line[0]}": line[2:].split(" | ") for line in PUBLISHED.strip().splitlines()}
    for group, published in shown.items():
        table = [row for row in rows if row.group == group]
        assert [
            " ".join(
                map(
                    str,
                    (
                        row.team,
                        row.played,
                        row.won,
                        row.drawn,
                        row.lost,
                        row.goals_for,
                        row.goals_against,
                        row.points,
                    ),
                )
            )
            for row in table
        ] == published
        assert [row.position for row in table] == [1, 2, 3, 4]
        assert [row.clinched for row in table] == [True, True, False, False]
        assert [row.eliminated for row in table] == [False, False, True, True]


def test_the_bracket_from_slots_to_the_final() -> None:
    ties = {tie.legs[0]: tie for tie in bracket(standings(season()).rows).ties}
    assert (ties["m50"].home, ties["m50"].away, ties["m50"].winner) == ("USA", "Ghana", "Ghana")
    assert ties["m50"].decided_by == "extra_time"
    assert (ties["m55"].winner, ties["m55"].decided_by) == ("Paraguay", "penalties")
    assert (ties["m63"].home, ties["m63"].away, ties["m63"].winner) == ("Uruguay", "Germany", "Germany")
    assert (ties["m64"].home, ties["m64"].away, ties["m64"].winner) == ("Netherlands", "Spain", "Spain")
    assert ties["m61"].feeds == ties["m62"].feeds == ties["m64"].id


def test_after_the_second_round_of_matches_only_certain_places_are_taken() -> None:
    """On 21 June the Netherlands and Brazil were through; first place was certain for neither of them."""
    day = "2010-06-21"
    rows = {row.team: row for row in standings(season(), View(as_of=day)).rows}
    assert {team for team, row in rows.items() if row.clinched} == {"Netherlands", "Brazil"}
    assert {team for team, row in rows.items() if row.eliminated} == {"Cameroon", "North Korea"}
    drawn = bracket(standings(season(), View(as_of=day)).rows, day)
    assert all(tie.winner is None for tie in drawn.ties)
