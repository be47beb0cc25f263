"""Codes, tokens and media keys."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.access import core
from appliance.access.model import MINUTES_MAX

DEVICE = "0193b2f0-7c1e-7a55-9d3e-1f2a3b4c5d6e"


def test_a_code_is_read_as_people_type_it() -> None:
    assert core.read_code("7qk2-m9xt") == core.read_code(" 7QK2 M9XT ") == "7QK2M9XT"
    assert core.read_code("OIL0-0000") == "01100000"


@pytest.mark.parametrize("text", ["", "7QK2-M9X", "7QK2-M9XTT", "7QK2-M9X!", "7QK2-M9XU", "ßQK2M9X"])
def test_a_text_that_is_not_a_code_is_recognised(text: str) -> None:
    assert core.read_code(text) is None


def test_no_two_codes_have_the_same_first_five_characters() -> None:
    taken: set[str] = set()
    for _ in range(50):
        code = core.new_code(taken)
        assert core.read_code(core.shown_code(code)) == code
        assert code[: core.SELECTOR_CHARS] not in taken
        taken.add(code[: core.SELECTOR_CHARS])


def test_the_delay_grows_with_each_wrong_code_up_to_a_limit() -> None:
    costs = [core.wrong_delay_s(count) for count in (1, 2, 3, 100, 10**9)]
    assert costs == [0.5, 1.0, 2.0, 8.0, 8.0]


def test_a_media_key_belongs_to_one_token() -> None:
    mine, other = core.secret_hash("mine"), core.secret_hash("other")
    parsed = core.parse_media_key(core.new_media_key(DEVICE, mine, 1_800_000_000))
    assert parsed is not None
    device_id, body, mac, expires_s = parsed
    assert (device_id, expires_s) == (DEVICE, 1_800_000_000)
    assert core.is_signed(mine, body, mac) and not core.is_signed(other, body, mac)
    assert not core.is_signed(mine, body[:-1] + bytes([body[-1] ^ 1]), mac), "its end cannot be moved"


@given(st.text(max_size=80))
def test_the_parsers_accept_any_text_without_an_error(text: str) -> None:
    code = core.read_code(text)
    assert code is None or len(code) == core.CODE_CHARS
    core.parse_media_key(text)


def test_random_codes_neither_end_nor_guess_a_code() -> None:
    """1,000 codes a second, for as long as a code can be valid."""
    sent = 1000 * MINUTES_MAX * 60
    hits = sent / 32**core.SELECTOR_CHARS  # codes with the same first five characters, on average
    few = sum(math.exp(-hits) * hits**count / math.factorial(count) for count in range(core.CODE_TRIES))
    assert 1 - few < 1e-6
    assert sent / 32**core.CODE_CHARS < 1e-5
    assert core.CODE_TRIES / 32 ** (core.CODE_CHARS - core.SELECTOR_CHARS) < 1e-3, "aimed guesses"
