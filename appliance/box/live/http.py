"""The endpoint of /ws: one connection from its handshake to its close.

Owns: reading the handshake and the first frame, and that every end of a client has a close code. Must not
know: how events are sent (hub.py, client.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field

import trio

from appliance.box.live import protocol
from appliance.box.live.border import survive
from appliance.box.live.client import Client
from appliance.box.live.commands import CommandHandler
from appliance.box.live.hub import Hub
from appliance.box.live.hypercorn_transport import HypercornTransport
from appliance.box.live.protocol import (
    AUTH_MAX,
    AUTH_S,
    RESTART,
    Auth,
    CloseCode,
    Hello,
    ProtocolError,
    parse_hello,
    parse_message,
)
from appliance.box.live.transport import Disconnected, PlainTransport
from appliance.http.access import GRANT_KEY, Door, Grant, grant_of
from appliance.http.api import Receive, Scope, Send
from appliance.http.caller import device_of
from appliance.http.requests import header_map
from appliance.kernel.errors import Refused, Unavailable

RULE = "WS /ws"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Serves WebSocket connections for one hub."""

    hub: Hub
    desk: CommandHandler
    site_id: str
    use_direct: bool
    door: Door | None = None  # None: everything is open
    unknown: list[Client] = field(default_factory=list)  # clients that have not sent their token yet

    async def handle(self, scope: Scope, receive: Receive, send: Send, parameters: dict[str, str]) -> None:
        """Plain ASGI; returns when the connection has ended."""
        if (await receive())["type"] != "websocket.connect":
            return
        peer = str((scope.get("client") or ("local", 0))[0])
        headers = header_map(scope)
        refused = self._admit(scope, headers)
        grant = grant_of(scope)
        device = device_of(headers, scope["query_string"], peer) if grant is None else grant.name
        transport = (HypercornTransport.behind(send) if self.use_direct else None) or PlainTransport(send)
        client = Client(device, peer, transport, self.hub.journal, grant=grant, refused=refused)
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
            if client.refused is not None and not await self._authenticate(scope, client, receive):
                return
        except Disconnected:
            return
        except ProtocolError as error:
            client.close(CloseCode.PROTOCOL, str(error))
            if client.refused is not None:
                return
            hello = Hello()
        if client.grant is not None:  # several sockets of a device share its rate
            client.bucket = self.hub.buckets.setdefault(client.grant.device_id, client.bucket)
        door = self.door
        with door.watching(client.grant, client.close) if door is not None else nullcontext():
            self._greet(client, hello)
            with self.hub.joined(client):
                try:
                    await client.serve(receive, self.desk)
                except trio.Cancelled:
                    client.close(CloseCode.RESTART, RESTART)
                    raise

    def _admit(self, scope: Scope, headers: Mapping[bytes, bytes]) -> Refused | None:
        """Ask the door; why it refuses, when the client may still send its token. Raises Refused 403."""
        if self.door is None:
            return None
        try:
            scope[GRANT_KEY] = self.door.admit(scope, headers, RULE)
        except Refused as refused:
            if refused.status != 401:
                raise
            if len(self.unknown) >= AUTH_MAX:
                raise Unavailable(
                    "too_many_sockets",
                    f"{AUTH_MAX} clients without a token wait",
                    "try again",
                    retry_after_s=5,
                ) from None
            return refused
        return None

    async def _authenticate(self, scope: Scope, client: Client, receive: Receive) -> bool:
        """Wait for the first message and take the token in it; False: the client has left or is closed with
        4501. Nothing is sent before. A client that has sent a token, which is wrong, is not waited for."""
        assert self.door is not None and client.refused is not None
        self.unknown.append(client)
        try:
            with trio.move_on_after(0 if _has_sent_token(scope) else AUTH_S):
                message = await receive()
                if message["type"] == "websocket.disconnect":
                    return False
                first = parse_message(message.get("text") or "")
                if isinstance(first, Auth):
                    client.admitted(self.door.admit_token(first.token, RULE))
                    return True
        except Refused as refused:
            client.refused = refused
        finally:
            self.unknown.remove(client)
        client.close(CloseCode.BAD_TOKEN, f"{client.refused.detail}: {client.refused.hint}")
        return False

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
                device=_device(client.grant),
            )
        )


def _has_sent_token(scope: Scope) -> bool:
    """In its handshake. A cookie does not count: a browser sends one that is out of date, too."""
    return _subprotocol(scope) is not None or b"authorization" in header_map(scope)


def _device(grant: Grant | None) -> dict[str, str] | None:
    return None if grant is None else {"id": grant.device_id, "name": grant.name, "role": grant.role}


def _subprotocol(scope: Scope) -> str | None:
    """`bearer, <token>` must be answered with the first of the two."""
    return "bearer" if "bearer" in scope.get("subprotocols", ()) else None
