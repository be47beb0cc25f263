"""Rows become plays or rejections: one bad row never stops a game."""

from __future__ import annotations

from typing import Any

import pytest

from appliance.box.datasets.plays.checked import checked_plays, plays_of_games


def row(play_id: str = "p1", **changes: Any) -> dict[str, Any]:
    fields = {"game_id": "g1", "angle": "LEFT", "start_timestamp": 10.0, "end_timestamp": 14.5}
    return {"id": play_id, **fields, **changes}


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"end_timestamp": 10.0}, "bad_range"),
        ({"end_timestamp": "9"}, "bad_range"),
        ({"start_timestamp": -0.1}, "negative"),
        ({"start_timestamp": None}, "missing"),
        ({"end_timestamp": ""}, "missing"),
        ({"start_timestamp": "nan"}, "bad_time"),
        ({"end_timestamp": "inf"}, "bad_time"),
        ({"end_timestamp": True}, "bad_time"),
        ({"end_timestamp": 1_764_000_000}, "bad_time"),
        ({"end_timestamp": "10:30"}, "bad_time"),
        ({"angle": "MIDDLE"}, "unknown_angle"),
        ({"angle": None}, "unknown_angle"),
        ({"id": "../p"}, "bad_id"),
        ({"id": None}, "bad_id"),
    ],
)
def test_a_bad_row_is_rejected_with_its_reason_and_the_others_stay(
    changes: dict[str, Any], code: str
) -> None:  # T09, T10
    game = checked_plays("g1", [row(**changes), row("p2")])
    assert [play.id for play in game.plays] == ["p2"]
    assert [(each.code, each.game_id) for each in game.rejections] == [(code, "g1")]
    assert game.rejections[0].reason and game.rows == 2


def test_of_two_rows_with_one_id_the_first_stays() -> None:  # T09
    game = checked_plays("g1", [row(), row(start_timestamp=11.0)])
    assert [play.start_s for play in game.plays] == [10.0]
    assert [each.code for each in game.rejections] == ["duplicate_id"]


def test_plays_are_in_order_of_their_start_with_all_other_columns() -> None:  # T08
    game = checked_plays("g1", [row("p2", start_timestamp="12", play_type="drive", score=3), row("p1")])
    assert [(play.id, play.start_s) for play in game.plays] == [("p1", 10.0), ("p2", 12.0)]
    assert game.plays[1].fields == {"play_type": "drive", "score": 3}


def test_a_game_without_rows_is_not_known() -> None:  # T28
    unknown, known = plays_of_games([row(angle="UP"), row("x", game_id="other")], ["g0", "g1"])
    assert not unknown.is_known and unknown.rows == 0
    assert known.is_known and not known.plays and known.rows == 1
