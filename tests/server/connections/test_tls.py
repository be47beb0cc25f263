"""The server over TLS, with real sockets: as without TLS; a connection without a handshake is closed."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from appliance.http.api import RawRoute, Routes
from appliance.http.limits import LARGE_BYTES
from appliance.network.tls import OwnCertificate, Tls
from appliance.server.connections.priority import MarkPriority
from appliance.server.connections.server import ServerLimits, TlsListener
from appliance.server.connections.tls_transport import TlsTransport
from tests.kit.encrypted import NAME, Secure, over, own_tls
from tests.kit.waiting import LIMIT_S
from tests.server.conftest import Box
from tests.server.connections.test_server_websocket import socket_routes
from tests.server.sample import sample_routes
from tests.server.sockets import (
    PATIENT,
    Running,
    frame,
    handshake,
    read_answer,
    read_to_end,
    request,
    serving,
)

NOTE = b'{"text":"x"}'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "tls"


@pytest.fixture
def tls(folder: Path) -> Tls:
    return own_tls(folder)


@asynccontextmanager
async def encrypted(app: Any, tls: Tls, limits: ServerLimits = PATIENT) -> AsyncIterator[Running]:
    async with serving(app, limits, tls=TlsListener(app, 0, tls.context)) as server:
        yield server


async def connect(server: Running, folder: Path) -> Secure:
    stream = over(await server.connect(server.bound.tls_port), folder)
    await stream.do_handshake()
    return stream


async def read_all(stream: Secure) -> bytes:
    return await read_to_end(stream)  # type: ignore[arg-type]  # it only receives


def scheme_routes() -> Routes:
    routes = Routes("test")

    async def show(scope: Any, receive: Any, send: Any, parameters: dict[str, str]) -> None:
        body = scope["scheme"].encode() + bytes(2 * LARGE_BYTES)
        await send(
            {
                "type": "http.response.start",
                "status": 200,
                "headers": [(b"content-length", b"%d" % len(body))],
            }
        )
        await send({"type": "http.response.body", "body": body})

    routes.raw.append(RawRoute("GET", "/scheme", show))
    return routes


async def test_requests_are_answered_on_one_connection_until_it_closes(
    box: Box, tls: Tls, folder: Path
) -> None:
    async with encrypted(box.app(sample_routes()), tls) as server:
        stream = await connect(server, folder)
        assert stream.selected_alpn_protocol() in (None, "http/1.1")
        for number in range(3):
            await stream.send_all(
                request("/hot", "POST", NOTE, content_type="application/json")
            )  # a short request, as marks are
            assert (await read_answer(stream)).startswith(b"HTTP/1.1 201 ")  # type: ignore[arg-type]
            assert box.count_notes() == number + 1
        await stream.send_all(request(connection="close"))
        assert (await read_all(stream)).startswith(b"HTTP/1.1 200 ")
        plain = await server.connect()
        await plain.send_all(request(connection="close"))
        assert (await read_to_end(plain)).startswith(b"HTTP/1.1 200 ")


async def test_a_large_answer_is_whole_and_its_scheme_is_https(box: Box, tls: Tls, folder: Path) -> None:
    async with encrypted(box.app(scheme_routes()), tls) as server:
        stream = await connect(server, folder)
        await stream.send_all(request("/scheme", connection="close"))
        body = (await read_all(stream)).partition(b"\r\n\r\n")[2]
        assert body == b"https" + bytes(2 * LARGE_BYTES)


async def test_a_websocket_over_tls(box: Box, tls: Tls, folder: Path) -> None:
    ended = trio.Event()
    async with encrypted(box.app(socket_routes(ended)), tls) as server:
        stream = await connect(server, folder)
        await stream.send_all(handshake("/ws"))
        assert (await stream.receive_some()).startswith(b"HTTP/1.1 101 ")
        await stream.send_all(frame(b"x" * 60))
        assert b"60" in await stream.receive_some()
        await trio.aclose_forcefully(stream)
        with trio.fail_after(LIMIT_S):
            await ended.wait()


@pytest.mark.parametrize(
    "sent", [b"", b"GET /time HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x02\x00\x01", bytes(600)]
)
async def test_a_client_without_a_handshake_is_closed_and_disturbs_no_other(
    box: Box, tls: Tls, folder: Path, sent: bytes
) -> None:
    async with encrypted(box.app(), tls, ServerLimits(first_s=0.5)) as server:
        stranger = await server.connect(server.bound.tls_port)
        if sent:
            await stranger.send_all(sent)
        with trio.fail_after(LIMIT_S):
            await read_to_end(stranger)
        stream = await connect(server, folder)
        await stream.send_all(request(connection="close"))
        assert (await read_all(stream)).startswith(b"HTTP/1.1 200 ")


async def test_connections_without_a_handshake_are_closed_for_new_ones(
    box: Box, tls: Tls, folder: Path
) -> None:
    async with encrypted(box.app(), tls, ServerLimits(connections=10)) as server:
        for _ in range(12):
            await server.connect(server.bound.tls_port)
        stream = await connect(server, folder)
        await stream.send_all(request(connection="close"))
        assert (await read_all(stream)).startswith(b"HTTP/1.1 200 ")


class Passes(trio.abc.Instrument):
    """How many handshakes were computed in each pass of the event loop."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.computed = [0]
        context.sni_callback = self._compute

    def before_io_wait(self, timeout: float) -> None:
        self.computed.append(0)

    def _compute(self, *_: object) -> None:
        self.computed[-1] += 1


async def test_of_many_handshakes_one_is_computed_in_each_pass(box: Box, tls: Tls, folder: Path) -> None:
    """All at once they would delay a mark by 0.5 ms each."""
    crowd = 12
    async with encrypted(box.app(), tls) as server:
        streams = [await server.connect(server.bound.tls_port) for _ in range(crowd)]
        passes = Passes(tls.context)
        trio.lowlevel.add_instrument(passes)
        async with trio.open_nursery() as nursery:
            for stream in streams:
                nursery.start_soon(over(stream, folder).do_handshake)
    assert sum(passes.computed) == crowd and max(passes.computed) == 1


async def test_a_short_request_is_of_https_as_well(tls: Tls, folder: Path) -> None:
    schemes: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        schemes.append(scope["scheme"])
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body"})

    app.is_short = lambda path: True  # type: ignore[attr-defined]
    async with encrypted(app, tls) as server:
        stream = await connect(server, folder)
        await stream.send_all(request("/hot", "POST", NOTE))
        await read_answer(stream)  # type: ignore[arg-type]
    assert schemes == ["https"]


async def test_a_writer_decides_how_long_it_waits_for_a_full_socket() -> None:
    """Otherwise the kernel does: after 3 s."""

    async def give_up() -> None:
        raise trio.TooSlowError

    listening = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with listening[0] as listener:
        client = await trio.open_tcp_stream("127.0.0.1", listener.socket.getsockname()[1])
        async with client, await listener.accept() as tcp:
            transport = TlsTransport(tcp, MarkPriority())
            await transport.send_all(b"a")
            transport.when_full = give_up
            with pytest.raises(trio.TooSlowError):
                while True:
                    await transport.send_all(bytes(1 << 20))
            assert await client.receive_some(1) == b"a"


async def test_a_certificate_made_anew_is_shown_to_the_next_connection(
    box: Box, tls: Tls, folder: Path
) -> None:
    async with encrypted(box.app(), tls) as server:
        before = (await connect(server, folder)).getpeercert(binary_form=True)
        tls.source = OwnCertificate(folder, tls.source.authority, NAME, lambda: ["10.0.0.7"])  # type: ignore[attr-defined]
        tls.load()
        assert (await connect(server, folder)).getpeercert(binary_form=True) != before


def test_old_versions_of_tls_are_refused(tls: Tls) -> None:
    assert tls.context.minimum_version == ssl.TLSVersion.TLSv1_2
