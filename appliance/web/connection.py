"""One TCP connection under hypercorn 0.18, with the limits hypercorn leaves open.

Owns: how long a client may take for a header and a body, idle time, the end of a connection, and what one
application receives. Must not know: routes, listeners. Leans on hypercorn's internals (version pinned in
pyproject.toml): `TCPServer`, `H11Protocol`, `HTTPStream`, `WSStream`; web/passthrough.py relies on the same.

What is changed, and why:
- reading has deadlines by what is being read (hypercorn's one `read_timeout` would cut WebSockets and
  long downloads too), so a client that sends a byte every five seconds is cut (slowloris);
- a disconnect never waits behind a body nobody reads, and the rest of a refused body is discarded for a
  moment before the socket closes: closing at once would reset the connection and destroy the answer;
- keep-alive time is one moving deadline per connection instead of a task per request, and a JSON answer
  leaves in one segment (measured: 1.3 to 1.7 times the requests per second);
- no HTTP/2 upgrade, no WebSocket compression, and a too large message ends its connection;
- a small request that arrives whole is served without h11 and a task (web/short.py), where the application
  says that it may be (`is_short`);
- malformed input ends its own connection and nothing else.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import h11
import structlog
import trio
from hypercorn.config import Config
from hypercorn.events import Closed, Event, RawData
from hypercorn.protocol.events import Body, EndBody, Response, StreamClosed
from hypercorn.protocol.events import Event as StreamEvent
from hypercorn.protocol.h11 import H11Protocol, H11WSConnection
from hypercorn.protocol.ws_stream import WSStream
from hypercorn.trio.task_group import TaskGroup
from hypercorn.trio.tcp_server import MAX_RECV, TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ConnectionState
from hypercorn.utils import UnexpectedMessageError, parse_socket_addr
from wsproto.utilities import ProtocolError as WebSocketError

from appliance.web.short import Exchange, parse_short, scope_of

log = structlog.get_logger("web")

LAST_SEND_S = 10.0
LINGER_S = 1.0  # a refused client gets this long to see the answer before its upload is reset
LINGER_BYTES = 4 << 20
MALFORMED = (ValueError, h11.ProtocolError, WebSocketError, UnexpectedMessageError)
JSON_PREFIX = b"application/"  # answers whose head waits for the body; media bodies may bypass us (sendfile)


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of the server. Times in seconds."""

    header_s: float = 5.0  # from the first byte of a request to the end of its header
    body_s: float = 10.0  # from there to the end of its body: 64 KiB at most
    idle_s: float = 75.0  # keep-alive
    stop_s: float = 5.0  # running requests get this long when the server stops
    message_bytes: int = 64 * 1024  # of one WebSocket message from a client
    connections: int = 1000  # together
    per_address: int = 64  # from one address that is not this machine: a tablet with four videos has 11


class Inbox:
    """What one application receives: bounded (policy: block), except that a disconnect never waits."""

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
    """Hypercorn's task group, with our inbox. Errors of the application are its own border's."""

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
    """Keep-alive as one deadline that moves. Stands in for hypercorn's task per request."""

    def __init__(self, idle_s: float) -> None:
        self._idle_s = idle_s
        self._scope = trio.CancelScope()
        self.is_idle = False

    async def restart(self, task_group: object, action: object) -> None:
        self.is_idle = True
        self._scope.deadline = trio.current_time() + self._idle_s

    async def stop(self) -> None:
        self.is_idle = False
        self._scope.deadline = math.inf

    async def wait_expired(self, context: WorkerContext) -> None:
        """Return when the time is over, or when the server stops while nothing is under way."""
        with self._scope:
            await context.terminated.wait()
            if not self.is_idle:
                await trio.sleep_forever()  # the answer under way ends the connection


class Protocol(H11Protocol):
    """HTTP/1.1 of one connection."""

    _head: bytes | None = None
    _reading: tuple[str, int] = ("", -1)
    _deadline = math.inf

    def read_deadline(self, limits: Limits) -> float:
        """When the bytes now being waited for must have come (trio time)."""
        phase = self._phase()
        if (phase, self.keep_alive_requests) != self._reading:
            self._reading = (phase, self.keep_alive_requests)
            limit = {"header": limits.header_s, "body": limits.body_s}.get(phase, math.inf)
            self._deadline = trio.current_time() + limit
        return self._deadline

    def _phase(self) -> str:
        if isinstance(self.connection, H11WSConnection):
            return "websocket"
        if self.connection.their_state is h11.IDLE:
            return "header" if self.connection.trailing_data[0] else "idle"
        return "body" if self.connection.their_state is h11.SEND_BODY else "answering"

    @property
    def is_unread(self) -> bool:
        """Whether the client may still be sending: closing now would reset what it has not read."""
        return isinstance(self.connection, H11WSConnection) or self.connection.their_state in (
            h11.SEND_BODY,
            h11.ERROR,
        )

    @property
    def is_between_requests(self) -> bool:
        """Whether the next byte begins a request."""
        connection = self.connection
        return (
            isinstance(connection, h11.Connection)
            and self.stream is None
            and connection.their_state is h11.IDLE
            and connection.our_state is h11.IDLE
            and not connection.trailing_data[0]
        )

    async def time_out(self) -> None:
        """408 where an answer can still be given."""
        connection = self.connection
        if isinstance(connection, h11.Connection) and connection.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            await self._send_error_response(408)

    async def handle(self, event: Event) -> None:
        await super().handle(event)
        stream = self.stream
        if isinstance(stream, WSStream) and stream.buffer.length > stream.buffer.max_length:
            await stream.handle(StreamClosed(stream_id=stream.stream_id))  # 1009 has been sent
            await self.send(Closed())

    async def stream_send(self, event: StreamEvent) -> None:
        """Keep a JSON answer's head until its body comes, so that both are one write."""
        if isinstance(event, Response | Body | EndBody) and self.stream is None:
            return  # the connection has ended; the application may finish
        if isinstance(event, Response) and event.status_code >= 200 and _is_json(event.headers):
            headers = [*event.headers, *self.config.response_headers("h11")]
            self._head = self._encoded(h11.Response(headers=headers, status_code=event.status_code))
        elif isinstance(event, Body | EndBody):
            head, self._head = self._head or b"", None
            rest = h11.Data(data=event.data) if isinstance(event, Body) else h11.EndOfMessage()
            data = head + self._encoded(rest)
            if data:
                await self.send(RawData(data=data))
        else:
            await super().stream_send(event)

    def _encoded(self, event: Any) -> bytes:
        try:
            return self.connection.send(event) or b""
        except h11.LocalProtocolError:
            if self.connection.their_state is h11.ERROR:
                return b""
            raise

    async def _check_protocol(self, event: h11.Request) -> None:
        """No upgrade to HTTP/2: its frames would pass by every limit here."""

    async def _create_stream(self, request: h11.Request) -> None:
        """WebSocket compression is not negotiated: it costs CPU per client and lets a small frame grow."""
        if any(name == b"sec-websocket-extensions" for name, _ in request.headers):
            kept = [(name, value) for name, value in request.headers if name != b"sec-websocket-extensions"]
            request = h11.Request(
                method=request.method, target=request.target, headers=kept, http_version=request.http_version
            )
        await super()._create_stream(request)


def _is_json(headers: Any) -> bool:
    return any(name == b"content-type" and value.startswith(JSON_PREFIX) for name, value in headers)


class Connection(TCPServer):
    """One accepted socket, from the first byte to the last."""

    protocol: Protocol  # type: ignore[assignment]  # hypercorn wraps one in a switch to HTTP/2
    stream: trio.SocketStream  # type: ignore[assignment]  # hypercorn names the TLS one

    def __init__(
        self, app: Any, config: Config, context: WorkerContext, limits: Limits, stream: trio.SocketStream
    ) -> None:
        super().__init__(app, config, context, ConnectionState({}), stream)  # type: ignore[arg-type]  # as stream above
        self.limits = limits
        self._idle = IdleTimer(limits.idle_s)
        self.idle_task = self._idle  # type: ignore[assignment]  # same two methods
        self._reader = trio.CancelScope()
        self._keep_alive = trio.CancelScope()
        self._linger_until: float | None = None

    async def run(self) -> None:
        """Serve requests until either side closes. Never raises for anything a client sends."""
        try:
            sock = self.stream.socket
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
                    False,
                    client,
                    server,
                    self.protocol_send,
                )
                await self._idle.restart(tasks, None)
                tasks.spawn(self._watch_idle)
                await self._read_data()
                self._keep_alive.cancel(reason="the connection has ended")
        except OSError:
            pass  # the peer went between accept and here
        finally:
            with trio.move_on_after(LINGER_S, shield=True):
                await self._close()

    def abort(self) -> None:
        """Close the socket at once; whoever waits on it is released with an error."""
        self.stream.socket.close()

    async def protocol_send(self, event: Event) -> None:
        if isinstance(event, Closed) and self._linger_until is None and self.protocol.is_unread:
            await self._linger()
        else:
            await super().protocol_send(event)

    async def _linger(self) -> None:
        """Say that no more will be sent, and let the reader discard what still comes for a moment."""
        self._linger_until = trio.current_time() + LINGER_S
        self._reader.deadline = min(self._reader.deadline, self._linger_until)
        try:
            await self.stream.send_eof()
        except (trio.BrokenResourceError, trio.ClosedResourceError, trio.BusyResourceError):
            pass  # already gone, or about to be closed by the reader
        await self.protocol.handle(Closed())

    async def _watch_idle(self) -> None:
        with self._keep_alive:
            await self._idle.wait_expired(self.context)
            with trio.CancelScope(shield=True):  # nothing here waits for the peer
                await self._initiate_server_close()

    async def _read_data(self) -> None:
        discarded = 0
        while discarded < LINGER_BYTES:
            data = await self._receive()
            if not data:
                break
            if self._linger_until is not None:
                discarded += len(data)
                continue
            try:
                left = await self._serve_short(data)
                if left is None:
                    break
                if left:
                    await self.protocol.handle(RawData(left))
            except MALFORMED as error:
                log.info("malformed_input", error=repr(error))
                break
        await self.protocol.handle(Closed())

    async def _serve_short(self, data: bytes) -> bytes | None:
        """Serve the small requests that are whole in `data`. Returns the rest; None: that was the last."""
        app: Any = self.app
        is_short = getattr(app, "is_short", None)
        while is_short is not None and data and self.protocol.is_between_requests:
            asked = parse_short(data)
            if asked is None or not is_short(asked.path):
                break
            await self._idle.stop()
            exchange = Exchange(asked.body)
            scope = scope_of(asked, self.protocol.client, self.protocol.server)
            await app(scope, exchange.receive, exchange.send)
            if not exchange.is_whole:
                return None
            await self.protocol_send(RawData(exchange.answer(self.config.response_headers("h11"))))
            if exchange.is_last or self.context.terminated.is_set():
                return None
            await self._idle.restart(None, None)
            data = asked.rest
        return data

    async def _receive(self) -> bytes:
        """What came; empty at the end, and when it took too long."""
        until = self._linger_until
        deadline = self.protocol.read_deadline(self.limits) if until is None else until
        if deadline < math.inf:
            await self._idle.stop()  # a request has begun: it has its own time
        self._reader = trio.CancelScope(deadline=deadline)
        with self._reader:
            try:
                return bytes(await self.stream.receive_some(MAX_RECV))
            except (trio.ClosedResourceError, trio.BrokenResourceError):
                return b""
        if self._linger_until is None:
            await self.protocol.time_out()
        return b""
