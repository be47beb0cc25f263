"""Reading bodies and queries within bounds."""

from __future__ import annotations

from typing import Any

import pytest

from appliance.http.requests import (
    NUL_WORDS,
    ClientGone,
    Empty,
    nul_in,
    parse_body,
    parse_query,
    read_body,
)
from appliance.kernel import json
from appliance.kernel.errors import Refused
from tests.server.sample import NoteIn, NoteQuery

JSON = {b"content-type": b"application/json"}


def receiving(*messages: dict[str, Any]) -> Any:
    left = list(messages)

    async def receive() -> dict[str, Any]:
        return left.pop(0)

    receive.left = left  # type: ignore[attr-defined]
    return receive


def chunk(size: int, more: bool = True) -> dict[str, Any]:
    return {"type": "http.request", "body": b"x" * size, "more_body": more}


async def test_a_body_is_joined_from_its_chunks() -> None:
    assert await read_body({}, receiving(chunk(3), chunk(0), chunk(2, more=False))) == b"xxxxx"


async def test_the_limit_itself_is_accepted_and_one_byte_more_is_not() -> None:
    assert len(await read_body({}, receiving(chunk(json.MAX_BODY_BYTES, more=False)))) == json.MAX_BODY_BYTES
    with pytest.raises(Refused) as refused:
        await read_body({}, receiving(chunk(json.MAX_BODY_BYTES), chunk(1), chunk(1, more=False)))
    assert refused.value.status == 413


async def test_reading_stops_where_the_limit_is_passed() -> None:
    receive = receiving(*[chunk(40_000) for _ in range(10)])
    with pytest.raises(Refused):
        await read_body({}, receive)
    assert len(receive.left) == 8


async def test_a_client_that_disconnected_gets_no_answer() -> None:
    with pytest.raises(ClientGone):
        await read_body({}, receiving(chunk(3), {"type": "http.disconnect"}))


@pytest.mark.parametrize("declared", [b"-1", b"abc", b"1 2"])
async def test_a_length_that_is_no_number_is_refused(declared: bytes) -> None:
    with pytest.raises(Refused) as refused:
        await read_body({b"content-length": declared}, receiving())
    assert refused.value.status == 400


def test_nested_fields_are_named_by_their_path() -> None:
    with pytest.raises(Refused) as refused:
        parse_body(JSON, b'{"text": "x", "id": 3, "deep": {"a": [1]}}', NoteIn)
    assert {each.loc for each in refused.value.errors} == {"id", "deep"}


def test_a_query_that_would_be_huge_is_refused() -> None:
    with pytest.raises(Refused) as refused:
        parse_query("&".join(f"a{n}=1" for n in range(100)), Empty)
    assert refused.value.status == 422


def test_blank_values_are_values() -> None:
    with pytest.raises(Refused) as refused:
        parse_query("limit=", NoteQuery)
    assert refused.value.errors[0].loc == "limit"


@pytest.mark.parametrize(
    ("value", "where"),
    [
        ("a\x00", "body"),
        ({"a": {"b": ["", "x\x00"]}}, "a.b.1"),
        ({"a": [{"no\x00": 1}]}, "a.0"),
        ({"a": [1, None, True, {"b": "U+0000"}]}, None),
    ],
)
def test_u0000_is_found_wherever_it_stands(value: Any, where: str | None) -> None:
    assert nul_in(value) == where


def test_no_field_takes_u0000() -> None:
    """PostgreSQL stores no such text: a request that one database takes, the other would fail at."""
    for request in (
        lambda: parse_body(JSON, b'{"text":"a\\u0000b"}', NoteIn),
        lambda: parse_query("label=a&label=%00", NoteQuery),
    ):
        with pytest.raises(Refused) as refused:
            request()
        assert refused.value.status == 422
        assert [each.msg for each in refused.value.errors] == [NUL_WORDS]
    with pytest.raises(Refused) as malformed:
        parse_body(JSON, b'{"text":"a\x00b"}', NoteIn)
    assert malformed.value.status == 400
