"""Templates: columns, parts that are left out, and plays without metadata."""

from __future__ import annotations

from typing import Any

import pytest

from appliance.box.datasets.model import Play
from appliance.box.datasets.plays.prompts import (
    BOX_TEMPLATE,
    DEFAULT_TEMPLATE,
    PROMPT_MAX,
    BadTemplate,
    Prompt,
    Template,
)


def play(angle: str = "LEFT", **fields: Any) -> Play:
    return Play(id="p1", game_id="g1", angle=angle, start_s=0, end_s=1, fields=fields)


def test_the_text_is_made_from_the_play() -> None:  # T20
    text = Template(DEFAULT_TEMPLATE).fill(play(play_type="offensive", players=["4", "12"]))
    assert text == Prompt("Basketball offensive play from left side with 2 players", False)


def test_a_play_without_metadata_gets_the_generic_text() -> None:  # T20a
    assert Template(DEFAULT_TEMPLATE).fill(play("RIGHT")) == Prompt("Basketball play from right side", True)
    assert Template(BOX_TEMPLATE).fill(play("")) == Prompt("Play", True)


def test_a_tag_of_the_box_is_carried_but_not_the_coaches_notes() -> None:  # T20a
    fields = {"play_type": "pass", "down": 3, "distance": 7, "labels": ["blitz", "red zone"], "notes": None}
    filled = Template(BOX_TEMPLATE).fill(play("", **fields, coach_notes="tired", is_important=True))
    assert filled == Prompt("Pass play, down 3 and 7 (blitz, red zone)", False)


def test_signs_of_the_template_are_written_twice() -> None:
    assert Template("{{a}} [[b]] {c}").fill(play(c="x")).text == "{a} [b] x"


def test_the_text_is_one_bounded_line() -> None:
    filled = Template("{a} {b}").fill(play(a="two\nlines ", b="x" * 5000))
    assert "\n" not in filled.text and len(filled.text) == PROMPT_MAX


@pytest.mark.parametrize("text", ["", "  ", "{", "}", "{a b}", "[a", "a]", "[a [b]]", "{0}", "{a.b}"])
def test_a_wrong_template_is_refused(text: str) -> None:
    with pytest.raises(BadTemplate):
        Template(text)


@pytest.mark.parametrize(
    ("value", "shown"), [(3.0, "3"), (2.5, "2.5"), (False, ""), (True, "yes"), ({"a": 1}, ""), (None, "")]
)
def test_values_are_shown_as_words(value: Any, shown: str) -> None:
    assert Template("x{a}").fill(play(a=value)).text == f"X{shown}"
