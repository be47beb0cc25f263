"""The host names and origins the box accepts."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import pytest

from appliance.kernel.errors import Refused
from appliance.server.gate import Gate, is_same_origin


def allows(gate: Gate, host: str, server: str = "192.168.1.20") -> bool:
    scope: dict[str, Any] = {"server": (server, 8080)}
    try:
        gate.check(scope, {b"host": host.encode("latin-1")}, unsafe=False)
    except Refused as refused:
        assert refused.status == 421
        return False
    return True


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST:8080",
        "127.0.0.1:8080",
        "127.0.0.53",
        "[::1]:8080",
        "192.168.1.20:8080",  # the address of the connection
        "box.local",
        "Box.Local.:8080",
        "tablet-gate.example:80",
    ],
)
def test_own_names_and_addresses_are_answered(host: str) -> None:
    assert allows(Gate(["box.local", "tablet-gate.example", "0.0.0.0"]), host)


@pytest.mark.parametrize(
    "host",
    [
        "rebound.example",
        "192.168.1.21",  # another machine's address
        "0.0.0.0",
        "localhost.rebound.example",
        "localhost:8080; script-src *",
        "localhost@rebound.example",
        "\xff",
        "box.local:port",
        "[::1",
    ],
)
def test_names_that_are_not_ours_are_refused(host: str) -> None:
    assert not allows(Gate(["box.local"]), host)


def test_an_ipv4_client_on_a_dual_stack_socket_uses_its_own_notation() -> None:
    assert allows(Gate([]), "192.168.1.20", server="::ffff:192.168.1.20")
    assert allows(Gate([]), "[fe80::1]:8080", server="fe80::1")


def test_a_request_without_a_host_is_not_from_a_browser() -> None:
    Gate([]).check({"server": ("10.0.0.1", 80)}, {}, unsafe=True)


@pytest.mark.parametrize(
    ("headers", "passes"),
    [
        ({}, True),  # no browser
        ({b"origin": b"http://192.168.1.20:8080"}, True),
        ({b"origin": b"http://evil.example"}, False),
        ({b"origin": b"null"}, False),
        ({b"sec-fetch-site": b"cross-site"}, False),  # a proxy has removed Origin
        ({b"sec-fetch-site": b"same-site"}, False),  # a page of another port of this machine
        ({b"sec-fetch-site": b"same-origin"}, True),
        ({b"sec-fetch-site": b"none"}, True),
        ({b"sec-fetch-site": b"cross-site", b"origin": b"http://192.168.1.20:8080"}, True),
    ],
)
def test_only_the_boxes_own_pages_may_change_anything(headers: dict[bytes, bytes], passes: bool) -> None:
    scope: dict[str, Any] = {"server": ("192.168.1.20", 8080)}
    headers = {b"host": b"192.168.1.20:8080", **headers}
    Gate([]).check(scope, headers, unsafe=False)  # reading is no change, and the browser keeps the answer
    with nullcontext() if passes else pytest.raises(Refused, match="may not do this"):
        Gate([]).check(scope, headers, unsafe=True)


@pytest.mark.parametrize(
    ("origin", "host", "same"),
    [
        (b"http://box.local", b"box.local", True),
        (b"http://box.local:80", b"box.local", True),
        (b"http://Box.local:8080", b"box.LOCAL:8080", True),
        (b"https://box.local", b"box.local:443", True),
        (b"http://box.local:8081", b"box.local:8080", False),
        (b"http://box.local.evil.example", b"box.local", False),
        (b"null", b"box.local", False),
        (b"file://", b"", False),
        (b"", b"", False),
    ],
)
def test_same_origin_is_same_name_and_port(origin: bytes, host: bytes, same: bool) -> None:
    assert is_same_origin(origin, host) is same


def test_a_limited_number_of_decisions_is_cached() -> None:
    gate = Gate([])
    for number in range(2000):
        assert not allows(gate, f"name{number}.example")
    assert len(gate._known) <= 256
    assert allows(gate, "localhost")
