"""The server with real sockets on 127.0.0.1: what happens to connections, whatever the client does."""

from __future__ import annotations

import json
import os
import random
import resource
import socket
from functools import partial
from typing import Any

import pytest
import trio
import trio.testing

from appliance.http.api import RawRoute, Routes
from appliance.http.requests import header_map, read_body
from appliance.kernel.operation import Answer
from appliance.server.connections import connection_limits
from appliance.server.connections.listeners import USER_TIMEOUT_MS
from appliance.server.connections.server import CannotListen, ServerLimits, run_server
from tests.kit.waiting import LIMIT_S
from tests.server.conftest import Box
from tests.server.sockets import (
    PATIENT,
    QUICK,
    Running,
    handshake,
    read_answer,
    read_to_end,
    request,
    serving,
)


async def test_connection_close_is_honoured_at_once(box: Box) -> None:
    async with serving(box.app()) as server:
        for path in ("/time", "/version", "/nothing"):  # hot, Quart, Quart's 404
            stream = await server.connect()
            await stream.send_all(request(path, connection="close"))
            with trio.fail_after(LIMIT_S):
                answer = await read_to_end(stream)
            assert answer.startswith(b"HTTP/1.1 ") and answer.endswith(b"}")
            await stream.aclose()


async def test_keep_alive_serves_many_requests_and_ends_after_the_idle_time(box: Box) -> None:
    async with serving(box.app(), QUICK) as server:
        stream = await server.connect()
        for path in ("/time", "/version", "/time"):
            await stream.send_all(request(path))
            assert (await read_answer(stream)).startswith(b"HTTP/1.1 200 ")
        with trio.fail_after(LIMIT_S):
            assert await read_to_end(stream) == b""
        await stream.aclose()


async def test_a_request_sent_a_byte_at_a_time_is_cut(box: Box) -> None:
    async with serving(box.app(), QUICK) as server:
        stream = await server.connect()
        sent = 0
        with trio.move_on_after(LIMIT_S) as limit:
            try:
                for byte in request("/time", x_padding="x" * 400):
                    await stream.send_all(bytes([byte]))
                    sent += 1
                    await trio.sleep(0.02)
            except trio.BrokenResourceError:
                pass
        assert not limit.cancelled_caught and sent < 100


async def test_a_silent_header_is_answered_with_408(box: Box) -> None:
    async with serving(box.app(), QUICK) as server:
        stream = await server.connect()
        await stream.send_all(b"GET /time HTT")
        assert (await read_to_end(stream)).startswith(b"HTTP/1.1 408 ")


async def test_a_body_that_does_not_come_is_cut(box: Box) -> None:
    async with serving(box.app(echo_routes()), QUICK) as server:
        stream = await server.connect()
        await stream.send_all(request("/echo", "POST", content_length="100") + b"{")
        assert (await read_to_end(stream)).startswith(b"HTTP/1.1 408 ")


def echo_routes(gate: trio.Event | None = None, begun: trio.Event | None = None) -> Routes:
    routes = Routes("test")

    async def echo(scope: Any, receive: Any, send: Any, parameters: dict[str, str]) -> None:
        body = await read_body(header_map(scope), receive)
        if begun is not None:
            begun.set()
        if gate is not None:
            await gate.wait()
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    routes.raw.append(RawRoute("POST", "/echo", echo))
    return routes


async def test_an_endless_chunked_body_is_refused_early_without_memory(box: Box) -> None:
    """A client that would send 1 GB gets 413 and a reset; neither side transfers the gigabyte."""
    async with serving(box.app()) as server:
        before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        stream = await server.connect()
        chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
        sent, answer = 0, b""

        async def upload() -> None:
            nonlocal sent
            await stream.send_all(request("/sessions", "POST", transfer_encoding="chunked"))
            try:
                while sent < 1 << 30:
                    await stream.send_all(chunk)
                    sent += 65536
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                pass

        async with trio.open_nursery() as nursery:
            nursery.start_soon(upload)
            answer = await read_to_end(stream)
            await stream.aclose()
        assert answer.startswith(b"HTTP/1.1 413 ")
        assert sent < 32 << 20
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib < 16 * 1024


async def test_a_refused_request_with_an_unread_body_does_not_hang_its_connection(box: Box) -> None:
    """The body is never read; plain hypercorn would wait forever to put it into the application's queue."""
    async with serving(box.app()) as server:
        stream = await server.connect()
        body = b"x" * (3 << 20)
        await stream.send_all(request("/time", "GET", body))
        with trio.fail_after(LIMIT_S):
            answer = await read_to_end(stream)
        assert answer.startswith(b"HTTP/1.1 200 ")
        await stream.aclose()


async def test_stopping_finishes_the_running_request_and_closes_the_idle_ones(box: Box) -> None:
    gate, begun = trio.Event(), trio.Event()
    async with serving(box.app(echo_routes(gate, begun)), PATIENT) as server:
        idle, busy, silent = [await server.connect() for _ in range(3)]
        await idle.send_all(request("/time"))
        await read_answer(idle)
        await busy.send_all(request("/echo", "POST", b"{}"))
        await begun.wait()
        server.ask_to_stop()
        assert await read_to_end(idle) == b"" and await read_to_end(silent) == b""
        with pytest.raises(OSError):
            await server.connect()
        gate.set()
        assert (await read_to_end(busy)).endswith(b"\r\n\r\n{}")


async def test_stopping_is_bounded_when_a_request_never_ends(box: Box) -> None:
    never, begun = trio.Event(), trio.Event()
    async with serving(box.app(echo_routes(never, begun)), QUICK) as server:
        stream = await server.connect()
        await stream.send_all(request("/echo", "POST", b"{}"))
        await begun.wait()
        with trio.fail_after(LIMIT_S):
            await server.stop()
        assert await read_to_end(stream) == b""


async def test_listening_sockets_carry_the_user_timeout_to_accepted_ones(box: Box) -> None:
    seen: list[int] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        tcp = send.__self__.send.__self__.send.__self__
        seen.append(tcp.stream.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT))
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    async with serving(app) as server:
        stream = await server.connect()
        await stream.send_all(request(connection="close"))
        assert (await read_to_end(stream)).startswith(b"HTTP/1.1 204 ")
    assert seen == [USER_TIMEOUT_MS]


async def test_a_port_in_use_is_reported_with_its_setting(box: Box) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(CannotListen, match=r"server\.port: port \d+ on 127\.0\.0\.1 is in use") as caught:
            await run_server(box.app(), host="127.0.0.1", port=port, stop=trio.Event())
        assert caught.value.setting == "server.port"
        local = partial(run_server, box.app(), host="127.0.0.1", port=0, local_app=box.local_app())
        with pytest.raises(CannotListen, match=r"server\.local_port"):
            await local(local_port=port, stop=trio.Event())
    with pytest.raises(CannotListen, match=r"server\.host: 203\.0\.113\.7 is not an address"):
        await run_server(box.app(), host="203.0.113.7", port=0, stop=trio.Event())


async def test_the_local_listener_serves_health_and_its_own_routes_only(box: Box) -> None:
    hook = Routes("mediamtx")

    @hook.post("/mediamtx/hook")
    async def hooked(ctx: Any) -> Any:
        return Answer(200, {"ok": True})

    async with serving(box.app(), local_app=box.local_app(hook), local_port=0) as server:
        assert server.bound.local_port
        wanted = dict.fromkeys(("/healthz", "/readyz", "/metrics"), 200)
        wanted |= dict.fromkeys(("/time", "/", "/openapi.json", "/sessions"), 404)
        stream = await server.connect(server.bound.local_port)
        for path, status in wanted.items():
            await stream.send_all(request(path))
            assert (await read_answer(stream)).startswith(b"HTTP/1.1 %d " % status), path
        await stream.send_all(request("/mediamtx/hook", "POST"))
        assert (await read_answer(stream)).startswith(b"HTTP/1.1 200 ")
        await stream.aclose()
        main = await server.connect()
        await main.send_all(request("/mediamtx/hook", "POST", connection="close"))
        assert (await read_to_end(main)).startswith(b"HTTP/1.1 404 ")


async def test_when_all_connections_are_being_served_the_next_gets_503(box: Box) -> None:
    gate, begun = trio.Event(), trio.Event()
    async with serving(box.app(echo_routes(gate, begun)), ServerLimits(connections=1)) as server:
        first = await server.connect()
        await first.send_all(request("/echo", "POST", b"{}", connection="close"))
        await begun.wait()
        second = await server.connect()
        answer = await read_to_end(second)
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert json.loads(answer.split(b"\r\n\r\n")[1])["code"] == "too_many_connections"
        gate.set()
        assert (await read_to_end(first)).startswith(b"HTTP/1.1 200 ")
        while True:  # the place is free once the server has seen the end
            third = await server.connect()
            await third.send_all(request(connection="close"))
            if (await read_to_end(third)).startswith(b"HTTP/1.1 200 "):
                break


async def test_a_new_connection_replaces_one_without_a_request_then_the_longest_idle_one(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_limits, "GREETING_S", 0.0)
    async with serving(box.app(), ServerLimits(connections=3)) as server:
        older, newer = await server.connect(), await server.connect()
        for stream in (older, newer):
            await stream.send_all(request())
            await read_answer(stream)
        half = await server.connect()
        await half.send_all(b"GET /time HTT")
        await newer.send_all(request())  # once it is answered, the incomplete request has been read
        await read_answer(newer)
        for gone in (half, older):
            guest = await server.connect()
            await guest.send_all(request())
            assert (await read_answer(guest)).startswith(b"HTTP/1.1 200 ")
            with trio.fail_after(LIMIT_S):
                assert await read_to_end(gone) == b""
        await newer.send_all(request())
        assert (await read_answer(newer)).startswith(b"HTTP/1.1 200 ")


def _connected_meanwhile(server: Running) -> trio.SocketStream:
    """A new connection, made without a pass of the event loop: the server waits meanwhile."""
    with socket.create_connection(("127.0.0.1", server.bound.port)) as made:
        return trio.SocketStream(trio.socket.from_stdlib_socket(made.dup()))


async def test_a_new_connection_is_served_while_many_incomplete_requests_wait_to_be_read(box: Box) -> None:
    """They are one in each pass, and in any order: until its turn, a connection may have sent a complete
    request."""
    crowd_size = 3 * connection_limits.LOOKS
    async with serving(box.app(), ServerLimits(connections=crowd_size)) as server:
        for _ in range(8):
            open_connections = [await server.connect() for _ in range(crowd_size)]
            for stream in open_connections:
                assert os.write(stream.socket.fileno(), b"GET /time HTT") == 13
            async with _connected_meanwhile(server) as newcomer:
                await newcomer.send_all(request(connection="close"))
                answer = await read_to_end(newcomer)
            assert answer.startswith(b"HTTP/1.1 200 "), answer[:100]
            for stream in open_connections:
                stream.socket.close()


async def test_after_many_connections_end_at_once_the_next_is_served(box: Box) -> None:
    """The server sees the ends of a hundred connections and a new client's request in one pass."""
    async with serving(box.app(), ServerLimits(connections=100)) as server:
        for _ in range(5):
            others = [await server.connect() for _ in range(100)]
            for stream in others:
                stream.socket.close()
            async with _connected_meanwhile(server) as newcomer:
                await newcomer.send_all(request(connection="close"))
                assert (await read_to_end(newcomer)).startswith(b"HTTP/1.1 200 ")


async def test_a_connection_without_a_first_byte_ends_sooner_than_a_kept_one(box: Box) -> None:
    async with serving(box.app(), ServerLimits(first_s=1.0, idle_s=60)) as server:
        query, silent = await server.connect(), await server.connect()
        await query.send_all(request())
        await read_answer(query)
        with trio.fail_after(LIMIT_S):
            assert await read_to_end(silent) == b""
        await query.send_all(request())
        assert (await read_answer(query)).startswith(b"HTTP/1.1 200 ")


async def test_an_error_in_one_connection_ends_only_that_one(box: Box) -> None:
    """The outermost handler: any exception, also an unexpected one."""

    def explode(path: str) -> bool:
        raise LookupError("an error of ours outside of every request")

    app = box.app()
    app_with_fault: Any = type("App", (), {"__call__": lambda self, *given: app(*given), "is_short": explode})
    async with serving(app_with_fault()) as server:
        for _ in range(3):
            stream = await server.connect()
            await stream.send_all(request("/hot", "POST", b"{}"))
            with trio.fail_after(LIMIT_S):
                assert await read_to_end(stream) == b""
        stream = await server.connect()
        await stream.send_all(request(connection="close"))
        assert (await read_to_end(stream)).startswith(b"HTTP/1.1 200 ")


async def test_garbage_ends_its_own_connection_and_nothing_else(box: Box) -> None:
    """Seeded noise, broken framing, and a header that hypercorn 0.18 fails on outside its error handling."""
    pieces = [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # a TLS hello on the plain port
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET /%ff%fe HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nxxxxxx",
        b"POST / HTTP/1.1\r\nhost: 127.0.0.1\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        handshake("/ws").replace(b"\r\n\r\n", b"\r\nSec-WebSocket-Protocol: \xff\r\n\r\n"),
        b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * 20_000,
    ]
    dice = random.Random(22)
    pieces += [dice.randbytes(200) for _ in range(20)]
    pieces += [bytes(b ^ (dice.random() < 0.05) * dice.randrange(256) for b in request()) for _ in range(20)]
    async with serving(box.app(), QUICK) as server:
        for piece in pieces:
            stream = await server.connect()
            try:
                await stream.send_all(piece)
                await stream.send_eof()
            except (trio.BrokenResourceError, OSError):
                pass
            with trio.fail_after(LIMIT_S):
                await read_to_end(stream)
            await stream.aclose()
        stream = await server.connect()
        await stream.send_all(request(connection="close"))
        assert (await read_to_end(stream)).startswith(b"HTTP/1.1 200 ")
