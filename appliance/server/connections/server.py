"""The web server: two listeners, hypercorn's connections behind them, and a stop with deadlines.

Owns: listening sockets, hypercorn's settings, the limit of connections. Must not know: what is served.
Lifespan is not run: the composition root owns every actor (if one failed in Quart's nursery, HTTP would still
answer 200).
"""

from __future__ import annotations

import math
import ssl
from dataclasses import dataclass
from typing import Any
from wsgiref.handlers import format_date_time

import structlog
import trio
from hypercorn.config import Config
from hypercorn.trio.worker_context import WorkerContext

from appliance.http.limits import Seldom, ServerLimits
from appliance.kernel.clock import wall_us
from appliance.server.connections.connection import GONE, Connection
from appliance.server.connections.connection_limits import OpenConnections
from appliance.server.connections.listeners import CannotListen, open_listeners
from appliance.server.connections.priority import MarkPriority
from appliance.server.connections.tls_transport import TlsTransport

__all__ = ["Bound", "CannotListen", "ServerLimits", "TlsListener", "run_server"]

log = structlog.get_logger("web")

_FULL_BODY = (
    b'{"type":"about:blank","title":"Service Unavailable","status":503,"code":"too_many_connections"}'
)
_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\nretry-after: 5\r\n"
    b"content-length: %d\r\nconnection: close\r\n\r\n%b" % (len(_FULL_BODY), _FULL_BODY)
)
_FULL_LINES, _FAILED_LINES = Seldom(), Seldom()
TURNED_AWAY_MAX = 64  # connections that may stay open a second, to receive the 503 of a full server
WAITING_MAX = 256  # connections above the limit that may wait until what was sent before them has been read
TURNS_FOR_ROOM = 3


@dataclass(frozen=True, slots=True)
class Bound:
    """Where the server listens."""

    host: str
    port: int
    local_port: int | None  # None: the local listener is off
    tls_port: int | None = None  # None: TLS is off


@dataclass(frozen=True, slots=True)
class TlsListener:
    """`app` is served with TLS on the server's host. Certificates may be loaded into `context` at any time:
    new connections get them."""

    app: Any
    port: int
    context: ssl.SSLContext


class _ServerConfig(Config):
    """Hypercorn's settings, with the Date header made once a second."""

    def __init__(self, limits: ServerLimits) -> None:
        self.accesslog = None
        self.errorlog = None
        self.include_server_header = False
        self.h11_max_incomplete_size = 16 * 1024  # bytes of one request's header
        self.websocket_max_message_size = limits.message_bytes
        self.keep_alive_timeout = math.inf  # server/connections/connection.py has the keep-alive deadline
        self.keep_alive_max_requests = 1 << 60
        self._second = -1
        self._date: list[tuple[bytes, bytes]] = []

    def response_headers(self, protocol: str) -> list[tuple[bytes, bytes]]:
        second = wall_us() // 1_000_000
        if second != self._second:
            self._second = second
            self._date = [(b"date", format_date_time(second).encode("ascii"))]
        return self._date


async def run_server(
    app: Any,
    *,
    host: str,
    port: int,
    local_app: Any = None,
    local_port: int | None = None,
    tls: TlsListener | None = None,
    priority: MarkPriority | None = None,
    stop: trio.Event,
    limits: ServerLimits = ServerLimits(),  # noqa: B008  frozen
    task_status: trio.TaskStatus[Bound] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve `app` on host:port, `tls.app` with TLS (None: off), and `local_app` on 127.0.0.1:local_port
    (None: off), until `stop`. `priority`: of marks, for a caller that gives way to them too.

    Start: `task_status` gets the bound ports once both listen (port 0 takes a free one).
    Stop: set `stop`; listening ends, idle connections close, running requests have limits.stop_s, then
    their sockets are closed. Cancelling closes everything at once.
    Raises: CannotListen, naming the setting to change.
    """
    config, context = _ServerConfig(limits), WorkerContext(None)
    open_connections = OpenConnections(limits, priority=priority or MarkPriority())
    main = open_listeners(host, port, "server.port")
    local: list[trio.SocketListener] = []
    secure: list[trio.SocketListener] = []
    try:
        if local_app is not None and local_port is not None:
            local = open_listeners("127.0.0.1", local_port, "server.local_port")
        if tls is not None:
            secure = open_listeners(host, tls.port, "server.tls_port")
        async with trio.open_nursery() as handlers:
            try:
                async with trio.open_nursery() as accepting:
                    for listeners, served in ((main, app), (local, local_app)):
                        if listeners:
                            door = _ConnectionServer(served, config, context, open_connections)
                            await accepting.start(_accept, door, listeners, handlers)
                    if tls is not None:
                        door = _ConnectionServer(tls.app, config, context, open_connections, tls.context)
                        await accepting.start(_accept, door, secure, handlers)
                    ports = [_port(each) if each else None for each in (local, secure)]
                    task_status.started(Bound(host, _port(main), *ports))
                    await stop.wait()
                    accepting.cancel_scope.cancel(reason="the server stops")
                await context.terminated.set()
                open_connections.stop()
                with trio.move_on_after(limits.stop_s) as patience:
                    await open_connections.wait_empty()
                if patience.cancelled_caught:
                    log.warning("requests_cut_at_stop", connections=len(open_connections.members))
            finally:
                open_connections.abort()
                handlers.cancel_scope.cancel(reason="the server stops")
    finally:
        for listener in (*main, *local, *secure):
            listener.socket.close()


@dataclass(frozen=True, slots=True)
class _ConnectionServer:
    """Creates and serves one listener's connections."""

    app: Any
    config: Config
    context: WorkerContext
    open_connections: OpenConnections
    tls: ssl.SSLContext | None = None

    async def serve(self, stream: trio.SocketStream) -> None:
        """One accepted socket. This is the border of a connection: an unexpected error in it ends only this
        connection."""
        try:
            await self._serve(stream)
        except BaseExceptionGroup as group:
            ours, others = group.split(Exception)
            if ours is not None and (times := _FAILED_LINES.take(trio.current_time())) is not None:
                log.error("connection_failed", exc_info=ours, times=times)
            if others is not None:
                raise others from None  # cancelled, interrupted
        except Exception as error:  # the border
            if (times := _FAILED_LINES.take(trio.current_time())) is not None:
                log.error("connection_failed", exc_info=error, times=times)
        finally:
            stream.socket.close()

    async def _serve(self, stream: trio.SocketStream) -> None:
        try:
            address = str(stream.socket.getpeername()[0])
        except OSError:
            return  # the client has closed the connection since it was accepted
        if not (self.open_connections.make_room(address) or await self._make_room_after_reading(address)):
            self.open_connections.turned_away += 1
            try:
                if self.tls is None:  # before a TLS handshake no answer can be sent
                    await _turn_away(
                        stream, address, is_brief=self.open_connections.turned_away > TURNED_AWAY_MAX
                    )
            finally:
                self.open_connections.turned_away -= 1
            return
        # the handshake is part of receiving the first bytes, and has their deadline
        data = stream if self.tls is None else self._over(stream, self.tls)
        connection = Connection(self.app, self.config, self.context, self.open_connections, data)
        self.open_connections.add(connection, address)
        try:
            await connection.run()
        finally:
            self.open_connections.remove(connection)

    def _over(self, tcp: trio.SocketStream, context: ssl.SSLContext) -> trio.SSLStream[TlsTransport]:
        transport = TlsTransport(tcp, self.open_connections.priority)
        return trio.SSLStream(transport, context, server_side=True, https_compatible=True)

    async def _make_room_after_reading(self, address: str) -> bool:
        """Try again once the bytes that other connections sent before have been read: the event loop reads
        one of them in each pass, and only then is it known which of them sent no complete request."""
        if self.open_connections.waiting >= WAITING_MAX:
            return False
        self.open_connections.waiting += 1
        try:
            for _ in range(TURNS_FOR_ROOM):  # some wait for a mark before they take their place in the queue
                await self.open_connections.priority.give_way()
                await self.open_connections.priority.take()
                if self.open_connections.make_room(address):
                    return True
        finally:
            self.open_connections.waiting -= 1
        return False


async def _accept(
    door: _ConnectionServer,
    listeners: list[trio.SocketListener],
    handlers: trio.Nursery,
    *,
    task_status: trio.TaskStatus[Any],
) -> None:
    paced = [_PacedListener(listener, door.open_connections.priority) for listener in listeners]
    await trio.serve_listeners(door.serve, paced, handler_nursery=handlers, task_status=task_status)


class _PacedListener(trio.abc.Listener[trio.SocketStream]):
    """Accepts no connection while a mark is answered: a connection in the kernel's queue does not delay the
    mark, an accepted one takes some passes of the event loop."""

    def __init__(self, listener: trio.SocketListener, priority: MarkPriority) -> None:
        self._listener, self._priority = listener, priority

    async def accept(self) -> trio.SocketStream:
        await self._priority.admit()
        return await self._listener.accept()

    async def aclose(self) -> None:
        await self._listener.aclose()


async def _turn_away(stream: trio.SocketStream, address: str, *, is_brief: bool) -> None:
    """Answer 503. Unless it `is_brief`, wait until the client has read it: closing the socket before the
    request was read would reset the connection, and the answer would be lost."""
    if (times := _FULL_LINES.take(trio.current_time())) is not None:
        log.warning("too_many_connections", peer=address, times=times)
    with trio.move_on_after(1):
        try:
            await stream.send_all(_FULL)
            await stream.send_eof()
            while not is_brief and await stream.receive_some(4096):
                pass
        except GONE:
            pass


def _port(listeners: list[trio.SocketListener]) -> int:
    return int(listeners[0].socket.getsockname()[1])
