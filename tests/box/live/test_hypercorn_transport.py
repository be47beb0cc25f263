"""The direct transport without a server: writes after a client has sent its close frame."""

from __future__ import annotations

import socket
from types import SimpleNamespace
from typing import Any

import pytest
from wsproto.connection import Connection, ConnectionType
from wsproto.events import CloseConnection

from appliance.box.live.hypercorn_transport import HypercornTransport
from appliance.box.live.protocol import PING_FRAME
from appliance.box.live.transport import Disconnected
from tests.box.live.raw import RawClient


async def test_nothing_is_sent_after_the_answer_to_a_close_frame() -> None:
    """A browser treats a ping after it as an error, visible in its console."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        connection = Connection(ConnectionType.SERVER)
        wire: Any = SimpleNamespace(stream=SimpleNamespace(connection=connection), socket=ours)
        transport = HypercornTransport(wire, None)  # type: ignore[arg-type]  # only needed for the handshake
        assert transport.offer(PING_FRAME)
        connection.receive_data(RawClient.frame((1000).to_bytes(2, "big"), opcode=8))
        (goodbye,) = connection.events()
        assert isinstance(goodbye, CloseConnection)
        await transport._take_over(goodbye.response())
        with pytest.raises(Disconnected):
            transport.offer(PING_FRAME)
        assert theirs.recv(100) == PING_FRAME + b"\x88\x02\x03\xe8"
