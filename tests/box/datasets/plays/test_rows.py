"""Files of games and plays: what is accepted, and what an error says."""

from __future__ import annotations

import pytest

from appliance.box.datasets.plays.rows import BadInput, checked_ids, is_id, read_games, read_rows

CSV = "id,game_id,angle,start_timestamp,end_timestamp,play_type\np1,g1,LEFT,1.5,4,\np2,g1,RIGHT,2,5,drive\n"


def test_games_are_an_array_and_each_runs_once() -> None:  # T01
    assert read_games('{"game_ids": ["g2", "g1", "g2"]}') == ["g2", "g1"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[]", "not an array"),
        ('{"game_ids": "g1"}', "not an array"),
        ('{"game_ids": ["../etc"]}', "no id of a game"),
        ('{"game_ids": [1]}', "no id of a game"),
        ("{", "not JSON"),
    ],
)
def test_other_files_of_games_are_refused_with_the_reason(text: str, words: str) -> None:  # T01
    with pytest.raises(BadInput, match=words):
        read_games(text)


def test_every_column_is_read_and_an_empty_cell_is_none() -> None:  # T08
    first, second = read_rows(CSV, "plays.csv")
    assert "play_type" not in first and first["start_timestamp"] == "1.5"
    assert second["play_type"] == "drive"


@pytest.mark.parametrize("name", ["plays.csv", "PLAYS.CSV"])
def test_a_byte_order_mark_and_short_lines_are_harmless(name: str) -> None:
    rows = read_rows("\N{BYTE ORDER MARK}" + CSV + "p3,g1\n" + "p4,g1,LEFT,1,2,a,surplus\n", name)
    assert rows[0]["id"] == "p1" and rows[2] == {"id": "p3", "game_id": "g1"} and rows[3]["play_type"] == "a"


@pytest.mark.parametrize("text", ['[{"id": "p1"}]', '{"data": [{"id": "p1"}]}'])
def test_json_is_an_array_or_the_answer_of_the_api(text: str) -> None:  # T08
    assert read_rows(text, "plays.json") == [{"id": "p1"}]


def test_jsonl_is_a_row_for_each_line() -> None:
    assert read_rows('{"id": "p1"}\n\n{"id": "p2"}\n', "plays.jsonl") == [{"id": "p1"}, {"id": "p2"}]


@pytest.mark.parametrize(
    ("text", "name", "words"),
    [
        ("id,game_id\n", "plays.csv", "no column angle, start_timestamp, end_timestamp"),
        ("", "plays.csv", "no column id"),
        ('id,game_id,angle,start_timestamp,end_timestamp\n"p1', "plays.csv", "no CSV"),
        ('{"rows": []}', "plays.json", "array of objects"),
        ("[1]", "plays.json", "array of objects"),
        ('{"id": "p1"}\n{', "plays.jsonl", "line 2 is not JSON"),
        ("", "plays.xml", ".csv, .json or .jsonl"),
    ],
)
def test_a_file_that_cannot_be_used_says_what_to_change(text: str, name: str, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        read_rows(text, name)


@pytest.mark.parametrize("text", ["a.b", "", "a/b", "..", "é", "a b", "x" * 129])
def test_an_id_is_a_part_of_a_path_and_of_a_sample(text: str) -> None:
    assert not is_id(text)
    with pytest.raises(BadInput):
        checked_ids([text])
    assert is_id("23135de8-36ca-4882-bdf1-8796cd8caa8a")
