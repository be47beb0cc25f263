"""trio-websocket's reader answers a ping that crosses the client's own close, and wsproto refuses that.

A closing client owes no pong (RFC 6455, 5.5.1): such a ping is passed over and does not end the
test that closes.
"""

from __future__ import annotations

from typing import Any

from trio_websocket import WebSocketConnection
from wsproto.connection import ConnectionState
from wsproto.utilities import LocalProtocolError


def pass_over_late_pings() -> None:
    """From now on, for every client connection of this process."""
    answer = WebSocketConnection._handle_ping_event

    async def handle(self: WebSocketConnection, event: Any) -> None:
        try:
            await answer(self, event)
        except LocalProtocolError:
            if self._wsproto.state is ConnectionState.OPEN:
                raise

    WebSocketConnection._handle_ping_event = handle  # type: ignore[method-assign]
