"""Which addresses the box connects to when a setting or a request names them."""

from __future__ import annotations

import ipaddress
import socket

import pytest
import trio

from appliance.network.addresses import BadDestination, check_literal, literal
from appliance.network.destinations import resolve

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))

REFUSED = [
    ("127.0.0.1", "the box itself"),
    ("127.8.9.1", "the box itself"),
    ("::1", "the box itself"),
    ("localhost", "the box itself"),
    ("LOCALHOST.", "the box itself"),
    ("cam.localhost", "the box itself"),
    ("2130706433", "the box itself"),  # 127.0.0.1 as one number, in hexadecimal, in octal, shortened
    ("0x7f000001", "the box itself"),
    ("0177.0.0.1", "the box itself"),
    ("127.1", "the box itself"),
    ("::ffff:127.0.0.1", "the box itself"),
    ("::ffff:7f00:1", "the box itself"),
    ("::127.0.0.1", "the box itself"),
    ("64:ff9b::7f00:1", "the box itself"),  # NAT64
    ("2002:7f00:1::", "the box itself"),  # 6to4
    ("169.254.169.254", "metadata"),
    ("::ffff:169.254.169.254", "metadata"),
    ("0xa9fea9fe", "metadata"),
    ("168.63.129.16", "metadata"),
    ("100.100.100.200", "metadata"),
    ("fd00:ec2::254", "metadata"),
    ("169.254.7.7", "link-local"),
    ("fe80::1", "link-local"),
    ("fe80::1%eth0", "link-local"),
    ("0.0.0.0", "no address"),
    ("0.1.2.3", "no address"),
    ("0", "no address"),
    ("::", "no address"),
    ("224.0.0.5", "no address"),
    ("239.255.255.250", "no address"),
    ("ff02::1", "no address"),
    ("255.255.255.255", "no address"),
    ("240.0.0.1", "no address"),
]


class Names:
    """A name server whose answers change from one query to the next."""

    def __init__(self, *answers: list[str] | OSError) -> None:
        self._answers = list(answers)
        self.queries = 0

    async def getaddrinfo(self, host: object, port: object, *_: object) -> list[tuple[object, ...]]:
        self.queries += 1
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, OSError):
            raise answer
        kinds = {4: socket.AF_INET, 6: socket.AF_INET6}
        return [
            (kinds[ipaddress.ip_address(each).version], socket.SOCK_STREAM, 6, "", (each, port))
            for each in answer
        ]

    async def getnameinfo(self, *_: object) -> tuple[str, str]:
        raise AssertionError("never needed")


def use(names: Names) -> Names:
    """Resolve names by `names`, until the test's event loop ends."""
    trio.socket.set_custom_hostname_resolver(names)  # type: ignore[arg-type]
    return names


@pytest.mark.parametrize(("host", "why"), REFUSED)
def test_an_address_that_no_camera_has_is_refused(host: str, why: str) -> None:
    with pytest.raises(BadDestination, match=why):
        check_literal(host, ())


@pytest.mark.parametrize(
    "host", ["192.168.1.20", "10.0.0.9", "172.16.4.4", "fd12::5", "2001:db8::9", "8.8.8.8", "cam.example"]
)
def test_an_ordinary_address_or_a_name_is_accepted(host: str) -> None:
    check_literal(host, ())


@pytest.mark.parametrize(
    "host",
    [
        "127.1",
        "0x7f.1",
        "0300.0250.024",
        "1.2.3.4.5",
        "256.1.1.1",
        "1.2.3.256",
        "0xg",
        "08.1.1.1",
        "4294967296",
    ]
    + ["4294967295", "", ".", "1..2", "1.16777215", "1.16777216", "0X7F000001", "cam1", "1.2.65536", "0x"],
)
def test_numbers_are_read_as_the_system_reads_them(host: str) -> None:
    try:
        expected = socket.inet_ntoa(socket.inet_aton(host))
    except OSError:
        assert literal(host) is None
    else:
        assert str(literal(host)) == expected


def test_a_listed_network_is_accepted_and_nothing_else() -> None:
    for host in ("127.0.0.1", "localhost", "::1", "127.1", "::ffff:127.0.0.1"):
        check_literal(host, LOOPBACK)
    for host in ("169.254.169.254", "fe80::1", "0.0.0.0"):
        with pytest.raises(BadDestination):
            check_literal(host, LOOPBACK)


def is_whole(address: str) -> bool:
    """Whether it is a complete address, as name servers return them: neither a name nor a short form."""
    try:
        ipaddress.ip_address(address)
    except ValueError:
        return False
    return True


WHOLE = [*filter(is_whole, {host.partition("%")[0]: None for host, _ in REFUSED})]


@pytest.mark.parametrize("address", WHOLE)
async def test_a_name_that_resolves_there_is_refused(address: str) -> None:
    use(Names([address]))
    with pytest.raises(BadDestination, match=r"cam\.example"):
        await resolve("cam.example", 9000, ())


async def test_of_several_addresses_an_allowed_one_is_called() -> None:
    use(Names(["127.0.0.1", "192.0.2.9", "::1"]))
    assert await resolve("cam.example", 9000, ()) == "192.0.2.9"


async def test_a_name_is_resolved_once_so_that_a_later_answer_changes_nothing() -> None:
    names = use(Names(["192.0.2.9"], ["127.0.0.1"]))
    assert await resolve("cam.example", 9000, ()) == "192.0.2.9"
    assert names.queries == 1
    with pytest.raises(BadDestination, match="the box itself"):
        await resolve("cam.example", 9000, ())


async def test_an_address_of_this_machine_is_the_box_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second loopback address is used in place of an interface's: the kernel allows binding it too."""
    use(Names(["127.0.0.77"]))
    monkeypatch.setattr("appliance.network.destinations.why_refused", lambda *_: None)
    with pytest.raises(BadDestination, match="the box itself"):
        await resolve("cam.example", 9000, ())
    assert await resolve("cam.example", 9000, LOOPBACK) == "127.0.0.77"
    assert await resolve("cam.example", 9000, (), may_be_own=True) == "127.0.0.77"


async def test_an_unknown_name_is_an_error_of_the_system() -> None:
    use(Names(socket.gaierror(socket.EAI_NONAME, "Name or service not known")))
    with pytest.raises(OSError, match="not known"):
        await resolve("cam.example", 9000, ())
