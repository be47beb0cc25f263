"""A port is free, ours, or used by another program."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import pytest
import trio

from appliance.ops.ports import tcp_port, udp_port


@asynccontextmanager
async def server(answer: bytes) -> AsyncIterator[int]:
    async def serve(stream: trio.SocketStream) -> None:
        await stream.receive_some(4096)
        await stream.send_all(answer)
        await stream.aclose()

    async with trio.open_nursery() as nursery:
        serving = partial(trio.serve_tcp, serve, 0, host="127.0.0.1")
        (listener,) = await nursery.start(serving)
        yield listener.socket.getsockname()[1]
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (b'HTTP/1.1 200 \r\ncontent-type: x\r\n\r\n{"version":"1","site_id":"demo"}', "ok"),
        (b'HTTP/1.1 200 OK\r\n\r\n{"status":"ok"}', "ok"),
        (b'HTTP/1.1 200 OK\r\n\r\n{"hello":"world"}', "bad"),
        (b"HTTP/1.1 404 Not Found\r\n\r\n{}", "bad"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "bad"),
        (b"", "bad"),
    ],
)
async def test_the_program_that_answers_on_the_port_decides(answer: bytes, status: str) -> None:
    async with server(answer) as port:
        part = await tcp_port("127.0.0.1", port, "server.port")
    assert part.status == status
    assert ("is ours" in part.detail) == (status == "ok")
    assert status == "ok" or "server.port" in (part.hint or "")


async def test_a_free_port_is_free() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    assert (await tcp_port("127.0.0.1", port, "server.port")).detail == f"127.0.0.1:{port} is free"


async def test_an_address_of_another_machine_cannot_be_used() -> None:
    part = await tcp_port("192.0.2.1", 8080, "server.port")
    assert part.status == "bad" and "cannot be used" in part.detail


def test_a_cameras_port_may_be_in_use_by_our_own_box() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("0.0.0.0", 0))
        port = taken.getsockname()[1]
        assert udp_port(port, is_ours=True).status == "ok"
        assert udp_port(port, is_ours=False).status == "bad"
    assert udp_port(port, is_ours=False).status == "ok"
