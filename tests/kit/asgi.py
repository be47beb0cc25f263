"""ASGI apps for tests: called in-process with a fake server, or behind the real server on 127.0.0.1."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import h11
import trio

from appliance.server.connections import listeners
from appliance.server.connections.server import TlsListener, run_server

Message = dict[str, Any]
App = Callable[..., Awaitable[Any]]


@dataclass
class FakeServer:
    """The server's side of one request: records `send`, answers `receive`."""

    sent: list[Message] = field(default_factory=list)
    gone: trio.Event = field(default_factory=trio.Event)
    blocked: bool = False  # True: every body message waits forever, like a client that stopped reading

    async def receive(self) -> Message:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        await trio.lowlevel.checkpoint()
        if self.blocked and message.get("more_body"):
            await trio.sleep_forever()
        self.sent.append(dict(message))

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"])

    @property
    def headers(self) -> dict[str, str]:
        return {name.decode(): value.decode() for name, value in self.sent[0]["headers"]}

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent[1:])

    @property
    def is_finished(self) -> bool:
        return len(self.sent) > 1 and not self.sent[-1].get("more_body", False)


def request_scope(method: str = "GET", **headers: str) -> Message:
    """An HTTP scope; if_range="x" becomes the field If-Range."""
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http", "method": method, "path": "/x", "query_string": b"", "headers": raw}


@asynccontextmanager
async def serving(
    app: App, *, user_timeout_ms: int = 3000, context: ssl.SSLContext | None = None
) -> AsyncIterator[int]:
    """`app` behind the box's own server on a free port of 127.0.0.1, with TLS where there is a `context`;
    yields the port."""
    usual = listeners.USER_TIMEOUT_MS
    async with trio.open_nursery() as nursery:
        listeners.USER_TIMEOUT_MS = user_timeout_ms
        try:
            tls = None if context is None else TlsListener(app, 0, context)
            run = partial(run_server, app, host="127.0.0.1", port=0, tls=tls, stop=trio.Event())
            bound = await nursery.start(lambda task_status: run(task_status=task_status))
        finally:
            listeners.USER_TIMEOUT_MS = usual
        yield bound.tls_port or bound.port
        nursery.cancel_scope.cancel()


@dataclass(frozen=True)
class Response:
    status: int
    headers: dict[str, str]
    body: bytes
    is_whole: bool  # False: the connection ended before Content-Length was reached


class HttpClient:
    """One keep-alive connection."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self._h11 = h11.Connection(h11.CLIENT)

    @classmethod
    async def connect(cls, port: int) -> HttpClient:
        return cls(await trio.open_tcp_stream("127.0.0.1", port))

    async def start(self, method: str = "GET", path: str = "/", **headers: str) -> None:
        fields = [("host", "box"), *((name.replace("_", "-"), value) for name, value in headers.items())]
        request = h11.Request(method=method, target=path, headers=fields)
        data = self._h11.send(request) or b""
        await self.stream.send_all(data + (self._h11.send(h11.EndOfMessage()) or b""))

    async def fetch(self, method: str = "GET", path: str = "/", **headers: str) -> Response:
        await self.start(method, path, **headers)
        return await self.finish()

    async def finish(self) -> Response:
        """Read one response to its end, or to the end of the connection."""
        head: h11.Response | None = None
        body = bytearray()
        while True:
            try:
                event = self._h11.next_event()
            except h11.RemoteProtocolError:
                assert head is not None
                return _response(head, body, False)
            if event is h11.NEED_DATA:
                self._h11.receive_data(await self._read())
            elif isinstance(event, h11.Response):
                head = event
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage):
                assert head is not None
                if self._h11.our_state is h11.DONE:
                    self._h11.start_next_cycle()
                return _response(head, body, True)
            else:
                raise AssertionError(f"unexpected {event}")

    async def _read(self) -> bytes:
        try:
            return bytes(await self.stream.receive_some(1 << 20))
        except trio.BrokenResourceError:
            return b""

    async def aclose(self) -> None:
        await self.stream.aclose()


def _response(head: h11.Response, body: bytearray, is_whole: bool) -> Response:
    headers = {name.decode(): value.decode() for name, value in head.headers}
    return Response(head.status_code, headers, bytes(body), is_whole)
