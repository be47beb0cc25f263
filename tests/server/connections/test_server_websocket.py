"""WebSockets through the server: messages, failures and refusals end only that client."""

from __future__ import annotations

import json
from typing import Any

import trio

from appliance.http.api import RawRoute, Routes
from tests.server.conftest import Box
from tests.server.sockets import frame, handshake, read_to_end, serving


def socket_routes(ended: trio.Event) -> Routes:
    routes = Routes("test")

    async def ws(scope: Any, receive: Any, send: Any, parameters: dict[str, str]) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] != "websocket.disconnect":
            if message["text"] == "fail":
                raise RuntimeError("a bug in a handler")
            await send({"type": "websocket.send", "text": f"{len(message['bytes'] or b'')}"})
        ended.set()

    routes.raw.append(RawRoute("WS", "/ws", ws))
    return routes


async def test_a_too_large_message_ends_its_websocket_without_being_kept(box: Box) -> None:
    """plain hypercorn continues to collect the message after it has sent 1009"""
    ended = trio.Event()
    async with serving(box.app(socket_routes(ended))) as server:
        stream = await server.connect()
        await stream.send_all(handshake("/ws", "Sec-WebSocket-Extensions: permessage-deflate"))
        head = await stream.receive_some()
        assert head.startswith(b"HTTP/1.1 101 ") and b"deflate" not in head
        await stream.send_all(frame(b"x" * 65536))
        assert b"65536" in await stream.receive_some()
        try:
            await stream.send_all(frame(b"x" * 65536, last=False))
            for _ in range(64):
                await stream.send_all(frame(b"x" * 65536, opcode=0, last=False))
        except trio.BrokenResourceError:
            pass
        assert (1009).to_bytes(2, "big") in await read_to_end(stream)
        await stream.aclose()
        await ended.wait()


async def test_a_failing_websocket_handler_closes_its_client_only(box: Box) -> None:
    async with serving(box.app(socket_routes(trio.Event()))) as server:
        stream, other = await server.connect(), await server.connect()
        for each in (stream, other):
            await each.send_all(handshake("/ws"))
            await each.receive_some()
        await stream.send_all(frame(b"fail", opcode=1))
        assert (1011).to_bytes(2, "big") in await read_to_end(stream)
        await stream.aclose()
        await other.send_all(frame(b"abc"))
        assert b"3" in await other.receive_some()
        await other.aclose()


async def test_a_refused_upgrade_says_why(box: Box) -> None:
    async with serving(box.app(socket_routes(trio.Event()))) as server:
        for path, extra, status in (
            ("/nowhere", "X: y", 404),
            ("/ws", "Origin: http://elsewhere.example", 403),
        ):
            stream = await server.connect()
            await stream.send_all(handshake(path, extra))
            answer = await read_to_end(stream)
            assert answer.startswith(b"HTTP/1.1 %d " % status)
            assert json.loads(answer.split(b"\r\n\r\n")[1])["status"] == status
            await stream.aclose()
