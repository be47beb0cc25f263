"""Downloads and waiting requests end when the device's access ends; over real sockets."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import trio

from appliance.access.core import secret_hash
from appliance.access.door import AccessDoor
from appliance.access.registry import Registry
from appliance.access.roles import Permission, matrix
from appliance.http.api import RawRoute, Receive, Routes, Scope, Send
from appliance.http.ranges import FileRange, Media, send_media
from appliance.kernel.store import open_store
from appliance.server.app import make_local_app
from appliance.server.box_routes import Hooks, Site
from tests.kit.clock import HandClock
from tests.kit.waiting import LIMIT_S
from tests.server.sockets import Running, read_answer, read_to_end, request, serving

SIZE = 32 << 20  # more than the buffers of a connection
PATHS = ("/film", "/plain", "/wait")
WATCH = Permission(frozenset({"coach", "analyst"}), media=True)


def row(device_id: str, role: str = "coach", name: str = "iPad", rev: int = 1) -> dict[str, object]:
    token_hash = secret_hash(f"token of {device_id}")
    return {
        "id": device_id,
        "name": name,
        "role": role,
        "token_hash": token_hash,
        "channel_id": None,
        "seen_us": None,
        "rev": rev,
    }


@dataclass
class Side:
    """A server with /film, /plain (the same without sendfile) and /wait."""

    registry: Registry
    server: Running
    begun: dict[str, trio.Event]
    ended: dict[str, trio.Event]

    async def ask(self, path: str, device_id: str) -> trio.SocketStream:
        stream = await self.server.connect()
        await stream.send_all(request(path, authorization=f"Bearer token of {device_id}"))
        return stream


@asynccontextmanager
async def running_side(folder: Path) -> AsyncIterator[Side]:
    film = folder / "film"
    with film.open("wb") as made:
        os.truncate(made.fileno(), SIZE)
    begun, ended = ({path: trio.Event() for path in PATHS} for _ in range(2))

    async def serve(scope: Scope, receive: Receive, send: Send, given: dict[str, str]) -> None:
        begun[scope["path"]].set()
        try:
            if scope["path"] == "/wait":
                await trio.sleep_forever()
            fd = os.open(film, os.O_RDONLY)
            media = Media(SIZE, [FileRange(fd, 0, SIZE)], '"m1"')
            await send_media(scope, receive, send, media, use_sendfile=scope["path"] == "/film")
        finally:
            ended[scope["path"]].set()

    registry, clock = Registry(), HandClock()
    registry.load([row("a"), row("b")], ())
    rows = {f"GET {path}": WATCH for path in (*PATHS, "/healthz", "/readyz", "/metrics")}
    door = AccessDoor(registry, matrix(rows), clock, is_open=False, on_loopback=False)
    routes = Routes("film", raw=[RawRoute("GET", path, serve) for path in PATHS])
    async with open_store(folder / "box.db", clock) as store:
        hooks = Hooks(dict, lambda: b"", lambda tx, give_way: {})
        app = make_local_app([routes], store=store, clock=clock, site=Site(), hooks=hooks)
        app.door = door
        async with serving(app) as server:
            yield Side(registry, server, begun, ended)


@pytest.mark.parametrize("path", ["/film", "/plain"])
async def test_a_download_ends_with_the_access(tmp_path: Path, path: str) -> None:
    async with running_side(tmp_path) as side:
        lost, kept = await side.ask(path, "a"), await side.ask("/film", "b")
        assert (await lost.receive_some(4096)).startswith(b"HTTP/1.1 200")
        assert (await kept.receive_some(4096)).startswith(b"HTTP/1.1 200")
        side.registry.revoke("a")
        with trio.fail_after(LIMIT_S):
            assert len(await read_to_end(lost)) < SIZE // 2
            left = 3 * SIZE // 4  # more than was on its way
            while left > 0:
                data = await kept.receive_some(1 << 20)
                assert data, "another device's download goes on"
                left -= len(data)


@pytest.mark.parametrize("path", ["/film", "/plain"])
async def test_a_download_whose_client_does_not_read_ends_at_once(tmp_path: Path, path: str) -> None:
    async with running_side(tmp_path) as side:
        lost = await side.ask(path, "a")
        assert (await lost.receive_some(100)).startswith(b"HTTP/1.1 200")
        side.registry.revoke("a")
        with trio.fail_after(LIMIT_S):
            await side.ended[path].wait()


@pytest.mark.parametrize("path", ["/film", "/plain"])
async def test_a_download_survives_a_new_name_and_ends_with_another_role(tmp_path: Path, path: str) -> None:
    async with running_side(tmp_path) as side:
        stream = await side.ask(path, "a")
        await stream.receive_some(4096)
        side.registry.put(row("a", name="Sideline", rev=2))
        got = 0
        while got < SIZE // 2:
            got += len(await stream.receive_some(1 << 20))
        side.registry.put(row("a", role="capture", name="Sideline", rev=3))
        with trio.fail_after(LIMIT_S):
            assert got + len(await read_to_end(stream)) < SIZE


async def test_a_request_that_waits_is_refused(tmp_path: Path) -> None:
    async with running_side(tmp_path) as side:
        stream = await side.ask("/wait", "a")
        with trio.fail_after(LIMIT_S):
            await side.begun["/wait"].wait()
            side.registry.revoke("a")
            answer = await read_answer(stream)
        assert answer.startswith(b"HTTP/1.1 401") and b"not_paired" in answer
