"""The complete application as a client sees it: the conventions of every answer."""

from __future__ import annotations

import json

import pytest
from structlog.testing import capture_logs

from tests.server.conftest import Box
from tests.server.sample import sample_routes

NOTE = {"text": "third down"}
PROBLEM = "application/problem+json"


async def test_a_resource_carries_its_rev_as_etag_and_the_request_its_id(box: Box) -> None:
    client = box.client(sample_routes())
    reply = await client.get("/notes/n1", headers={"x-request-id": "from-me_1"})
    assert reply.status == 200 and reply.json["id"] == "n1"
    assert reply.headers["etag"] == '"r7"'
    assert reply.headers["x-request-id"] == "from-me_1"
    assert reply.headers["cache-control"] == "no-store"
    dirty = await client.get("/notes/n1", headers={"x-request-id": "<script>"})
    assert dirty.headers["x-request-id"] != "<script>"


@pytest.mark.parametrize("path", ["/notes", "/hot"])
async def test_routes_in_quart_and_before_it_have_the_same_conventions(box: Box, path: str) -> None:
    client = box.client(sample_routes())
    made = await client.post(path, NOTE)
    assert (made.status, made.json["device"]) == (201, "test")
    wrong = await client.post(path, {"stars": 9, "txt": "x"})
    assert wrong.status == 422 and wrong.headers["content-type"] == PROBLEM
    assert wrong.wrong == {
        "text": "is required",
        "stars": "should be less than or equal to 5",
        "txt": "no such field",
    }
    assert wrong.json["code"] == "invalid" and wrong.json["hint"]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b'{"text": ', 400, "malformed_json"),
        (b'{"text": "a", "text": "b"}', 400, "malformed_json"),
        (b'{"text": NaN}', 400, "malformed_json"),
        (b"[" * 40 + b"]" * 40, 400, "malformed_json"),
        (b"\xff\xfe", 400, "malformed_json"),
        (b'"text"', 422, "invalid"),
        (b"", 422, "invalid"),
        (b"x" * 70_000, 413, "too_large"),
        ([b'{"text":"', *[b"x" * 8192] * 9, b'"}'], 413, "too_large"),
    ],
)
async def test_bodies_that_are_not_accepted(box: Box, body: object, status: int, code: str) -> None:
    client = box.client(sample_routes())
    reply = await client.post("/notes", body)
    assert (reply.status, reply.json["code"], reply.headers["content-type"]) == (status, code, PROBLEM)


async def test_a_declared_length_over_the_limit_is_refused_before_anything_is_read(box: Box) -> None:
    client = box.client(sample_routes())
    reply = await client.post("/notes", b"", headers={"content-length": "999999999999"})
    assert reply.status == 413 and reply.headers["connection"] == "close"
    assert reply.json["limit_bytes"] == 65536


async def test_a_body_of_another_type_is_415(box: Box) -> None:
    client = box.client(sample_routes())
    form = await client.post(
        "/notes", b"text=x", headers={"content-type": "application/x-www-form-urlencoded"}
    )
    assert form.status == 415
    charset = await client.post("/notes", NOTE, headers={"content-type": "application/json; charset=utf-8"})
    assert charset.status == 201


async def test_an_optional_body_may_be_absent_and_a_route_without_one_refuses_fields(box: Box) -> None:
    client = box.client(sample_routes())
    assert (await client.patch("/notes/n1")).json["body"] is None
    assert (await client.post("/notes/n1/refused", {})).status == 409
    refused = await client.post("/notes/n1/refused", {"now": True})
    assert refused.status == 422 and refused.wrong == {"now": "no such field"}


async def test_unknown_and_repeated_query_parameters_are_named(box: Box) -> None:
    client = box.client(sample_routes())
    assert (await client.get("/notes?limit=2&lmit=3")).wrong == {"lmit": "no such parameter"}
    assert (await client.get("/notes?limit=2&limit=3")).wrong == {"limit": "given twice"}
    assert (await client.get("/notes/n1?x=1")).wrong == {"x": "no such parameter"}
    assert (await client.get("/notes?limit=0&force=2")).wrong.keys() == {"limit", "force"}
    assert (await client.get("/notes/n1?client=ipad-4")).status == 200  # names the device on any request


async def test_query_values_take_their_field_types(box: Box) -> None:
    client = box.client(sample_routes())
    reply = await client.get("/notes?limit=2&force=1&label=a&label=b&starred=true")
    understood = reply.json["items"][0]
    assert understood == {"limit": 2, "cursor": None, "force": 1, "label": ["a", "b"], "starred": True}


async def test_a_page_with_more_behind_it_links_to_the_next(box: Box) -> None:
    client = box.client(sample_routes())
    reply = await client.get("/notes?limit=1&cursor=old&force=1")
    assert reply.headers["link"] == '</notes?limit=1&force=1&cursor=abc%2B%2F%3D>; rel="next"'
    assert "link" not in (await client.get("/notes?limit=2")).headers


async def test_a_refusal_is_a_problem_with_code_hint_and_what_is_allowed(box: Box) -> None:
    client = box.client(sample_routes())
    reply = await client.post("/notes/n1/refused")
    assert reply.status == 409 and reply.headers["content-type"] == PROBLEM
    assert reply.json == {
        "type": "about:blank",
        "title": "Conflict",
        "status": 409,
        "detail": "not now",
        "code": "wrong_state",
        "hint": "wait",
        "retryable": False,
        "state": "open",
        "allowed": ["close"],
    }


async def test_an_unavailable_answer_has_retry_after(box: Box) -> None:
    client = box.client(sample_routes())
    reply = await client.post("/notes/n1/unavailable")
    assert reply.status == 503 and reply.headers["retry-after"] == "2"
    assert reply.json["code"] == "no_disk" and reply.json["retryable"] is True


async def test_unknown_paths_and_methods_are_problems_too(box: Box) -> None:
    client = box.client(sample_routes())
    missing = await client.get("/nothing/here")
    assert (missing.status, missing.headers["content-type"]) == (404, PROBLEM)
    for path, allowed in (("/notes", {"GET", "HEAD", "OPTIONS", "POST"}), ("/docs", {"GET", "HEAD"})):
        reply = await client.request("PUT", path, {})
        assert (reply.status, reply.headers["content-type"]) == (405, PROBLEM)
        assert {each.strip() for each in reply.headers["allow"].split(",")} == allowed
    raw = await client.get("/raw/a/m3/x.mp4")
    assert raw.status == 405 and "POST" in raw.headers["allow"]


@pytest.mark.parametrize("path", ["/notes/n1/bug", "/raw/a/m1/x.mp4"])
async def test_an_unexpected_error_is_a_500_with_a_trace_id_and_nothing_leaks(box: Box, path: str) -> None:
    client = box.client(sample_routes())
    with capture_logs() as logs:
        reply = await client.post(path, None if path.startswith("/notes") else b"bug")
    assert reply.status == 500 and reply.headers["content-type"] == PROBLEM
    assert reply.json["trace_id"] == reply.headers["x-request-id"]
    assert b"secret" not in reply.body
    (line,) = [each for each in logs if each["log_level"] == "error"]
    assert line["trace_id"] == reply.json["trace_id"]
    assert "secret password" in repr(line["exc_info"])
    assert (await client.post("/notes", NOTE)).status == 201  # the box continues to work


async def test_a_raw_route_may_refuse_and_gets_its_parameters(box: Box) -> None:
    client = box.client(sample_routes())
    assert (await client.post("/raw/c1/m3/end-zone.mp4")).json == {"a": "c1", "rev": "3", "name": "end-zone"}
    refused = await client.post("/raw/c1/m3/end-zone.mp4", b"refused")
    assert (refused.status, refused.json["state"]) == (409, "open")


async def test_one_key_is_one_effect_and_one_answer(box: Box) -> None:
    client = box.client(sample_routes())
    first = await client.post("/notes", NOTE, key="k1")
    again = await client.post("/notes", NOTE, key='"k1"')  # quoted or not: the same key
    assert (first.status, first.json) == (again.status, again.json)
    assert box.count_notes() == 1
    other = await client.post("/notes", {"text": "another"}, key="k1")
    assert (other.status, other.json["code"]) == (422, "key_reused")
    assert (await client.post("/hot", NOTE, key="k1")).json["code"] == "key_reused"
    client.device = "another-tablet"
    assert (await client.post("/notes", NOTE, key="k1")).json["id"] == "2"
    assert box.count_notes() == 2


async def test_if_match_and_key_reach_the_operation_or_are_refused_when_malformed(box: Box) -> None:
    client = box.client(sample_routes())
    assert (await client.patch("/notes/n1", if_match='"r7"')).json["if_match"] == 7
    assert (await client.patch("/notes/n1", if_match="*")).json["if_match"] is None
    for headers in ({"if-match": "seven"}, {"if-match": '"m3"'}, {"idempotency-key": '""'}):
        reply = await client.patch("/notes/n1", headers=headers)
        assert (reply.status, reply.json["code"]) == (400, "bad_header"), headers


async def test_every_answer_has_headers_against_other_sites(box: Box) -> None:
    client = box.client(sample_routes())
    for path in ("/notes/n1", "/nothing", "/docs", "/openapi.json", "/metrics"):
        headers = (await client.get(path)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]


async def test_a_foreign_host_is_421_and_a_foreign_origin_403(box: Box) -> None:
    client = box.client(sample_routes())
    client.host = "rebound.example"
    reply = await client.get("/notes/n1")
    assert (reply.status, reply.json["code"]) == (421, "unknown_host")
    client.host = "127.0.0.1:8080"
    foreign = {"origin": "http://evil.example"}
    assert (await client.post("/notes", NOTE, headers=foreign)).status == 403
    assert (await client.get("/notes/n1", headers=foreign)).status == 200
    assert (await client.post("/notes", NOTE, headers={"origin": "http://127.0.0.1:8080"})).status == 201
    assert box.count_notes() == 1


async def test_head_and_options_are_served_for_ordinary_routes(box: Box) -> None:
    client = box.client(sample_routes())
    for path in ("/notes/n1", "/time"):
        head, get = await client.request("HEAD", path), await client.get(path)
        assert head.status == 200 and head.headers["content-length"] == get.headers["content-length"]
    assert "POST" in (await client.request("OPTIONS", "/notes")).headers["allow"]


async def test_text_outside_ascii_survives_the_round_trip(box: Box) -> None:
    client = box.client(sample_routes())
    sent = json.dumps({"text": "Ñandú 🏈"}, ensure_ascii=False).encode()
    assert (await client.post("/notes", sent)).json["text"] == "Ñandú 🏈"
