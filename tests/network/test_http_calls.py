"""HTTP calls to hosts named by settings: each is sent to the address that was checked."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Sequence

import httpx
import pytest

from appliance.network.addresses import BadDestination, Network
from appliance.network.http_calls import CheckedTransport
from tests.network.test_destinations import WHOLE, Names, use

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)


class Called:
    """The calls that were made, and the answer to each."""

    def __init__(self, *errors: Exception) -> None:
        self.requests: list[tuple[str, str, object]] = []  # address, Host, name for TLS
        self._errors = list(errors)

    def answer(self, request: httpx.Request) -> httpx.Response:
        seen = (request.url.host, request.headers["host"], request.extensions.get("sni_hostname"))
        self.requests.append(seen)
        if self._errors:
            raise self._errors.pop(0)
        return httpx.Response(200)


def caller(called: Called, allowed: Sequence[Network] = (), *, may_be_own: bool = False) -> httpx.AsyncClient:
    below = httpx.MockTransport(called.answer)
    return httpx.AsyncClient(transport=CheckedTransport(allowed, may_be_own=may_be_own, below=below))


async def test_a_name_is_resolved_once_and_that_address_is_called() -> None:
    names, called = use(Names(["192.0.2.9"], ["127.0.0.1"])), Called()
    async with caller(called) as http:
        for _ in range(3):
            answer = await http.get("https://mediamtx.example:9997/v3/info")
            assert answer.request.url.host == "mediamtx.example"
    assert called.requests == [("192.0.2.9", "mediamtx.example:9997", "mediamtx.example")] * 3
    assert names.queries == 1


async def test_after_an_error_the_name_is_resolved_and_checked_again() -> None:
    use(Names(["192.0.2.9"], ["192.0.2.10"], ["169.254.169.254"]))
    called = Called(httpx.ConnectError("moved"))
    async with caller(called) as http:
        with pytest.raises(httpx.ConnectError):
            await http.get("http://mediamtx.example:9997/")
        await http.get("http://mediamtx.example:9997/")
        assert [address for address, _, _ in called.requests] == ["192.0.2.9", "192.0.2.10"]
        called._errors.append(httpx.ReadError("gone"))
        with pytest.raises(httpx.ReadError):
            await http.get("http://mediamtx.example:9997/")
        with pytest.raises(BadDestination, match="metadata"):
            await http.get("http://mediamtx.example:9997/")
    assert len(called.requests) == 3


@pytest.mark.parametrize("error", [httpx.ConnectError("refused"), httpx.ConnectTimeout("late")])
async def test_of_several_addresses_the_first_that_connects_is_called(error: Exception) -> None:
    """`localhost` is ::1 first in many /etc/hosts, and MediaMTX may listen on 127.0.0.1 alone."""
    names, called = use(Names(["::1", "::1", "169.254.169.254", "127.0.0.1"])), Called(error)
    async with caller(called, (*LOOPBACK, ipaddress.ip_network("::1/128"))) as http:
        for _ in range(2):
            answer = await http.get("http://localhost:9997/")
            assert answer.request.url.host == "localhost"
    assert [address for address, _, _ in called.requests] == ["::1", "127.0.0.1", "127.0.0.1"]
    assert names.queries == 1


async def test_a_call_that_was_sent_goes_to_no_second_address() -> None:
    use(Names(["192.0.2.9", "192.0.2.10"]))
    called = Called(httpx.ReadError("gone"))
    async with caller(called) as http:
        with pytest.raises(httpx.ReadError):
            await http.post("http://mediamtx.example/")
    assert [address for address, _, _ in called.requests] == ["192.0.2.9"]


@pytest.mark.parametrize("address", WHOLE)
async def test_a_name_that_resolves_to_a_refused_address_is_not_called(address: str) -> None:
    use(Names([address]))
    called = Called()
    async with caller(called) as http:
        with pytest.raises(BadDestination, match=r"mediamtx\.example"):
            await http.get("http://mediamtx.example:9997/")
    assert called.requests == []


async def test_an_address_of_this_machine_is_called_when_its_network_is_allowed() -> None:
    use(Names(["127.0.0.77"]))  # stands for an address of an interface: it can be bound
    called = Called()
    async with caller(called, LOOPBACK) as http:
        await http.get("http://[::ffff:127.0.0.1]:9997/")
        await http.get("http://mediamtx.example/")
    assert [address for address, _, _ in called.requests] == ["::ffff:7f00:1", "127.0.0.77"]


async def test_an_ipv6_address_is_called_as_one() -> None:
    use(Names(["2001:db8::9"]))
    called = Called()
    async with caller(called) as http:
        await http.get("http://mediamtx.example/")
    assert called.requests == [("2001:db8::9", "mediamtx.example", "mediamtx.example")]


async def test_an_unknown_name_is_an_error_of_the_connection() -> None:
    use(Names(socket.gaierror(socket.EAI_NONAME, "Name or service not known")))
    async with caller(Called()) as http:
        with pytest.raises(httpx.ConnectError, match=r"mediamtx\.example: Name or service"):
            await http.get("http://mediamtx.example/")
