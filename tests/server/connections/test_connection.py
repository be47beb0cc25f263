"""The components of a connection, without sockets (test_server.py has the sockets)."""

from __future__ import annotations

import math
import socket

import pytest
import trio
import trio.testing
from hypercorn.config import Config
from hypercorn.trio.worker_context import WorkerContext

from appliance.http.limits import ServerLimits
from appliance.server.connections.connection import Connection, IdleTimer, Inbox
from appliance.server.connections.connection_limits import OpenConnections
from tests.kit.waiting import LIMIT_S
from tests.server.conftest import Box
from tests.server.sockets import circles, read_to_end, request, serving

BODY = {"type": "http.request", "body": b"x", "more_body": True}
GONE = {"type": "http.disconnect"}


async def test_a_disconnect_does_not_wait_behind_a_full_inbox() -> None:
    inbox = Inbox(2)
    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(inbox.put, BODY)
        await trio.testing.wait_all_tasks_blocked()
        with trio.fail_after(LIMIT_S):
            await inbox.put(GONE)
    assert [(await inbox.receive())["type"] for _ in range(4)] == ["http.request"] * 2 + [
        "http.disconnect"
    ] * 2


async def test_messages_for_an_application_that_has_returned_are_dropped() -> None:
    inbox = Inbox(1)
    await inbox.put(BODY)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(inbox.put, BODY)
        await trio.testing.wait_all_tasks_blocked()
        inbox.close()
    with trio.fail_after(LIMIT_S):
        await inbox.put(BODY)
        await inbox.put(GONE)


async def test_the_application_slows_its_client_down() -> None:
    inbox = Inbox(1)
    await inbox.put(BODY)
    with trio.move_on_after(0) as blocked:
        await inbox.put(BODY)
    assert blocked.cancelled_caught


async def test_idle_time_counts_from_the_last_answer(autojump_clock: trio.testing.MockClock) -> None:
    timer, context = IdleTimer(75), WorkerContext(None)
    start = trio.current_time()
    await timer.restart(None, None)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(timer.wait_expired, context)
        await trio.sleep(60)
        await timer.stop()  # a request of 100 s
        await trio.sleep(100)
        await timer.restart(None, None)
    assert math.isclose(trio.current_time() - start, 235)


async def test_stopping_ends_an_idle_connection_and_not_a_busy_one(
    autojump_clock: trio.testing.MockClock,
) -> None:
    timer, context = IdleTimer(75), WorkerContext(None)
    await timer.restart(None, None)
    await context.terminated.set()
    with trio.fail_after(LIMIT_S):
        await timer.wait_expired(context)
    working = IdleTimer(75)
    await working.stop()
    with trio.move_on_after(1000) as busy:
        await working.wait_expired(context)
    assert busy.cancelled_caught


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"GARBAGE\r\n\r\n",
        request(connection="close"),
        request("/version") + request(connection="close"),
        request("/nothing", connection="close"),
        request("/version", "PUT", connection="close"),
        request("/version", "OPTIONS", connection="close"),
        request("/version?x=1", connection="close"),
        request("/ws", connection="close"),
    ],
    ids=["silent", "garbage", "hot", "two", "404", "405", "options", "422", "no upgrade"],
)
async def test_a_connection_leaves_no_reference_cycles(box: Box, data: bytes) -> None:
    """After a flood of connections their memory is freed at once."""
    async with serving(box.app()) as server:

        async def once() -> None:
            stream = await server.connect()
            if data:
                await stream.send_all(data)
                await read_to_end(stream)
            await stream.aclose()

        assert await circles(once) == []


async def test_a_readable_socket_at_its_end_does_not_keep_a_connection() -> None:
    """A flood that ends leaves a thousand sockets readable: each at end of stream, none with a request."""
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with listener:
        client = await trio.testing.open_stream_to_socket_listener(listener)
        served = await listener.accept()
        limits = ServerLimits()
        connection = Connection(None, Config(), WorkerContext(None), OpenConnections(limits), served)
        assert not connection.has_bytes()
        await client.send_all(b"G")
        assert connection.has_bytes()
        await client.send_eof()
        with trio.fail_after(LIMIT_S):
            await trio.lowlevel.wait_readable(served.socket.fileno())
        assert connection.has_bytes(), "a request whose sender says no more is a request"
        assert await served.receive_some() == b"G"
        await _ended(served)
        assert not connection.has_bytes()
        await trio.aclose_forcefully(client)
        await trio.aclose_forcefully(served)
        assert not connection.has_bytes()


async def _ended(stream: trio.SocketStream) -> None:
    """Return once the end of the stream has arrived, without reading it."""
    with trio.fail_after(LIMIT_S):
        await trio.lowlevel.wait_readable(stream.socket.fileno())
        assert await stream.socket.recv(1, socket.MSG_PEEK) == b""
