"""New connections while marks are answered, and the cost of a silent connection."""

from __future__ import annotations

from typing import Any

import pytest
import trio
import trio.testing

from appliance.server.connections import connection_limits, priority
from appliance.server.connections.server import ServerLimits
from tests.kit.waiting import LIMIT_S
from tests.server.conftest import Box
from tests.server.sockets import Running, read_answer, read_to_end, request, serving


async def test_a_connection_that_waits_for_a_mark_counts_towards_the_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(priority, "GIVE_WAY_S", 1e6)
    monkeypatch.setattr(connection_limits, "GREETING_S", 0.0)
    begun = trio.Event()

    class Marks:
        def is_short(self, path: str) -> bool:
            return True

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            begun.set()
            await trio.sleep_forever()

    async with serving(Marks(), ServerLimits(connections=3, stop_s=0.1)) as server:
        mark = await server.connect()
        await mark.send_all(request("/mark", "POST", b"{}"))
        await begun.wait()
        guests = [await server.connect() for _ in range(4)]
        with trio.fail_after(LIMIT_S):
            assert await read_to_end(guests[0]) == b""  # A7: no connection waits outside of the limit


async def test_a_silent_connection_is_a_socket_and_a_task(box: Box) -> None:
    """Because a flood of silent connections must cost as little as possible."""
    async with serving(box.app()) as server:
        await read_answer_of(server)
        before = trio.lowlevel.current_statistics().tasks_living
        for _ in range(10):
            await server.connect()
        with trio.fail_after(LIMIT_S):
            while trio.lowlevel.current_statistics().tasks_living < before + 10:  # noqa: ASYNC110  # accepted
                await trio.sleep(0.01)
        await trio.testing.wait_all_tasks_blocked()
        assert trio.lowlevel.current_statistics().tasks_living == before + 10


async def read_answer_of(server: Running) -> None:
    stream = await server.connect()
    await stream.send_all(request(connection="close"))
    await read_to_end(stream)
    await trio.testing.wait_all_tasks_blocked()


async def test_no_connection_is_accepted_while_a_mark_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(priority, "GIVE_WAY_S", 1e6)
    monkeypatch.setattr(priority, "SAVED_S", 1e6)
    monkeypatch.setattr(priority, "SHARE", 1e6)
    begun, gate, query = trio.Event(), trio.Event(), trio.Event()

    class Marks:
        def is_short(self, path: str) -> bool:
            return path == "/mark"

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            if scope["path"] == "/mark":
                begun.set()
                await gate.wait()
            query.set()

    async with serving(Marks()) as server:
        mark = await server.connect()
        await mark.send_all(request("/mark", "POST", b"{}"))
        await begun.wait()
        before = trio.lowlevel.current_statistics().tasks_living
        guests = [await server.connect() for _ in range(5)]
        for guest in guests:
            await guest.send_all(request("/other"))
        await trio.testing.wait_all_tasks_blocked()
        # the listener was already waiting for one; the other four stay in the kernel's queue
        assert trio.lowlevel.current_statistics().tasks_living <= before + 1 and not query.is_set()
        gate.set()
        with trio.fail_after(LIMIT_S):
            await query.wait()


async def test_a_connection_whose_request_waits_for_its_turn_is_not_closed(
    monkeypatch: pytest.MonkeyPatch, box: Box
) -> None:
    monkeypatch.setattr(priority, "GIVE_WAY_S", 1e6)
    monkeypatch.setattr(connection_limits, "GREETING_S", 0.0)
    app, gate, begun = box.app(), trio.Event(), trio.Event()

    class Marks:
        def is_short(self, path: str) -> bool:
            return path == "/mark"

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            if scope["path"] == "/mark":
                begun.set()
                await gate.wait()
            await app(scope, receive, send)

    async with serving(Marks(), ServerLimits(connections=3)) as server:
        mark = await server.connect()
        await mark.send_all(request("/mark", "POST", b"{}"))
        await begun.wait()
        asking = await server.connect()
        await asking.send_all(request(connection="close"))
        silent = [await server.connect() for _ in range(4)]
        with trio.fail_after(LIMIT_S):
            assert [await read_to_end(each) for each in silent[:3]] == [b""] * 3
        gate.set()
        assert (await read_to_end(asking)).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("before", [b"", request("/quick", "POST", b"{}")], ids=["first", "kept"])
async def test_a_request_that_waits_for_its_turn_is_not_idle(
    monkeypatch: pytest.MonkeyPatch, box: Box, before: bytes
) -> None:
    """On a machine that was suspended for seconds, requests that had been read were dropped unanswered."""
    for figure in ("GIVE_WAY_S", "SAVED_S", "SHARE"):
        monkeypatch.setattr(priority, figure, 1e6)
    app, gate, begun = box.app(), trio.Event(), trio.Event()

    class Marks:
        def is_short(self, path: str) -> bool:
            return path in ("/mark", "/quick")

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            if scope["path"] == "/mark":
                begun.set()
                await gate.wait()
            await app(scope, receive, send)

    async with serving(Marks(), ServerLimits(first_s=1.0, idle_s=1.0)) as server:
        mark, asking = await server.connect(), await server.connect()
        if before:
            await asking.send_all(before)
            await read_answer(asking)
        await mark.send_all(request("/mark", "POST", b"{}"))
        await begun.wait()
        await asking.send_all(before + request(connection="close"))
        await trio.sleep(1.2)  # longer than each limit
        gate.set()
        assert b"HTTP/1.1 200 " in await read_to_end(asking)
