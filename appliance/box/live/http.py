"""The endpoint of /ws: one connection from its handshake to its close.

Owns: reading the handshake and the first frame, and that every end of a client has a close code. Must not
know: how events are sent (hub.py, client.py).
"""

from __future__ import annotations

from dataclasses import dataclass

import trio

from appliance.box.live import protocol
from appliance.box.live.border import survive
from appliance.box.live.client import Client
from appliance.box.live.commands import CommandHandler
from appliance.box.live.hub import Hub
from appliance.box.live.hypercorn_transport import HypercornTransport
from appliance.box.live.protocol import RESTART, CloseCode, Hello, ProtocolError, parse_hello
from appliance.box.live.transport import Disconnected, PlainTransport
from appliance.http.api import Receive, Scope, Send
from appliance.http.caller import device_of
from appliance.http.requests import header_map


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Serves WebSocket connections for one hub."""

    hub: Hub
    desk: CommandHandler
    site_id: str
    use_direct: bool

    async def handle(self, scope: Scope, receive: Receive, send: Send, parameters: dict[str, str]) -> None:
        """Plain ASGI; returns when the connection has ended."""
        if (await receive())["type"] != "websocket.connect":
            return
        peer = str((scope.get("client") or ("local", 0))[0])
        device = device_of(header_map(scope), scope["query_string"], peer)
        transport = (HypercornTransport.behind(send) if self.use_direct else None) or PlainTransport(send)
        client = Client(device, peer, transport, self.hub.journal)
        try:
            trace_id = await survive("connection", device, lambda: self._serve(scope, receive, client))
            if trace_id is not None:
                client.close(CloseCode.INTERNAL, f"the box made an error, trace {trace_id}")
        finally:
            if (ending := client.ending) is not None:
                await survive("closing", device, lambda: transport.close(receive, *ending))
            transport.release()

    async def _serve(self, scope: Scope, receive: Receive, client: Client) -> None:
        """The client's whole connection; cancelled from outside, it is closed as at a restart."""
        try:
            await client.transport.accept(_subprotocol(scope), client.upcalls())
            hello = parse_hello(scope["query_string"])
        except Disconnected:
            return
        except ProtocolError as error:
            client.close(CloseCode.PROTOCOL, str(error))
            hello = Hello()
        self._greet(client, hello)
        with self.hub.joined(client):
            try:
                await client.serve(receive, self.desk)
            except trio.Cancelled:
                client.close(CloseCode.RESTART, RESTART)
                raise

    def _greet(self, client: Client, hello: Hello) -> None:
        """Set the cursor and queue `connected`. No await between this and joining, so that no event is
        missed."""
        journal = self.hub.journal
        cursor, recovered = protocol.resume(
            hello, epoch=journal.epoch, oldest=journal.oldest, head=journal.head
        )
        client.start_at(cursor, journal.head)
        client.reply(
            protocol.connected(
                site_id=self.site_id,
                epoch=journal.epoch,
                head=journal.head,
                oldest=journal.oldest,
                heartbeat_s=self.hub.heartbeat_s,
                now_us=self.hub.clock.now_us(),
                recovered=recovered,
            )
        )


def _subprotocol(scope: Scope) -> str | None:
    """`bearer, <token>` must be answered with the first of the two; the token is used once pairing exists."""
    return "bearer" if "bearer" in scope.get("subprotocols", ()) else None
