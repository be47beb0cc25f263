"""HTTP/1.1 on one connection: the effect of malformed bytes on a request before them, and on themselves."""

from __future__ import annotations

import os
import re
import socket
import struct
from typing import Any

import pytest
import trio
import trio.testing

from appliance.http.api import RawRoute, Routes
from tests.kit.waiting import LIMIT_S
from tests.server.conftest import Box
from tests.server.sockets import frame, handshake, read_answer, read_to_end, request, serving


@pytest.mark.parametrize(
    "asked",
    [
        request(connection="close") + b"X",
        request().replace(b"HTTP/1.1", b"HTTP/1.0") + b"X",
        request(connection="close") + request(),
        request("/version", connection="close") + bytes(70_000),
    ],
)
async def test_bytes_behind_a_last_request_are_discarded_and_its_answer_is_whole(
    box: Box, asked: bytes
) -> None:
    """One such packet ended the daemon: a 400 was written concurrently with the answer on the socket."""
    async with serving(box.app()) as server:
        for _ in range(12):
            stream = await server.connect()
            await stream.send_all(asked)
            answer = await read_to_end(stream)
            assert answer.startswith(b"HTTP/1.1 200 ") and answer.count(b"HTTP/1.1 ") == 1
            assert answer.endswith(b"}")
            await stream.aclose()


def slow_routes(gate: trio.Event, begun: trio.Event) -> Routes:
    """An answer that waits for `gate` without reading the body; another that is aborted in the middle."""
    routes = Routes("test")

    async def stopped(scope: Any, receive: Any, send: Any, parameters: dict[str, str]) -> None:
        begun.set()
        await gate.wait()
        headers = [(b"content-type", b"text/plain"), (b"content-length", b"2")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"1", "more_body": True})

    async def slow(scope: Any, receive: Any, send: Any, parameters: dict[str, str]) -> None:
        begun.set()
        await gate.wait()
        headers = [(b"content-type", b"application/json"), (b"content-length", b"2")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"{}"})

    routes.raw.append(RawRoute("GET", "/slow", slow))
    routes.raw.append(RawRoute("GET", "/stopped", stopped))
    return routes


async def test_bytes_after_a_last_request_are_discarded_while_it_is_answered(box: Box) -> None:
    gate, begun = trio.Event(), trio.Event()
    async with serving(box.app(slow_routes(gate, begun))) as server:
        stream = await server.connect()
        await stream.send_all(request("/slow", connection="close") + b"X")
        await begun.wait()
        sent = 0
        with trio.move_on_after(LIMIT_S):
            while sent < 20 << 20:  # it is read and discarded: it blocks nothing and uses no memory
                await stream.send_all(bytes(1 << 20))
                sent += 1 << 20
        assert sent == 20 << 20
        gate.set()
        assert (await read_to_end(stream)).endswith(b"\r\n\r\n{}")


async def test_a_broken_body_is_400_and_its_request_has_no_effect(box: Box) -> None:
    async with serving(box.app()) as server:
        stream = await server.connect()
        await stream.send_all(
            request("/sessions", "POST", transfer_encoding="chunked") + b"2\r\n{}\r\nzz\r\n"
        )
        answer = await read_to_end(stream)
        assert answer.startswith(b"HTTP/1.1 400 ") and answer.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize("pause", [False, True], ids=["one packet", "two packets"])
async def test_bytes_before_the_end_of_a_websocket_handshake_get_400_and_end_the_application(
    box: Box, pause: bool
) -> None:
    routes, begun, answered, reported = Routes("test"), trio.Event(), trio.Event(), trio.Event()

    async def late(scope: Any, receive: Any, send: Any, parameters: dict[str, str]) -> None:
        begun.set()
        await answered.wait()
        await send({"type": "websocket.accept"})
        while (await receive())["type"] != "websocket.disconnect":
            pass
        reported.set()

    routes.raw.append(RawRoute("WS", "/late", late))
    async with serving(box.app(routes)) as server:
        stream = await server.connect()
        await stream.send_all(handshake("/late") + frame(b"early") * (not pause))
        await begun.wait()
        if pause:
            await stream.send_all(frame(b"early"))
        answer = await read_to_end(stream)
        assert answer.startswith(b"HTTP/1.1 400 ") and answer.count(b"HTTP/1.1 ") == 1
        answered.set()
        with trio.fail_after(LIMIT_S):
            await reported.wait()


_BAD_HANDSHAKES = {
    "HTTP/1.0": handshake("/ws").replace(b"HTTP/1.1", b"HTTP/1.0"),
    "no key": re.sub(rb"Sec-WebSocket-Key: [^\r]+\r\n", b"", handshake("/ws")),
    "an old version": handshake("/ws").replace(b"Version: 13", b"Version: 8"),
    "a body": handshake("/ws", "Content-Length: 5").replace(b"Version: 13", b"Version: 8"),
}


@pytest.mark.parametrize("behind", [b"", b"X", frame(b"hello", 1), request(), bytes(70_000)])
@pytest.mark.parametrize("opening", _BAD_HANDSHAKES.values(), ids=_BAD_HANDSHAKES)
async def test_an_invalid_websocket_handshake_ends_its_connection(
    box: Box, opening: bytes, behind: bytes
) -> None:
    """Hypercorn answers 400 by itself and continues to wait for an application that was never started: such a
    connection held its place forever, whether its client had left or not, and a thousand filled the box."""
    async with serving(box.app()) as server:
        stream = await server.connect()
        await stream.send_all(opening + behind)
        answer = await read_to_end(stream)
        assert answer.startswith(b"HTTP/1.1 400 ") and answer.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize("body", [b"", b"x" * 5], ids=["none of it", "half of it"])
@pytest.mark.parametrize("framing", [{"content_length": "10"}, {"transfer_encoding": "chunked"}])
async def test_an_answer_before_the_body_says_that_the_connection_ends(
    box: Box, body: bytes, framing: dict[str, str]
) -> None:
    """A client that kept the connection would lose its next request."""
    sent = b"%x\r\n%b\r\n" % (len(body), body) if body and "transfer_encoding" in framing else body
    async with serving(box.app()) as server:
        stream = await server.connect()
        await stream.send_all(request("/nothing", "GET", b"", host="evil.example", **framing) + sent)
        answer = await read_to_end(stream)
    assert answer.startswith(b"HTTP/1.1 421 ") and answer.lower().count(b"\r\nconnection: close\r\n") == 1


async def test_an_answer_before_a_body_that_has_come_keeps_the_connection(box: Box) -> None:
    async with serving(box.app()) as server:
        stream = await server.connect()
        for _ in range(2):
            await stream.send_all(request("/nothing", "POST", b"{}", host="evil.example"))
            answer = await read_answer(stream)
            assert answer.startswith(b"HTTP/1.1 421 ") and b"onnection:" not in answer


_BEHIND = {"a request": request(), "bytes": b"X", "many": bytes(70_000)}


@pytest.mark.parametrize("behind", _BEHIND.values(), ids=_BEHIND)
@pytest.mark.parametrize("path", ["/time", "/version", "/nothing", "/slow", "/stopped"])
async def test_a_reset_with_bytes_behind_the_request_frees_the_connection(
    box: Box, path: str, behind: bytes
) -> None:
    """An answer to a closed socket does not make the connection ready for the next request. The reader waited
    for that forever, and a thousand
    such packets filled the box."""
    gate, begun = trio.Event(), trio.Event()
    async with serving(box.app(slow_routes(gate, begun))) as server:
        before = trio.lowlevel.current_statistics().tasks_living
        for _ in range(5):
            stream = await server.connect()
            await stream.send_all(request())
            await read_answer(stream)
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            os.write(stream.socket.fileno(), request(path) + behind)
            stream.socket.close()
        if path in ("/slow", "/stopped"):
            await begun.wait()
            await trio.testing.wait_all_tasks_blocked()  # the readers have reached the next bytes
            gate.set()
        with trio.fail_after(LIMIT_S):
            # the client ends
            while trio.lowlevel.current_statistics().tasks_living > before:  # noqa: ASYNC110
                await trio.sleep(0.01)
