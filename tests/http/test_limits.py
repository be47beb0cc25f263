"""What counts as this machine, and as one network."""

from __future__ import annotations

import pytest

from appliance.http.limits import network_of
from appliance.kernel.fields import is_loopback


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.0.0.2", "127.255.255.254", "::1", "::ffff:127.0.0.1", "::ffff:127.0.0.9", "localhost"]
    + ["LocalHost", "localhost.", "0:0:0:0:0:0:0:1"],
)
def test_all_of_loopback_is_this_machine(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host",
    ["", "127.evil.example", "127.0.0.1.evil.example", "128.0.0.1", "0.0.0.0", "::", "10.0.0.1", "127.1"]
    + ["127.0.0.256", "::2", "::ffff:10.0.0.1", "localhost.evil.example", "box.localhost", "\xff"],
)
def test_other_hosts_are_not_loopback(host: str) -> None:
    assert not is_loopback(host)


def test_an_ipv6_client_is_counted_by_its_64() -> None:
    assert network_of("2001:db8::1") == network_of("2001:db8::ffff") == "2001:db8::/64"
    assert network_of("::ffff:10.0.0.1") is None and network_of("10.0.0.1") is None
