"""A running server with real sockets on 127.0.0.1, and requests as bytes."""

from __future__ import annotations

import gc
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import trio

from appliance.server.connections.server import Bound, ServerLimits, run_server
from tests.kit.waiting import LIMIT_S

QUICK = ServerLimits(header_s=1.0, body_s=1.0, idle_s=1.0, stop_s=1.0)  # a busy machine may pause for less
PATIENT = ServerLimits()

App = Callable[..., Awaitable[Any]]


class Running:
    """A server under test; `stop()` stops it and waits."""

    def __init__(self, bound: Bound, stop: trio.Event, done: trio.Event) -> None:
        self.bound, self._stop, self._done = bound, stop, done
        self._streams: list[trio.SocketStream] = []

    def ask_to_stop(self) -> None:
        self._stop.set()

    async def stop(self) -> None:
        self._stop.set()
        await self._done.wait()

    async def connect(self, port: int | None = None) -> trio.SocketStream:
        """A connection that is closed at the end of the test."""
        stream = await trio.open_tcp_stream("127.0.0.1", port or self.bound.port)
        self._streams.append(stream)
        return stream

    async def close(self) -> None:
        for stream in self._streams:
            await trio.aclose_forcefully(stream)


@asynccontextmanager
async def serving(app: App, limits: ServerLimits = PATIENT, **options: Any) -> AsyncIterator[Running]:
    stop, done = trio.Event(), trio.Event()
    options = {"host": "127.0.0.1", "port": 0, **options}

    async def run(*, task_status: Any) -> None:
        await run_server(app, stop=stop, limits=limits, task_status=task_status, **options)
        done.set()

    with trio.fail_after(LIMIT_S):
        async with trio.open_nursery() as nursery:
            bound = await nursery.start(run)
            running = Running(bound, stop, done)
            try:
                yield running
                await running.stop()
            finally:
                await running.close()


def request(path: str = "/time", method: str = "GET", body: bytes = b"", **headers: str) -> bytes:
    fields = {"host": "127.0.0.1", **{name.replace("_", "-"): value for name, value in headers.items()}}
    if body and "transfer-encoding" not in fields:
        fields.setdefault("content-length", str(len(body)))
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode() + body


async def read_answer(stream: trio.SocketStream) -> bytes:
    """One answer with a Content-Length; the received part when the connection ends."""
    got = b""
    while True:
        match = re.search(rb"content-length: (\d+)\r\n(?s:.*?)\r\n\r\n", got)
        if match and len(got) >= match.end() + int(match[1]):
            return got
        data = await stream.receive_some()
        if not data:
            return got
        got += data


async def read_to_end(stream: trio.SocketStream) -> bytes:
    got = b""
    while True:
        try:
            data = await stream.receive_some()
        except trio.BrokenResourceError:
            return got
        if not data:
            return got
        got += data


def handshake(path: str, *extra: str) -> bytes:
    fields = ("Host: 127.0.0.1", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13")
    lines = (f"GET {path} HTTP/1.1", *fields, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", *extra, "", "")
    return "\r\n".join(lines).encode()


def frame(payload: bytes, opcode: int = 2, *, last: bool = True) -> bytes:
    """One masked frame of a client (mask zero)."""
    length = len(payload)
    size = bytes((0x80 | length,)) if length < 126 else b"\xff" + length.to_bytes(8, "big")
    return bytes((opcode | 0x80 * last,)) + size + bytes(4) + payload


SERVING = ("appliance", "h11", "hypercorn", "quart", "quart_trio", "werkzeug", "wsproto")


async def circles(once: Callable[[], Awaitable[None]], rounds: int = 10) -> list[str]:
    """Type names of reference cycles left by `once`: the collector rarely checks old objects."""
    await once()
    await trio.sleep(0.05)
    with garbage() as left:
        for _ in range(rounds):
            await once()
        await trio.sleep(0.05)  # the server's side of the last one
    return left


@contextmanager
def garbage() -> Iterator[list[str]]:
    """In the list, after the block: the types of request objects that only the collector would free."""
    left: list[str] = []
    gc.collect()
    gc.disable()
    try:
        yield left
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        types = {type(each) for each in gc.garbage}
        left += sorted(each.__name__ for each in types if each.__module__.partition(".")[0] in SERVING)
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
