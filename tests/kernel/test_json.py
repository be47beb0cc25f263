"""JSON input: anything two parsers could read differently is refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.kernel.json import (
    MAX_DEPTH,
    BadJson,
    decode,
    decode_long,
    decode_stored,
    encode,
    require_depth,
)

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@given(VALUES)
def test_what_is_written_is_read_back(value: Any) -> None:
    assert decode(encode(value)) == value
    assert decode_stored(encode(value)) == value
    assert decode_stored(encode(value).decode()) == value


def test_output_is_compact_utf8() -> None:
    assert encode({"name": "Peña", "n": [1, 2.5, None]}) == '{"name":"Peña","n":[1,2.5,null]}'.encode()


def test_a_float_that_is_no_json_number_becomes_null() -> None:
    assert encode([float("nan"), float("inf")]) == b"[null,null]"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b'{"a":1,"a":2}', "'a' appears twice"),
        (b'{"x":{"b":1,"c":2,"b":3}}', "'b' appears twice"),
        (b"[NaN]", "NaN is not JSON"),
        (b"[-Infinity]", "-Infinity is not JSON"),
        (b"[" * 33 + b"]" * 33, "nested deeper"),
        (b'{"a":' * 5000 + b"1" + b"}" * 5000, "nested deeper"),
        (b'["\\ud800"]', "surrogate"),
        (b'{"\\udc00":1}', "surrogate"),
        (b'{"a":', "Expecting value"),
        (b"", "Expecting value"),
        (b'{"a":1} x', "Extra data"),
        (b"\xff\xfe", "utf-8"),
        ("[1]".encode("utf-16"), "utf-8"),
        (b"[" + b"9" * 5000 + b"]", "digits"),
    ],
)
def test_what_is_not_our_json_is_refused_with_the_reason(text: bytes, says: str) -> None:
    with pytest.raises(BadJson, match=says):
        decode(text)


def test_balanced_brackets_inside_strings_do_not_count_as_depth() -> None:
    text = b'["' + b"[{" * 100 + b'\\"[[[[", {}]'
    assert len(decode(text)) == 2


def test_the_deepest_allowed_text_is_read() -> None:
    decode(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH)


def test_a_whole_surrogate_pair_is_text() -> None:
    assert decode(b'["\\ud83c\\udfc8"]') == ["🏈"]


def test_a_long_text_between_programs_of_ours() -> None:
    assert decode_long(b'{"a":[1,2.5,"\\u00fc"],"b":null}') == {"a": [1, 2.5, "ü"], "b": None}
    for wrong in (b"{", b"[NaN]", b"[Infinity]", b'"\\ud800"', b"\xff", b"[" * 500 + b"]" * 500):
        with pytest.raises(BadJson):
            decode_long(wrong)


def test_the_depth_of_a_text() -> None:
    require_depth(b"[" * 32 + b"]" * 32)
    with pytest.raises(BadJson):
        require_depth(b"[" * 33 + b"]" * 33)
