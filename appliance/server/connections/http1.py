"""HTTP/1.1 of one connection: hypercorn 0.18's `H11Protocol` with other error answers and deadlines.

Owns: the answer to malformed input, deadlines that depend on what is being read, one write per JSON answer.
Must not know: sockets, routes. server/connections/connection.py has the reason for each change.
"""

from __future__ import annotations

import math
from typing import Any

import h11
import trio
from hypercorn.events import Closed, Event, RawData, Updated
from hypercorn.protocol.events import Body, Data, EndBody, Response, StreamClosed
from hypercorn.protocol.events import Event as StreamEvent
from hypercorn.protocol.h11 import STREAM_ID, H11Protocol, H11WSConnection
from hypercorn.protocol.ws_stream import WSStream

from appliance.http.limits import LARGE_BYTES, ServerLimits

# answers whose head waits for the body; media bodies may bypass this class (sendfile)
JSON_PREFIX = b"application/"


class Protocol(H11Protocol):
    """HTTP/1.1 of one connection."""

    _head: bytes | None = None
    _reading: tuple[str, int, int] = ("", -1, 0)
    _deadline = math.inf
    last_stream: Any = None  # hypercorn's, of the request before; kept until the connection has ended
    _taken = 0  # bytes of the body read so far
    _length: int | None = None  # of the body; None: it is in chunks
    is_long_body = False  # its limit of time counts from the last byte (http/requests.py)
    _is_asked = False  # a complete request has been read and its answer is not finished

    def read_deadline(self, limits: ServerLimits) -> float:
        """The deadline of the bytes now being waited for (trio time)."""
        phase = self._phase()
        reading = (phase, self.keep_alive_requests, self._taken if self.is_long_body else 0)
        if reading != self._reading:
            self._reading = reading
            limit = {"header": limits.header_s, "body": limits.body_s}.get(phase, math.inf)
            self._deadline = trio.current_time() + limit
        return self._deadline

    def _phase(self) -> str:
        if self.is_websocket:
            return "websocket"
        connection = self.connection
        if connection.their_state is h11.IDLE:
            return "header" if connection.trailing_data[0] else "idle"
        return "body" if connection.their_state is h11.SEND_BODY else "answering"

    @property
    def is_websocket(self) -> bool:
        return isinstance(self.connection, H11WSConnection)

    @property
    def is_unread(self) -> bool:
        """Whether the client may still be sending: closing now would reset the connection before it has read
        the answer."""
        return self.is_websocket or self.connection.their_state in (h11.SEND_BODY, h11.ERROR)

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

    @property
    def _is_body_missing(self) -> bool:
        """Whether the answer begins before the request has arrived completely."""
        connection = self.connection
        if not isinstance(connection, h11.Connection) or connection.their_state is not h11.SEND_BODY:
            return False
        return self._length is None or self._taken + len(connection.trailing_data[0]) < self._length

    async def time_out(self) -> None:
        """Answer 408 if an answer is still possible."""
        connection = self.connection
        if isinstance(connection, h11.Connection) and connection.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            await self._send_error_response(408)

    async def handle(self, event: Event) -> None:
        if isinstance(event, RawData) and self.connection.their_state is h11.ERROR:
            return  # bytes behind malformed ones are not kept while the answer before them is made
        await super().handle(event)
        if isinstance(event, Closed):
            await self.can_read.set()  # the answer is not finished, so its end will not wake the reader
        stream = self.stream
        if isinstance(stream, WSStream) and stream.buffer.length > stream.buffer.max_length:
            await stream.handle(StreamClosed(stream_id=stream.stream_id))  # 1009 has been sent
            await self.send(Closed())

    async def _handle_events(self) -> None:
        """Process everything read. The difference from hypercorn's: malformed bytes are handled by
        `_refuse`."""
        while True:
            if self.connection.they_are_waiting_for_100_continue:
                await self._send_h11_event(
                    h11.InformationalResponse(status_code=100, headers=self.config.response_headers("h11"))
                )
            try:
                event: Any = self.connection.next_event()
            except h11.RemoteProtocolError as error:
                await self._refuse(error)
                return
            if isinstance(event, h11.Request):
                self._is_asked = self.is_long_body = False
                self._taken, self._length = 0, _length_of(event)
                await self.send(Updated(idle=False))
                await self._create_stream(event)
                if self.stream is not None and self.stream.closed:
                    await self._end_refused()
                    return
            elif event is h11.PAUSED:
                if self.stream is not None:  # without a stream no answer's end would set `can_read`
                    await self.can_read.clear()
                    await self.can_read.wait()
                if self.connection.our_state is not h11.IDLE:
                    return  # the answer was not finished: hypercorn would wait here forever
            elif event is h11.NEED_DATA or isinstance(event, h11.ConnectionClosed) or self.stream is None:
                return
            elif isinstance(event, h11.EndOfMessage):
                self._is_asked = True
                await self.stream.handle(EndBody(stream_id=STREAM_ID))
            elif isinstance(event, h11.Data):
                self._taken += len(event.data)
                await self.stream.handle(Body(stream_id=STREAM_ID, data=event.data))
            elif isinstance(event, Data):
                if isinstance(self.stream, WSStream) and not self.stream.handshake.accepted:
                    await self._refuse_early()
                    return
                await self.stream.handle(event)  # of a WebSocket

    async def _refuse(self, error: h11.RemoteProtocolError) -> None:
        """Malformed bytes end the connection. A request that was complete before them (for example, they
        follow its `Connection: close`) is answered first: its effect may have been made already, so 400 would
        be wrong, and two answers must not be sent at once."""
        # its frames reference the connection, and h11's frame references the error
        error.__traceback__ = None
        if self._is_asked and self.stream is not None:
            return  # the end of the answer ends the connection: h11 has recorded the client's error
        if self.connection.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            await self._send_error_response(error.error_status_hint)
        await self.send(Closed())

    async def _refuse_early(self) -> None:
        """Refuse a client that sends before its WebSocket handshake was answered. Hypercorn would answer 400
        without notifying the application, which would wait for its first message forever."""
        await self._close_stream()
        await self._send_error_response(400)
        await self.send(Closed())

    async def _end_refused(self) -> None:
        """After an invalid handshake: hypercorn has answered 400 without an application, so nothing else
        would end the answer and release the connection."""
        await self._close_stream()
        await self.send(Closed())

    async def _send_error_response(self, status_code: int) -> None:
        """An empty answer as one write, so that no part of another answer comes between."""
        fields = [(b"content-length", b"0"), (b"connection", b"close")]
        headers = [*fields, *self.config.response_headers("h11")]
        data = self._encoded(h11.Response(status_code=status_code, headers=headers))
        data += self._encoded(h11.EndOfMessage())
        if data:
            await self.send(RawData(data=data))

    async def stream_send(self, event: StreamEvent) -> None:
        """Hold a JSON answer's head until its body comes, so that both are one write."""
        if isinstance(event, Response | Body | EndBody) and self.stream is None:
            return  # the connection has ended; the application may finish
        if isinstance(event, Response) and self._is_body_missing:
            # the connection ends with this answer, and says so: the client must not send another request
            kept = [(name, value) for name, value in event.headers if name != b"connection"]
            event = Response(event.stream_id, [*kept, (b"connection", b"close")], event.status_code)
        if isinstance(event, Response) and event.status_code >= 200 and _is_small_json(event.headers):
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

    async def _send_h11_event(self, event: Any) -> None:
        data = self._encoded(event)
        if data:
            await self.send(RawData(data=data))

    def _encoded(self, event: Any) -> bytes:
        try:
            return self.connection.send(event) or b""
        except h11.LocalProtocolError:
            if self.is_websocket or self.connection.their_state is h11.ERROR:
                return b""  # it was refused in the meantime
            raise

    async def _close_stream(self) -> None:
        self.last_stream = self.stream or self.last_stream
        await super()._close_stream()

    async def _check_protocol(self, event: h11.Request) -> None:
        """No upgrade to HTTP/2: its frames would bypass every limit here."""

    async def _create_stream(self, request: h11.Request) -> None:
        """WebSocket compression is not negotiated: it costs CPU per client and lets a small frame grow."""
        if any(name == b"sec-websocket-extensions" for name, _ in request.headers):
            headers = [
                (name, value) for name, value in request.headers if name != b"sec-websocket-extensions"
            ]
            request = h11.Request(
                method=request.method,
                target=request.target,
                headers=headers,
                http_version=request.http_version,
            )
        await super()._create_stream(request)


def _length_of(request: h11.Request) -> int | None:
    return next((int(value) for name, value in request.headers if name == b"content-length"), None)


def _is_small_json(headers: Any) -> bool:
    """Whether the head waits for its body. A large body is written from bytes that all clients share."""
    is_json = False
    for name, value in headers:
        if name == b"content-type":
            is_json = value.startswith(JSON_PREFIX)
        elif name == b"content-length" and len(value) >= len(b"%d" % LARGE_BYTES):
            return int(value) < LARGE_BYTES and is_json
    return is_json
