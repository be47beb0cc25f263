"""Listening sockets."""

from __future__ import annotations

import socket

import pytest
import trio

from appliance.server.connections.listeners import CannotListen, open_listeners


async def test_a_name_gets_one_free_port_for_all_its_addresses() -> None:
    listeners = open_listeners("localhost", 0, "server.port")
    ports = {each.socket.getsockname()[1] for each in listeners}
    for each in listeners:
        each.socket.close()
    assert len(ports) == 1


async def test_the_ipv6_wildcard_serves_ipv4_too() -> None:
    listeners = open_listeners("::", 0, "server.port")
    assert len(listeners) == 1
    port = listeners[0].socket.getsockname()[1]
    stream = await trio.open_tcp_stream("127.0.0.1", port)
    accepted = await listeners[0].accept()
    for each in (stream, accepted, listeners[0]):
        await each.aclose()


async def test_a_port_can_be_bound_again_right_after_a_stop() -> None:
    first = open_listeners("127.0.0.1", 0, "server.port")[0]
    port = first.socket.getsockname()[1]
    with socket.create_connection(("127.0.0.1", port)):
        first.socket.close()
    open_listeners("127.0.0.1", port, "server.port")[0].socket.close()


async def test_an_address_that_cannot_be_used_is_explained() -> None:
    with pytest.raises(CannotListen, match=r"server\.host: 'no\.such\.host\.invalid' cannot be resolved"):
        open_listeners("no.such.host.invalid", 0, "server.port")
