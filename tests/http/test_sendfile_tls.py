"""Media over TLS: paced, and patient with a player that pauses, as without encryption."""

from __future__ import annotations

import itertools
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio

from appliance.http import sendfile
from appliance.http.pacing import START_BYTES
from appliance.http.ranges import FileRange, Media
from appliance.network.tls import Tls
from appliance.server.connections.server import TlsListener
from tests.http.test_sendfile import EMPTY, FULL, Box, pieces_of, whole_of
from tests.kit.asgi import HttpClient
from tests.kit.encrypted import over, own_tls
from tests.server.sockets import Running, serving


@pytest.fixture
def big(tmp_path: Path) -> Path:
    path = tmp_path / "big"
    path.write_bytes(os.urandom(1 << 20) * 3)
    return path


@pytest.fixture
def tls(tmp_path: Path) -> Tls:
    return own_tls(tmp_path / "tls")


def endless(path: Path) -> Callable[[], Media]:
    """More than the buffers of both sides hold."""

    def make() -> Media:
        fd = os.open(path, os.O_RDONLY)
        return Media(60 << 20, [FileRange(fd, 0, 3 << 20)] * 20, '"m1"')

    return make


async def player(server: Running, tls: Tls) -> HttpClient:
    stream = over(await server.connect(server.bound.tls_port), tls.source.folder)  # type: ignore[attr-defined]
    return HttpClient(stream)  # type: ignore[arg-type]  # it sends and receives


async def test_ranges_over_tls_are_whole_and_written_directly(big: Path, tls: Tls) -> None:
    box, whole = Box(pieces_of(big), True), whole_of(big)
    async with serving(box.app, tls=TlsListener(box.app, 0, tls.context)) as server:
        client = await player(server, tls)
        for first, last in ((0, 1), (99_990, 100_009), (1_599_000, 1_700_000)):
            response = await client.fetch(range=f"bytes={first}-{last}")
            assert (response.status, response.body) == (206, whole[first : last + 1])
        assert (await client.fetch("HEAD")).headers["content-length"] == "2100000"
        assert (await client.fetch()).body == whole
    assert {delivery.end for delivery in box.deliveries} == {"complete"} and all(box.fast)
    assert box.deliveries[-1].sent == 2_100_000


async def test_a_player_over_tls_may_pause_as_long_as_one_without(big: Path, tls: Tls) -> None:
    """The kernel closes a connection that accepts nothing for 3 s, unless its timeout is raised."""
    patience_ms: list[int] = []
    box = Box(endless(big), True)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        connection = send.__self__.send.__self__.send.__self__

        def stalled(is_stalled: bool) -> None:
            if is_stalled and not paused.is_set():
                option = (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
                patience_ms.append(connection.tcp.socket.getsockopt(*option))
                paused.set()

        connection.stall = stalled  # reported while the client takes nothing
        await box.app(scope, receive, send)

    paused = trio.Event()
    async with serving(app, tls=TlsListener(app, 0, tls.context)) as server:
        client = await player(server, tls)
        await client.start()
        await paused.wait()
        assert (await client.finish()).is_whole
    assert patience_ms == [sendfile.STALL_S * 1000]


async def test_a_client_over_tls_that_takes_nothing_is_cut_off_while_others_go_on(
    big: Path, tls: Tls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sendfile, "STALL_S", 1.0)
    box = Box(endless(big), True)
    async with serving(box.app, tls=TlsListener(box.app, 0, tls.context)) as server:
        stalled, other = await player(server, tls), await player(server, tls)
        await stalled.start()
        assert len((await other.fetch(range="bytes=0-999999")).body) == 1_000_000
        await box.wait_ended(2)
    assert {delivery.end for delivery in box.deliveries} == {"complete", "stalled"}


async def test_a_body_over_tls_waits_where_a_queue_would_block_marks(
    big: Path, tls: Tls, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[int] = []
    read = sendfile.read_range

    async def counted(wanted: FileRange) -> bytes:
        steps.append(wanted.length)
        return await read(wanted)

    flows = itertools.cycle((FULL, FULL, EMPTY))
    monkeypatch.setattr(sendfile, "_flow_of", lambda sock: next(flows))
    monkeypatch.setattr(sendfile, "read_range", counted)
    box, whole = Box(pieces_of(big), True), whole_of(big)
    async with serving(box.app, tls=TlsListener(box.app, 0, tls.context)) as server:
        client = await player(server, tls)
        assert (await client.fetch(range="bytes=90000-299999")).body == whole[90_000:300_000]
    assert max(steps) <= START_BYTES
