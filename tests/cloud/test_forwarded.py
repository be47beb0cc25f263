"""The client behind trusted proxies."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest

from appliance.cloud.forwarded import client_of, take_forwarded
from appliance.http.limits import ServerLimits
from appliance.http.requests import header_map
from appliance.server.connections.connection_limits import OpenConnections

TRUSTED = (ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("fd00::/8"))


def taken(peer: str, *headers: tuple[str, str], scheme: str = "http") -> tuple[str, str]:
    pairs = [(name.encode(), value.encode()) for name, value in headers]
    scope: dict[str, Any] = {"client": (peer, 5), "scheme": scheme, "headers": pairs}
    take_forwarded(scope, header_map(scope), TRUSTED)
    return scope["client"][0], scope["scheme"]


def test_only_a_trusted_proxy_is_believed() -> None:
    sent = (("x-forwarded-for", "198.51.100.7"), ("x-forwarded-proto", "https"))
    assert taken("10.1.2.3", *sent) == ("198.51.100.7", "https")
    assert taken("::ffff:10.1.2.3", *sent) == ("198.51.100.7", "https")
    assert taken("203.0.113.9", *sent) == ("203.0.113.9", "http")
    assert taken("127.0.0.1", *sent) == ("127.0.0.1", "http")
    assert taken("10.1.2.3") == ("10.1.2.3", "http")
    assert taken("10.1.2.3", ("x-forwarded-proto", "ftp"), scheme="ws") == ("10.1.2.3", "ws")
    assert taken("10.1.2.3", ("x-forwarded-proto", "https"), scheme="ws") == ("10.1.2.3", "wss")
    assert taken("10.1.2.3", ("x-forwarded-proto", "http"), scheme="wss") == ("10.1.2.3", "ws")


def test_a_repeated_header_is_one_list() -> None:
    sent = (("X-Forwarded-For", "192.0.2.1"), ("x-forwarded-for", "198.51.100.7"))
    assert taken("10.1.2.3", *sent) == ("198.51.100.7", "http")


@pytest.mark.parametrize(
    ("sent", "client"),
    [
        ("1.1.1.1, 198.51.100.7", "198.51.100.7"),  # the first was written by the client
        ("198.51.100.7, 10.0.0.1, fd00::1", "198.51.100.7"),
        ("198.51.100.7:4711, 10.0.0.1", "198.51.100.7"),
        ("[2001:db8::1]:4711", "2001:db8::1"),
        ("unknown, 10.0.0.9", "10.0.0.9"),
        ("10.0.0.8, 10.0.0.9", "10.0.0.8"),
        ("nonsense", None),
        ("", None),
    ],
)
def test_the_client_is_the_last_that_is_no_proxy(sent: str, client: str | None) -> None:
    assert client_of(sent, TRUSTED) == client


class Quiet:
    """A connection that is only counted."""

    def has_bytes(self) -> bool:
        return False

    def abort(self) -> None:
        raise AssertionError("room was made by closing it")


@pytest.mark.parametrize(("proxies", "rooms"), [((), 2), (TRUSTED, 5)])
async def test_a_proxy_has_as_many_connections_as_its_clients_need(proxies: Any, rooms: int) -> None:
    places = OpenConnections(ServerLimits(per_address=2, connections=5, proxies=proxies))
    made = 0
    for _ in range(5):
        try:
            if places.make_room("10.1.2.3"):
                places.add(Quiet(), "10.1.2.3")  # type: ignore[arg-type]
                made += 1
        except AssertionError:
            break
    assert made == rooms
