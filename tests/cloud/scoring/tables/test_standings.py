"""Which results count: days, venues, offices, adjustments, the early end of a season, phases."""

from __future__ import annotations

import pytest

from appliance.cloud.scoring.tables.model import Adjustment, Curtailed, Decision, Excluded, View
from appliance.cloud.scoring.tables.standings import phase_tables, standings
from tests.cloud.scoring.kit import by_team, order, played, rows, season, shown


def test_a_row_has_everything() -> None:  # D29
    table = by_team(season("A 2-1 B", "B 0-0 A", "A 0-3 C"))
    row = table["A"]
    assert (row.played, row.won, row.drawn, row.lost) == (3, 1, 1, 1)
    assert (row.goals_for, row.goals_against, row.goal_difference, row.points) == (2, 4, -2, 4)
    assert (row.form, row.points_per_game, row.position, row.zone) == ("WDL", 1.3333, 1, "First")


def test_a_shoot_out_adds_no_goals() -> None:  # D22
    table = by_team(season(played("A 1-1 B", shoot_out=(5, 4))))
    assert (table["A"].goals_for, table["A"].points) == (1, 1)


def test_points_are_taken_from_the_day_of_the_decision_on() -> None:
    of = season("A 1-0 B", "A 1-0 C", "B 1-0 C", adjustments=[Adjustment("A", -9, "2026-01-02")])
    assert shown(rows(of, as_of="2026-01-01"))[0] == (1, "A", 3)
    late = by_team(of)["A"]
    assert (late.points, late.adjustment, late.won) == (-3, -9, 2) and order(of)[-1] == "A"


def test_adjustments_count_once_where_a_team_has_two_tables() -> None:
    of = season(
        played("A 1-0 B", stage="Apertura", date="2026-02-01"),
        played("B 1-0 A", stage="Clausura", date="2026-08-01"),
        adjustments=[
            Adjustment("A", -1, "2026-03-01"),
            Adjustment("B", -2, "2026-09-01"),
            Adjustment("B", 5, "2026-09-01", "Apertura"),
        ],
    )
    assert [(row.stage, row.team, row.points) for row in rows(of)] == [
        ("Apertura", "B", 5),
        ("Apertura", "A", 2),
        ("Clausura", "B", 1),
        ("Clausura", "A", 0),
    ]


@pytest.mark.parametrize("day", ["2025-12-31", "2026-01-01", "2026-01-02", "2026-01-03"])
def test_a_table_as_of_a_day_is_that_of_the_season_cut_there(day: str) -> None:
    whole = season("A 1-0 B", "B 2-0 C", "C 3-0 A", decisions=[Decision("", "", ("C", "B"), "2026-01-03")])
    cut = season(
        *[
            match if (match.date or "") <= day else played(f"{match.home} v {match.away}", id=match.id)
            for match in whole.matches
        ]
    )
    assert rows(whole, as_of=day) == rows(cut, as_of=day)


def test_an_awarded_result_counts_from_its_day_and_the_pitch_result_before() -> None:
    """As Union - Bochum in December 2024: 1-1 on the pitch, 0-2 by the office weeks later."""
    match = played("A 1-1 B", official=(0, 2), official_on="2026-01-09")
    of = season(match)
    assert [(row.team, row.points, row.goals_for) for row in rows(of)] == [("B", 3, 2), ("A", 0, 0)]
    assert {row.points for row in rows(of, as_of="2026-01-08")} == {1}
    assert match.score == (1, 1)


def test_an_abandoned_match_counts_once_official() -> None:
    stopped = played("A 2-0 B", status="not-defined", detail="abandoned")
    assert {row.played for row in rows(season(stopped))} == {0}
    confirmed = played("A 2-0 B", status="not-defined", detail="abandoned", official=(2, 0))
    assert by_team(season(confirmed))["A"].points == 3


def test_postponed_and_cancelled_matches_do_not_count() -> None:
    for detail in ("postponed", "cancelled"):
        assert {
            row.played for row in rows(season(played("A 1-0 B", status="not-defined", detail=detail)))
        } == {0}


def test_points_per_game_decide_a_season_that_ended_early() -> None:
    """As League One in 2019-20: Wycombe rose from eighth to third; later results do not count."""
    matches = ("A 1-0 B", "A 0-0 C", "C 1-0 B", "A 0-1 D", "B 0-0 A", "D 1-0 B")
    stand = order(season(*matches, curtailed=Curtailed("as_it_stands", "2026-01-05")))
    average = season(*matches, curtailed=Curtailed("points_per_game", "2026-01-05"))
    assert stand[0] == "A" and order(average)[0] == "D"
    assert [(row.team, row.played, row.points_per_game) for row in rows(average)][:2] == [
        ("D", 1, 3.0),
        ("C", 2, 2.0),
    ]
    assert rows(average)[0].clinched
    assert order(average, as_of="2026-01-04") == order(season(*matches), as_of="2026-01-04")


def test_a_void_season_has_no_zones() -> None:
    void = season("A 1-0 B", curtailed=Curtailed("void", "2026-02-01"))
    assert {(row.zone, row.clinched) for row in rows(void)} == {(None, False)}


def test_an_expunged_club_leaves_no_trace() -> None:
    """As Bury in 2019-20."""
    of = season("A 1-0 BURY", "B 2-0 A", excluded=[Excluded("BURY", "expunge", "2026-01-09")])
    assert shown(rows(of)) == [(1, "B", 3), (2, "A", 0)]
    assert len(rows(of, as_of="2026-01-08")) == 3


@pytest.mark.parametrize(
    ("view", "expected"),
    [
        ({"venue": "home"}, [("A", 1, 3), ("C", 1, 3), ("B", 1, 1)]),
        ({"venue": "away"}, [("A", 1, 1), ("B", 1, 0), ("C", 1, 0)]),
        ({"last": 1}, [("C", 1, 3), ("A", 1, 0), ("B", 1, 1)]),
    ],
)
def test_tables_of_home_matches_away_matches_and_the_last_ones(
    view: dict[str, object], expected: list[tuple[str, int, int]]
) -> None:
    of = season("A 2-0 B", "B 0-0 A", "C 1-0 D", "D 0-1 C", "C 1-0 A")
    table = by_team(of, **view)
    assert all(row.zone is None and not row.clinched and row.best is None for row in table.values())
    if view == {"venue": "home"}:
        assert {team: row.points for team, row in table.items()} == {"A": 3, "B": 1, "C": 6, "D": 0}
    if view == {"venue": "away"}:
        assert {team: row.points for team, row in table.items()} == {"A": 1, "B": 0, "C": 3, "D": 0}
    if view == {"last": 1}:
        assert {team: (row.played, row.points) for team, row in table.items()} == {
            "A": (1, 0), "B": (1, 1), "C": (1, 3), "D": (1, 0),
        }  # fmt: skip


def test_live_scores_make_a_provisional_table() -> None:
    of = season(played("A 1-0 B", status="open", detail="inprogress"), "B 1-0 C")
    assert by_team(of)["A"].played == 0 and not standings(of).is_provisional
    live = standings(of, View(live=True))
    assert live.is_provisional and {row.team: row.points for row in live.rows}["A"] == 3
    assert standings(season(played("A 1-0 B", is_provisional=True))).is_provisional


def test_every_group_and_phase_has_its_own_table_and_cups_have_none() -> None:
    of = season(
        played("A 1-0 B", kind="group", stage="Group stage", group="Group B"),
        played("C 1-0 D", kind="group", stage="Group stage", group="Group A"),
        played("A 1-0 C", kind="knockout", stage="Knockout", round="Final", date="2026-05-01"),
    )
    assert [(row.group, row.team, row.position) for row in rows(of)] == [
        ("Group A", "C", 1), ("Group A", "D", 2), ("Group B", "A", 1), ("Group B", "B", 2),
    ]  # fmt: skip
    for name in ("Group A", "group a", "A", "a"):
        assert [row.team for row in rows(of, group=name)] == ["C", "D"]
    assert rows(of, stage="knockout") == ()


def test_teams_without_a_match_have_a_row() -> None:
    of = season("A 1-0 B", groups={("", ""): ["A", "B", "C"]})
    assert [(row.team, row.played, row.form) for row in rows(of)] == [
        ("A", 1, "W"),
        ("C", 0, ""),
        ("B", 1, "L"),
    ]


def test_one_more_result_changes_the_same_table_as_from_the_start() -> None:
    of = season("A 1-0 B", "B 2-0 C", "C 3-3 A")
    (table,) = phase_tables(season("A 1-0 B", "B 2-0 C", played("C v A", id="m002")))
    (done,) = phase_tables(of)
    table.ledger.add(done.ledger.results["m002"])
    table.open_pairs = ()
    assert table.rows() == done.rows()
    table.ledger.remove("m002")
    table.open_pairs = (("C", "A"),)
    assert table.rows() == rows(season("A 1-0 B", "B 2-0 C", played("C v A", id="m002")))
    with pytest.raises(ValueError, match="counted already"):
        done.ledger.add(done.ledger.results["m002"])


def test_results_of_an_excluded_team_count_up_to_its_last_day() -> None:
    """`void_rest`: a match that is entered for a later day, whichever side it is, counts for neither."""
    texts = ("A 1-0 C", "C 1-0 B", "C 5-0 A", "B 0-3 C", "A 2-0 B")
    dates = ("2026-01-01", "2026-01-02", "2026-01-03", "2026-01-04", "2026-01-05")
    matches = [played(text, date=date) for text, date in zip(texts, dates, strict=True)]
    of = season(*matches, excluded=[Excluded("C", "void_rest", "2026-01-02")])
    table = by_team(of)
    assert {team: (row.played, row.points) for team, row in table.items()} == {
        "A": (2, 6),
        "B": (2, 0),
        "C": (2, 3),
    }
    before = season(*matches)
    assert rows(of, as_of="2026-01-01") == rows(before, as_of="2026-01-01")
    late = season(*matches, excluded=[Excluded("C", "void_rest", "2026-01-04")])
    assert by_team(late)["C"].played == 4
    assert rows(late, as_of="2026-01-03") == rows(before, as_of="2026-01-03")
