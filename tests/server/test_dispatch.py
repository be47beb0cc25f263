"""Which route handles a path."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from appliance.http.api import RawRoute, Routes
from appliance.server.dispatch import Table, path_pattern
from tests.server.conftest import Box
from tests.server.sockets import handshake, read_answer, request, serving


async def nothing(scope: Any, receive: Any, send: Any, parameters: dict[str, str]) -> None:
    """A handler that is looked up, not called."""


def match_of(table: Table[RawRoute], method: str, path: str) -> tuple[str, dict[str, str]] | None:
    match = table.find(method, path)
    return None if match is None else (match[0].path, match[1])


def test_literal_paths_win_over_parameters_in_any_order() -> None:
    routes = [
        RawRoute("GET", path, nothing)
        for path in ("/clips/{id}/{what}", "/clips/{id}/stream", "/clips/new/x")
    ]
    table = Table(routes)
    assert match_of(table, "GET", "/clips/new/x") == ("/clips/new/x", {})
    assert match_of(table, "GET", "/clips/c1/stream") == ("/clips/{id}/stream", {"id": "c1"})
    assert match_of(table, "GET", "/clips/c1/thumb") == ("/clips/{id}/{what}", {"id": "c1", "what": "thumb"})


def test_get_serves_head_and_nothing_else() -> None:
    table = Table([RawRoute("GET", "/a", nothing), RawRoute("WS", "/a", nothing)])
    assert match_of(table, "HEAD", "/a") and match_of(table, "WS", "/a")
    assert match_of(table, "POST", "/a") is None


@pytest.mark.parametrize(
    ("path", "parameters"),
    [
        ("/clips/c1/m12/end-zone.mp4", {"id": "c1", "rev": "12", "name": "end-zone"}),
        ("/clips/c1/m12/a.b.mp4", {"id": "c1", "rev": "12", "name": "a.b"}),
        ("/clips/c1/m12/.mp4", None),
        ("/clips/c1/m12/xmp4", None),
        ("/clips/c1/d/m12/x.mp4", None),
        ("/clips/c1/m12/x.mp4/", None),
        ("/clips/c1/m12/x.mp4\n", None),
    ],
)
def test_a_parameter_is_part_of_one_segment(path: str, parameters: dict[str, str] | None) -> None:
    match = path_pattern("/clips/{id}/m{rev}/{name}.mp4").fullmatch(path)
    assert (match.groupdict() if match else None) == parameters


async def test_sockets_leave_room_for_requests(box: Box) -> None:
    """Each holds a connection for hours: they must not use all of them."""
    routes, hold = Routes("test"), trio.Event()

    async def wait(scope: Any, receive: Any, send: Any, parameters: dict[str, str]) -> None:
        await send({"type": "websocket.accept"})
        await hold.wait()

    routes.raw.append(RawRoute("WS", "/wait", wait))
    app = box.app(routes)
    app.sockets_max = 2
    async with serving(app) as server:
        for _ in range(2):
            stream = await server.connect()
            await stream.send_all(handshake("/wait"))
            assert (await stream.receive_some()).startswith(b"HTTP/1.1 101 ")
        third = await server.connect()
        await third.send_all(handshake("/wait"))
        answer = await read_answer(third)
        assert answer.startswith(b"HTTP/1.1 503 ") and b"too_many_sockets" in answer
        fourth = await server.connect()
        await fourth.send_all(request())
        assert (await read_answer(fourth)).startswith(b"HTTP/1.1 200 ")
        hold.set()
    assert app.sockets_now == 0
