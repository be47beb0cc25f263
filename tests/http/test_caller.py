"""Device, Idempotency-Key and If-Match as clients send them."""

from __future__ import annotations

import pytest

from appliance.http.caller import caller_of, device_of, if_match_of, key_of, sanitised
from appliance.http.requests import Request
from appliance.kernel.errors import Refused
from appliance.kernel.operation import command_fingerprint


def request(method: str = "POST", **changes: object) -> Request:
    fields = {"path": "/clips", "query_string": "", "headers": {b"idempotency-key": b"k"}, "body": b"{}"}
    return Request(method, peer="10.0.0.9", request_id="r", **{**fields, **changes})  # type: ignore[arg-type]


def test_a_device_names_itself_by_header_else_by_query_else_by_its_address() -> None:
    assert device_of({b"x-client": b"ipad-4"}, "client=other", "10.0.0.9") == "ipad-4"
    assert device_of({}, b"since=3&client=Coach%20iPad", "10.0.0.9") == "Coach iPad"
    assert device_of({}, "since=3", "10.0.0.9") == "10.0.0.9"
    assert device_of({b"x-client": b" \x00\n "}, "", "10.0.0.9") == "10.0.0.9"


def test_names_are_made_harmless_and_short() -> None:
    assert sanitised("a\x1b[31m\tb\u202ec\nd") == "a [31m b c d"
    assert sanitised("é" * 200) == "é" * 64
    assert device_of({b"x-client": "Trainér".encode()}, "", "p") == "Trainér"


@pytest.mark.parametrize(
    ("sent", "rev"), [(b'"r7"', 7), (b"r7", 7), (b'W/"r12"', 12), (b"*", None), (b"", None)]
)
def test_if_match_names_a_rev(sent: bytes, rev: int | None) -> None:
    assert if_match_of({b"if-match": sent}) == rev


@pytest.mark.parametrize("sent", [b"7", b'"7"', b'"m3"', b'"r1", "r2"', b'"r-1"', b'"r' + b"9" * 40 + b'"'])
def test_a_malformed_if_match_is_refused(sent: bytes) -> None:
    with pytest.raises(Refused) as refused:
        if_match_of({b"if-match": sent})
    assert refused.value.status == 400


@pytest.mark.parametrize(("sent", "key"), [(b"abc", "abc"), (b' "abc" ', "abc"), (b"x" * 255, "x" * 255)])
def test_a_key_is_taken_quoted_or_not(sent: bytes, key: str) -> None:
    assert key_of({b"idempotency-key": sent}) == key


@pytest.mark.parametrize("sent", [b"", b'""', b"x" * 256, b"a\x07b"])
def test_a_key_out_of_bounds_is_refused(sent: bytes) -> None:
    with pytest.raises(Refused) as refused:
        key_of({b"idempotency-key": sent})
    assert refused.value.status == 400


def test_the_key_belongs_to_method_path_query_and_body() -> None:
    same = caller_of(request())
    assert same == caller_of(request()) and same.key == "k"
    for change in ({"path": "/plays"}, {"query_string": "a=1"}, {"body": b"{ }"}, {"method": "PATCH"}):
        assert caller_of(request(**change)).fingerprint != same.fingerprint


def test_the_key_of_a_mark_belongs_to_its_command_whichever_way_it_comes() -> None:
    id = {"play_id": "p1"}
    end = request(path="/plays/p1/end", body=b'{"end_time":"23:10:00"}')
    over_ws = command_fingerprint("play_end", {"end_time": "23:10:00", "id": "p1"})
    assert caller_of(end, "play_end", id).fingerprint == over_ws
    assert caller_of(request(body=b" "), "play_end", id).fingerprint == command_fingerprint(
        "play_end", {"id": "p1"}
    )
    assert caller_of(end, "play_end", {"play_id": "p2"}).fingerprint != over_ws
    assert caller_of(end, "play_cue", id).fingerprint != over_ws
    for nonsense in (b"{", b"[1]"):  # refused when it is read
        assert caller_of(request(body=nonsense), "play_end", id).key == "k"


def test_conditions_of_a_safe_request_are_not_read() -> None:
    assert caller_of(request("GET", headers={b"if-match": b"nonsense"})).key is None
