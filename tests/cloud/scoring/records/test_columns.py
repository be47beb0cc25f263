"""Rows of matches as the pure records, and back."""

from __future__ import annotations

from dataclasses import fields

from appliance.cloud.scoring.records.columns import as_match, new_row, side
from tests.cloud.scoring.records.kit import given


def test_a_row_gives_back_what_the_file_said() -> None:
    said = given(
        "A 1-1 B",
        half_time=(1, 0),
        extra_time=(2, 2),
        shoot_out=(4, 2),
        number=7,
        leg=2,
        kind="knockout",
        is_neutral=True,
    )
    match = as_match({"id": "m", **new_row(said, "A", "B")})
    names = {field.name for field in fields(match)} & {field.name for field in fields(said)}
    assert {name: getattr(match, name) for name in names} == {name: getattr(said, name) for name in names}
    assert match.id == "m"


def test_a_placeholder_is_a_slot_and_no_team() -> None:
    row = new_row(given("W49 v 1A"), "W49", "1A")
    assert (row["home_team_id"], row["home_slot"], row["away_team_id"], row["away_slot"]) == (
        None,
        "W49",
        None,
        "1A",
    )
    assert (side(row, "home"), side(row, "away")) == ("W49", "1A")
