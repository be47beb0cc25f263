"""A ping that comes while the client closes does not end it; while it is open every error counts."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from trio_websocket import WebSocketConnection
from wsproto.connection import ConnectionState
from wsproto.events import Ping
from wsproto.utilities import LocalProtocolError


@pytest.mark.parametrize(
    "state", [ConnectionState.LOCAL_CLOSING, ConnectionState.CLOSED, ConnectionState.OPEN]
)
async def test_only_a_ping_that_crosses_a_close_is_passed_over(state: ConnectionState) -> None:
    async def refuse(event: object) -> None:
        raise LocalProtocolError(f"cannot be sent in state {state}")

    client = cast(Any, SimpleNamespace(_wsproto=SimpleNamespace(state=state), _send=refuse))
    if state is ConnectionState.OPEN:
        with pytest.raises(LocalProtocolError):
            await WebSocketConnection._handle_ping_event(client, Ping())
    else:
        await WebSocketConnection._handle_ping_event(client, Ping())
