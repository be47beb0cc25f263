"""A small request that arrives in one packet is answered like any other."""

from __future__ import annotations

import re

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from appliance.http.api import RawRoute, Receive, Routes, Scope, Send
from appliance.http.replies import json_reply, send_reply
from appliance.kernel.errors import Refused
from appliance.server.connections.short_requests import Exchange, parse_short
from tests.kit.waiting import LIMIT_S
from tests.server.conftest import Box
from tests.server.sample import sample_routes
from tests.server.sockets import QUICK, read_answer, read_to_end, request, serving

BODY = b'{"text":"b"}'
HEAD = b"POST /beat HTTP/1.1\r\nHost: box\r\n"


def post(path: str = "/hot", body: bytes = BODY, **headers: str) -> bytes:
    return request(path, "POST", body, **{"content_type": "application/json", **headers})


def test_a_whole_request_is_read_with_what_follows_it() -> None:
    result = parse_short(HEAD + b"X-Client:  pad 7 \r\nContent-Length: 2\r\n\r\n{}POST /next")
    assert result is not None
    assert result.path == "/beat"
    assert result.headers == [(b"host", b"box"), (b"x-client", b"pad 7"), (b"content-length", b"2")]
    assert (result.body, result.rest) == (b"{}", b"POST /next")


@pytest.mark.parametrize(
    "data",
    [
        b"GET /beat HTTP/1.1\r\nHost: box\r\n\r\n",
        b"POST /beat HTTP/1.0\r\nHost: box\r\n\r\n",
        b"POST /beat?since=1 HTTP/1.1\r\nHost: box\r\n\r\n",
        b"POST /be%61t HTTP/1.1\r\nHost: box\r\n\r\n",
        b"POST /beat HTTP/1.1 \r\nHost: box\r\n\r\n",
        b"POST /beat HTTP/1.1\r\n\r\n",
        HEAD + b"Content-Length: 3\r\n\r\n{}",
        HEAD + b"Content-Length: 2\r\n",
        HEAD + b"Content-Length: +2\r\n\r\n{}",
        HEAD + b"Content-Length: 2, 2\r\n\r\n{}",
        HEAD + b"Content-Length: 2\r\ncontent-length: 2\r\n\r\n{}",
        HEAD + b"Host: other\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        HEAD + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
        HEAD + b"Connection: close\r\n\r\n",
        HEAD + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        HEAD + b"Expect: 100-continue\r\n\r\n",
        HEAD + b"X-Folded: a\r\n b\r\n\r\n",
        HEAD + b"X Space: a\r\n\r\n",
        HEAD + b"X-Bare: a\nX-Other: b\r\n\r\n",
        HEAD + b"X-Bare: a\rb\r\n\r\n",
        HEAD + b"X-Nul: a\0b\r\n\r\n",
        HEAD + b"X-High: caf\xe9\r\n\r\n",
        HEAD + b"X-Long: " + b"x" * 5000 + b"\r\n\r\n",
        HEAD + b"".join(b"X-%d: a\r\n" % n for n in range(50)) + b"\r\n",
    ],
)
def test_requests_outside_the_strict_grammar_are_left_to_h11(data: bytes) -> None:
    assert parse_short(data) is None


@given(st.binary(max_size=200))
def test_no_bytes_raise_and_none_are_lost(noise: bytes) -> None:
    whole = HEAD + b"Content-Length: %d\r\n\r\n%b" % (len(noise), noise)
    actual = parse_short(whole + noise)
    assert actual is not None and (actual.body, actual.rest) == (noise, noise)
    parse_short(noise)
    parse_short(HEAD + noise + b"\r\n\r\n")


async def test_an_answer_with_a_line_break_in_a_header_is_not_sent() -> None:
    exchange = Exchange(b"")
    await exchange.send({"type": "http.response.start", "status": 200, "headers": [(b"a", b"b\r\nc: d")]})
    await exchange.send({"type": "http.response.body", "body": b""})
    with pytest.raises(ValueError, match="line break"):
        exchange.answer([])


def shape(answer: bytes) -> tuple[bytes, list[bytes], bytes]:
    """Status line, fields and body, without the parts that differ each time."""
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *fields = re.sub(rb"(date|x-request-id|etag): [^\r]*", rb"\1:", head.lower()).split(b"\r\n")
    return status, sorted(fields), re.sub(rb'"(id|created_at|updated_at|trace_id)":"[^"]*"', b"", body)


def failing_routes() -> Routes:
    """A small raw route that fails in the way its body says, or does not answer at all."""

    async def fail(scope: Scope, receive: Receive, send: Send, parameters: dict[str, str]) -> None:
        text = (await receive())["body"]
        assert (await receive())["type"] == "http.disconnect"
        if text == b"break":
            raise RuntimeError("a mistake of ours")
        if text == b"close":
            raise Refused(413, "too_large", "less, please")

    return Routes("failing", raw=[RawRoute("POST", "/fail", fail, small=True)])


@pytest.mark.parametrize(
    "sent",
    [
        post(),
        post(connection="keep-alive"),
        post(body=b'{"text":'),
        post(body=b'{"text": 7, "wrong": 8}'),
        post(body=b""),
        post(content_type="text/plain"),
        post(host="evil.example"),
        post(origin="http://evil.example"),
        post(idempotency_key="two words"),
        post("/fail", b"break", x_request_id="the-same"),
    ],
)
async def test_a_short_request_is_answered_as_by_h11(box: Box, sent: bytes) -> None:
    slow = sent.replace(b"\r\n\r\n", b"\r\nTE: trailers\r\n\r\n", 1)
    assert parse_short(sent) is not None and parse_short(slow) is None
    async with serving(box.app(sample_routes(), failing_routes())) as server:
        stream = await server.connect()
        for _ in range(2):
            await stream.send_all(sent)
            short = await read_answer(stream)
            await stream.send_all(slow)
            assert shape(short) == shape(await read_answer(stream))
    assert re.match(rb"HTTP/1.1 [245]\d\d \r\n", short)


async def test_requests_that_come_together_are_answered_in_turn(box: Box) -> None:
    async with serving(box.app(sample_routes())) as server:
        stream = await server.connect()
        await stream.send_all(post() + request("/time") + post() + post()[:-5])
        answers = b""
        while answers.count(b"HTTP/1.1 ") < 3:
            answers += await read_answer(stream)
        await stream.send_all(post()[-5:])
        answers += await read_answer(stream)
    assert [answers.count(each) for each in (b"HTTP/1.1 20", b'"rev"', b'"server_time"')] == [4, 3, 1]


@pytest.mark.parametrize(("body", "status"), [(b"close", b"HTTP/1.1 413 "), (b"nothing", b"")])
async def test_a_connection_ends_when_the_answer_asks_for_it_or_has_no_length(
    box: Box, body: bytes, status: bytes
) -> None:
    async with serving(box.app(failing_routes())) as server:
        stream = await server.connect()
        await stream.send_all(post("/fail", body))
        with trio.fail_after(LIMIT_S):
            assert (await read_to_end(stream))[:13] == status


async def test_idle_time_counts_from_the_last_short_answer(box: Box) -> None:
    async with serving(box.app(sample_routes()), QUICK) as server:
        stream = await server.connect()
        await stream.send_all(post())
        assert b" 201 " in await read_answer(stream)
        with trio.fail_after(LIMIT_S):
            assert await read_to_end(stream) == b""


async def test_a_stop_waits_for_the_short_request_under_way(box: Box) -> None:
    begun, finish = trio.Event(), trio.Event()

    async def slow(scope: Scope, receive: Receive, send: Send, parameters: dict[str, str]) -> None:
        begun.set()
        await finish.wait()
        await send_reply(send, json_reply(200, {}))

    routes = Routes("slow", raw=[RawRoute("POST", "/slow", slow, small=True)])
    async with serving(box.app(routes)) as server:
        stream = await server.connect()
        await stream.send_all(post("/slow"))
        await begun.wait()
        server.ask_to_stop()
        await trio.testing.wait_all_tasks_blocked()
        finish.set()
        with trio.fail_after(LIMIT_S):
            assert (await read_to_end(stream)).endswith(b"\r\n\r\n{}")
