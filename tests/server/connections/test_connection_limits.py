"""Which connection is closed when the limit is reached, and how clients are counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pytest
import trio
import trio.testing

from appliance.http.limits import Seldom, ServerLimits, network_of
from appliance.server.connections.connection_limits import GREETING_S, STALLED_S, OpenConnections


@dataclass(eq=False)
class Guest:
    is_aborted: bool = False
    sent: bool = False

    def stop(self) -> None:
        raise AssertionError("the server does not stop here")

    def abort(self) -> None:
        self.is_aborted = True

    def has_bytes(self) -> bool:
        return self.sent


def guest_of(open_connections: OpenConnections, address: str, state: str = "served") -> Guest:
    guest = Guest()
    open_connections.add(guest, address)
    if state != "silent":
        open_connections.serve(guest)
    if state == "idle":
        open_connections.rest(guest)
    return guest


async def test_the_least_used_connection_is_closed_for_a_new_one(
    autojump_clock: trio.testing.MockClock,
) -> None:
    open_connections = OpenConnections(ServerLimits(connections=5))
    again = guest_of(open_connections, "f", "idle")
    busy, longer, idle = (
        guest_of(open_connections, *which) for which in (("a", "served"), ("c", "idle"), ("b", "idle"))
    )
    never = guest_of(open_connections, "d", "silent")
    await trio.sleep(GREETING_S)
    open_connections.serve(again)
    open_connections.rest(again)  # after another request it has been idle for the shortest time
    gone: list[Guest] = []
    for newcomer in "wxyz":
        assert open_connections.make_room(newcomer)
        gone += [each for each in (idle, longer, never, again) if each.is_aborted and each not in gone]
        guest_of(open_connections, newcomer)
    assert gone == [never, longer, idle, again]
    assert not open_connections.make_room("e"), "everybody is being served"
    assert not busy.is_aborted


async def test_a_client_that_does_not_read_loses_its_connection_after_a_second(
    autojump_clock: trio.testing.MockClock,
) -> None:
    open_connections = OpenConnections(ServerLimits(connections=3))
    longest, reads, shorter = (guest_of(open_connections, each) for each in "abc")
    open_connections.stall(longest, True)
    await trio.sleep(STALLED_S / 2)
    open_connections.stall(reads, True)
    open_connections.stall(shorter, True)
    assert not open_connections.make_room("d")
    await trio.sleep(STALLED_S / 2)
    open_connections.stall(reads, False)
    assert open_connections.make_room("d") and longest.is_aborted
    guest_of(open_connections, "d")
    assert not open_connections.make_room("e")
    await trio.sleep(STALLED_S)
    assert open_connections.make_room("e") and shorter.is_aborted and not reads.is_aborted
    open_connections.stall(longest, True)  # its writer notices later
    assert not any(group.stalled for group in open_connections.groups.values())


async def test_an_address_at_its_limit_loses_one_of_its_own_connections() -> None:
    open_connections = OpenConnections(ServerLimits(per_address=1))
    other, own = (
        guest_of(open_connections, "10.0.0.1", "silent"),
        guest_of(open_connections, "10.0.0.2", "idle"),
    )
    assert open_connections.make_room("10.0.0.2")
    assert own.is_aborted and not other.is_aborted
    guest_of(open_connections, "10.0.0.2")
    assert not open_connections.make_room("10.0.0.2")
    assert open_connections.make_room("10.0.0.3")


async def test_a_network_of_ipv6_is_counted_as_one() -> None:
    open_connections = OpenConnections(ServerLimits(per_network=3))
    for last in range(3):
        address = f"2001:db8::{last + 1}"
        assert open_connections.make_room(address)
        guest_of(open_connections, address)
    assert not open_connections.make_room("2001:db8::ffff:9")
    assert open_connections.make_room("2001:db8:0:1::1")
    open_connections.remove(next(iter(open_connections.members)))
    assert open_connections.make_room("2001:db8::ffff:9")


async def test_this_machine_has_only_the_limit_of_all_connections() -> None:
    open_connections = OpenConnections(ServerLimits(connections=3, per_address=1, per_network=1))
    for address in ("127.0.0.1", "::1", "127.0.0.1"):
        assert open_connections.make_room(address)
        guest_of(open_connections, address)
    assert not open_connections.make_room("127.0.0.1")


async def test_removed_connections_leave_nothing_behind() -> None:
    open_connections = OpenConnections(ServerLimits())
    guests = [
        guest_of(open_connections, f"2001:db8:{number}::1" if number % 2 else f"10.0.0.{number}", state)
        for number, state in enumerate(("silent", "idle", "served") * 7)
    ]
    for guest in guests:
        open_connections.remove(guest)
        open_connections.remove(guest)
        open_connections.rest(guest)  # its last answer ends after it was closed
    left = (
        open_connections.members,
        open_connections.addresses,
        open_connections.groups,
        open_connections.by_size,
        open_connections.silent,
        open_connections.idle,
    )
    assert not any(left) and not open_connections.largest


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("10.0.0.1", None),
        ("::ffff:10.0.0.1", None),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("somewhere", None),
    ],
)
def test_networks(address: str, network: str | None) -> None:
    assert network_of(address) == network


def test_a_flood_is_one_line_a_second_with_its_count() -> None:
    lines = Seldom()
    assert [lines.take(now) for now in (10.0, 10.1, 10.9, 11.0, 13.0)] == [1, None, None, 3, 1]


async def test_a_new_connection_has_a_moment_for_its_first_request() -> None:
    open_connections = OpenConnections(ServerLimits(connections=4))
    guests = [guest_of(open_connections, "a", "idle") for _ in range(3)]
    newcomer = guest_of(open_connections, "b", "silent")
    assert open_connections.make_room("c") and guests[0].is_aborted and not newcomer.is_aborted


async def test_a_connection_with_unread_bytes_is_not_silent() -> None:
    open_connections = OpenConnections(ServerLimits(connections=3))
    first, second, third = (guest_of(open_connections, each, "silent") for each in "abc")
    first.sent = True
    assert open_connections.make_room("d") and second.is_aborted
    assert not first.is_aborted and not third.is_aborted


# -- fairness: the client with most connections loses one first ---------------------------------------------

STORM = (
    ["127.0.0.1"] * 1100,
    [f"10.0.{n % 20}.9" for n in range(1280)],
    [f"2001:db8:0:{n % 5}::{n}" for n in range(1280)],
)


def storm(open_connections: OpenConnections, addresses: Sequence[str], calls: int, state: str) -> int:
    """Connections from these addresses in turn, without a pause; how many were accepted."""
    got_in = 0
    for number in range(calls):
        address = addresses[number % len(addresses)]
        if open_connections.make_room(address):
            guest_of(open_connections, address, state)
            got_in += 1
    return got_in


@pytest.mark.parametrize("addresses", STORM)
@pytest.mark.parametrize("state", ["silent", "idle"])
async def test_an_address_that_reconnects_at_once_closes_only_its_own_connections(
    addresses: Sequence[str], state: str
) -> None:
    open_connections = OpenConnections(ServerLimits())
    assert storm(open_connections, addresses, 1300, state) >= 1000 and len(open_connections.members) == 1000
    newcomers = ["192.168.7.7", "192.168.7.8", "2001:db8:7::7"]
    guests = []
    for address in newcomers:
        assert open_connections.make_room(address)
        guests.append(guest_of(open_connections, address, "silent"))  # its request is still on the way
        assert storm(open_connections, addresses, 2200, state) >= 2000
    assert not any(guest.is_aborted for guest in guests)


async def test_within_an_address_the_oldest_silent_connection_is_closed_first() -> None:
    open_connections = OpenConnections(ServerLimits(connections=100))
    for _ in range(100):
        guest_of(open_connections, "127.0.0.1", "silent")
    assert open_connections.make_room("127.0.0.1")
    newcomer = guest_of(open_connections, "127.0.0.1", "silent")
    for _ in range(99):
        assert open_connections.make_room("127.0.0.1")
        guest_of(open_connections, "127.0.0.1", "silent")
    assert not newcomer.is_aborted
    assert open_connections.make_room("127.0.0.1") and newcomer.is_aborted


async def test_an_address_with_fewer_connections_loses_none_to_others(
    autojump_clock: trio.testing.MockClock,
) -> None:
    open_connections = OpenConnections(ServerLimits(connections=3))
    guest_of(open_connections, "a")
    silent, idle = guest_of(open_connections, "b", "silent"), guest_of(open_connections, "c", "idle")
    assert not open_connections.make_room("a"), "each holds one; a's own is being served"
    assert [silent.is_aborted, idle.is_aborted] == [False, False]
    await trio.sleep(GREETING_S)
    assert open_connections.make_room("a")
    assert [silent.is_aborted, idle.is_aborted] == [True, False], "it had its moment to ask"
