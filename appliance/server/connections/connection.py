"""One TCP connection under hypercorn 0.18, with the limits that hypercorn lacks.

Owns: how long a client may take for a header and a body, idle time, the end of a connection, and what one
application receives. Must not know: routes, listeners. Depends on hypercorn's internals (version pinned in
pyproject.toml): `TCPServer`, `H11Protocol`, `HTTPStream`, `WSStream`; http/passthrough.py uses the same.

What is changed, and why:
- reading has deadlines that depend on what is being read (hypercorn's one `read_timeout` would end WebSockets
  and long downloads too), so a client that sends a byte every five seconds is closed (slowloris);
- a disconnect never waits behind an unread body, and the rest of a refused body is discarded for a moment
  before the socket closes: closing at once would reset the connection and destroy the answer;
- keep-alive time is one moving deadline per connection instead of a task per request, and a JSON answer is
  sent in one segment (measured: 1.3 to 1.7 times the requests per second);
- no HTTP/2 upgrade, no WebSocket compression, and a too large message ends its connection;
- a small request that arrives complete is served without h11 and a task (short_requests.py), if the
  application allows it (`is_short`);
- malformed input ends only its own connection.
"""

from __future__ import annotations

import fcntl
import math
import sys
import termios
from collections.abc import Callable
from typing import Any

import h11
import structlog
import trio
from hypercorn.config import Config
from hypercorn.events import Closed, Event, RawData, Updated
from hypercorn.trio.task_group import TaskGroup
from hypercorn.trio.tcp_server import MAX_RECV, TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ConnectionState
from hypercorn.utils import UnexpectedMessageError, parse_socket_addr
from wsproto.utilities import ProtocolError as WebSocketError

from appliance.http.limits import Seldom, ServerLimits
from appliance.server.connections.connection_limits import OpenConnections
from appliance.server.connections.frames import FrameMeter
from appliance.server.connections.http1 import Protocol
from appliance.server.connections.priority import PAUSE_KEY
from appliance.server.connections.short_requests import Exchange, parse_short, scope_of
from appliance.server.connections.tls_transport import TlsTransport

__all__ = ["GONE", "Connection", "IdleTimer", "Inbox", "ServerLimits"]

log = structlog.get_logger("web")

LAST_SEND_S = 10.0
LINGER_S = 1.0  # a refused client has this long to read the answer before its upload is reset
LINGER_BYTES = 4 << 20
GONE = (trio.BrokenResourceError, trio.ClosedResourceError, trio.BusyResourceError)
"""Errors of a socket that cannot be used (any more). Busy: another task is closing it at this moment."""
MALFORMED = (ValueError, h11.ProtocolError, WebSocketError, UnexpectedMessageError)
_MALFORMED_LINES, _FLOOD_LINES = Seldom(), Seldom()


ByteStream = trio.SocketStream | trio.SSLStream[TlsTransport]
"""What a connection reads and writes: a TCP socket, or TLS on one."""


def tcp_of(stream: ByteStream) -> trio.SocketStream:
    return stream if isinstance(stream, trio.SocketStream) else stream.transport_stream.tcp


class Inbox:
    """The messages of one application: bounded (policy: block), except that a disconnect never waits."""

    def __init__(self, bound: int) -> None:
        self._send, self._receive = trio.open_memory_channel[dict[str, Any]](bound)
        self._disconnect: dict[str, Any] = {"type": "http.disconnect"}

    async def put(self, message: dict[str, Any]) -> None:
        """After a disconnect, or once the application has returned, messages are dropped."""
        if message["type"].endswith(".disconnect"):
            self._disconnect = message
            self._send.close()
            return
        try:
            await self._send.send(message)
        except (trio.ClosedResourceError, trio.BrokenResourceError):
            await trio.lowlevel.checkpoint()

    async def receive(self) -> dict[str, Any]:
        try:
            return await self._receive.receive()
        except trio.EndOfChannel:
            return self._disconnect

    def close(self) -> None:
        self._receive.close()


class Tasks(TaskGroup):
    """Hypercorn's task group, with our inbox. Errors of the application are caught by its own border."""

    async def spawn_app(self, app: Any, config: Config, scope: Any, send: Any) -> Any:
        inbox = Inbox(config.max_app_queue_size)
        assert self._nursery is not None
        self._nursery.start_soon(_run_app, app, scope, inbox, send, name=f"request {scope['path'][:80]}")
        return inbox.put


async def _run_app(app: Any, scope: Any, inbox: Inbox, send: Any) -> None:
    try:
        await app(scope, inbox.receive, send)
    finally:
        inbox.close()
        with trio.move_on_after(LAST_SEND_S, shield=True):
            await send(None)  # ends or recycles the connection


class IdleTimer:
    """Keep-alive as one moving deadline. Replaces hypercorn's task per request."""

    def __init__(self, idle_s: float) -> None:
        self._idle_s = idle_s
        self._scope = trio.CancelScope()
        self.is_idle = False

    def begin(self, first_s: float) -> None:
        """A new connection: the deadline of its first byte."""
        self.is_idle = True
        self._scope.deadline = trio.current_time() + first_s

    async def restart(self, task_group: object, action: object) -> None:
        self.begin(self._idle_s)

    async def stop(self) -> None:
        self.is_idle = False
        self._scope.deadline = math.inf

    async def wait_expired(self, context: WorkerContext) -> None:
        """Return when the time is over, or when the server stops while no request is running."""
        with self._scope:
            await context.terminated.wait()
            if not self.is_idle:
                await trio.sleep_forever()  # the running answer ends the connection


class Connection(TCPServer):
    """One accepted socket, from the first byte to the last."""

    protocol: Protocol  # type: ignore[assignment]  # hypercorn wraps one in a switch to HTTP/2
    stream: ByteStream  # type: ignore[assignment]  # hypercorn names the TLS one

    def __init__(
        self,
        app: Any,
        config: Config,
        context: WorkerContext,
        open_connections: OpenConnections,
        stream: ByteStream,
    ) -> None:
        super().__init__(app, config, context, ConnectionState({}), stream)  # type: ignore[arg-type]  # as stream above
        self.tcp = tcp_of(stream)
        self.is_encrypted = stream is not self.tcp  # the scheme is https or wss
        self.open_connections = open_connections
        self.limits = open_connections.limits
        self._idle = IdleTimer(self.limits.idle_s)
        self.idle_task = self._idle  # type: ignore[assignment]  # same two methods
        self._greeting = trio.CancelScope()
        self._reader = trio.CancelScope()
        self._keep_alive = trio.CancelScope()
        self._linger_until: float | None = None
        self._waits_its_turn = False  # a request has been read and waits for its turn (priority.py)
        self._frames = FrameMeter()
        self.when_flooded: Callable[[], None] | None = None  # called so that the application sends the reason

    async def run(self) -> None:
        """Serve requests until either side closes."""
        try:
            if data := await self._first_bytes():
                self._waits_its_turn = True
                await self.open_connections.priority.give_way()
                await self._serve(data)
        except OSError:
            pass  # the peer has closed the connection since it was accepted
        finally:
            with trio.move_on_after(LINGER_S, shield=True):
                await self._close()
            self._let_go()

    async def _first_bytes(self) -> bytes:
        """The first bytes of the client; empty when they take too long, or the server stops. Until then a
        connection is only a socket and a task: a flood of silent ones costs a third of what it would
        otherwise."""
        with self._greeting:
            self._greeting.deadline = trio.current_time() + self.limits.first_s
            if self.context.terminated.is_set():
                return b""
            try:
                if isinstance(self.stream, trio.SSLStream):
                    await self.stream.do_handshake()
                    self.stream.transport_stream.end_handshake()
                return bytes(await self.stream.receive_some(MAX_RECV))
            except GONE:
                pass
        return b""

    async def _serve(self, first: bytes) -> None:
        sock = self.tcp.socket
        client = parse_socket_addr(sock.family, sock.getpeername())
        server = parse_socket_addr(sock.family, sock.getsockname())
        async with Tasks() as tasks:
            self._task_group = tasks
            self.protocol = Protocol(
                self.app,
                self.config,
                self.context,
                tasks,
                ConnectionState(self.state),
                self.is_encrypted,
                client,
                server,
                self.protocol_send,
            )
            tasks.spawn(self._watch_idle)
            await self._read_data(first)
            self._keep_alive.cancel(reason="the connection has ended")

    def stop(self) -> None:
        """The server stops: close now if no request was ever received. Others end by `context.terminated`."""
        self._greeting.cancel(reason="the server stops")

    def _let_go(self) -> None:
        """Break the reference cycles of an ended connection. The collector visits old objects once in hours
        (kernel/interpreter.py): after a flood their memory would stay."""
        protocol: Any = self.__dict__.pop("protocol", None)
        if protocol is not None:
            if protocol.last_stream is not None:
                protocol.last_stream.__dict__.clear()
            protocol.__dict__.clear()
        self.__dict__.pop("_task_group", None)

    def abort(self) -> None:
        """Close the socket at once; tasks that wait on it are released with an error."""
        self.tcp.socket.close()

    def has_bytes(self) -> bool:
        """Whether there are unread bytes, or bytes that wait for their turn. The end of the stream does not
        count: a client that has closed its connection does not wait for an answer."""
        if self._waits_its_turn or (
            isinstance(self.stream, trio.SSLStream) and self.stream.transport_stream.waits_its_turn
        ):
            return True
        descriptor = self.tcp.socket.fileno()
        if descriptor < 0:
            return False
        unread = fcntl.ioctl(descriptor, termios.FIONREAD, bytes(4))
        return int.from_bytes(unread, sys.byteorder) > 0

    async def protocol_send(self, event: Event) -> None:
        """Like hypercorn's, but a send to a socket that is being closed raises as on a broken connection."""
        if isinstance(event, RawData):
            async with self.send_lock:
                with trio.CancelScope(shield=True):
                    is_sent = await self._send(event.data)
            if not is_sent:
                await self.protocol.handle(Closed())
        elif isinstance(event, Closed) and self._linger_until is None and self.protocol.is_unread:
            await self._linger()
        elif isinstance(event, Closed):
            await self._close()
            await self.protocol.handle(Closed())
        elif isinstance(event, Updated) and event.idle:
            await self._rest()
        elif isinstance(event, Updated):
            self.open_connections.serve(self)
            await self._idle.stop()

    def stall(self, is_stalled: bool) -> None:
        """Record that the client has stopped reading its answer, or reads again (http/sendfile.py)."""
        self.open_connections.stall(self, is_stalled)

    async def _rest(self) -> None:
        self.open_connections.rest(self)
        await self._idle.restart(None, None)

    async def _send(self, data: bytes) -> bool:
        try:
            await self.stream.send_all(data)
        except GONE:
            return False
        return True

    async def _linger(self) -> None:
        """Send no more, and discard for a moment what is still received."""
        self._discard()
        try:
            async with self.send_lock:
                await self.tcp.send_eof()  # also below TLS, which has no end of its own
        except GONE:
            pass  # already closed, or about to be closed by the reader
        await self.protocol.handle(Closed())

    def _discard(self) -> None:
        """Discard everything that comes from now on, and end the connection in a moment."""
        self._linger_until = trio.current_time() + LINGER_S
        self._reader.deadline = min(self._reader.deadline, self._linger_until)

    async def _watch_idle(self) -> None:
        with self._keep_alive:
            await self._idle.wait_expired(self.context)
            with trio.CancelScope(shield=True):  # nothing here waits for the peer
                await self._initiate_server_close()

    async def _read_data(self, first: bytes) -> None:  # type: ignore[override]  # hypercorn's reads it itself
        data, discarded = first, 0
        while data and discarded < LINGER_BYTES:
            if self._linger_until is not None:
                discarded += len(data)
                await self.open_connections.priority.take()
            elif not await self._take(data):
                break
            self._waits_its_turn = False
            data = await self._receive()
            self._waits_its_turn = True
        await self.protocol.handle(Closed())

    async def _take(self, data: bytes) -> bool:
        """Serve the received bytes. False: no more are to be read."""
        try:
            left = await self._serve_short(data)
            if left is None:
                return False
            if left:
                await self._idle.stop()  # a request has begun: waiting for its turn is not idle time
            if self.protocol.is_websocket:
                left = self._unless_flood(left)
            elif left:
                await self.open_connections.priority.take()
            if left:
                await self.protocol.handle(RawData(left))
        except MALFORMED as error:
            if (times := _MALFORMED_LINES.take(trio.current_time())) is not None:
                log.info("malformed_input", error=repr(error), times=times)
            return False
        return True

    def _unless_flood(self, data: bytes) -> bytes:
        """The bytes of a WebSocket that may be parsed. After a flood the connection ends; the application has
        LINGER_S to send the reason."""
        allowed = self._frames.take(data, trio.current_time())
        if allowed == len(data):
            return data
        if (times := _FLOOD_LINES.take(trio.current_time())) is not None:
            log.warning("websocket_flood", peer=str((self.protocol.client or ("",))[0]), times=times)
        if self.when_flooded is not None:
            self.when_flooded()
        self._discard()
        return data[:allowed]

    async def _serve_short(self, data: bytes) -> bytes | None:
        """Serve the small requests that are complete in `data`. Returns the rest; None: the connection
        ends."""
        app: Any = self.app
        is_short = getattr(app, "is_short", None)
        while is_short is not None and data and self.protocol.is_between_requests:
            short = parse_short(data)
            if short is None or not is_short(short.path):
                break
            await self._idle.stop()
            self.open_connections.serve(self)
            exchange = Exchange(short.body)
            scope = scope_of(
                short, self.protocol.client, self.protocol.server, is_encrypted=self.is_encrypted
            )
            with self.open_connections.priority.mark() as scope[PAUSE_KEY]:
                await app(scope, exchange.receive, exchange.send)
            if not exchange.is_whole:
                return None
            await self.protocol_send(RawData(exchange.answer(self.config.response_headers("h11"))))
            if exchange.is_last or self.context.terminated.is_set():
                return None
            await self._rest()
            data = short.rest
        return data

    async def _receive(self) -> bytes:
        """Received bytes; empty at the end, and after the deadline."""
        until = self._linger_until
        deadline = self.protocol.read_deadline(self.limits) if until is None else until
        self._reader = trio.CancelScope(deadline=deadline)
        with self._reader:
            try:
                return bytes(await self.stream.receive_some(MAX_RECV))
            except GONE:
                return b""
        if self._linger_until is None:
            await self.protocol.time_out()
        return b""
