"""Who goes when it is full, and by what a client is counted."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from appliance.web.crowd import Crowd
from appliance.web.limits import Limits, Seldom, network_of


@dataclass(eq=False)
class Guest:
    waiting: tuple[bool, float] | None = None
    is_aborted: bool = False

    def abort(self) -> None:
        self.is_aborted = True


def crowd_of(limits: Limits, **guests: tuple[str, Guest]) -> Crowd:
    crowd = Crowd(limits)
    for address, guest in guests.values():
        crowd.add(guest, address)
    return crowd


def test_the_one_missed_least_goes() -> None:
    busy, idle, longer, never = Guest(), Guest((True, 5.0)), Guest((True, 3.0)), Guest((False, 9.0))
    crowd = crowd_of(Limits(connections=4), a=("a", busy), b=("b", idle), c=("c", longer), d=("d", never))
    gone = []
    for _ in range(3):
        assert crowd.make_room("e")
        gone.append(next(each for each in (idle, longer, never) if each.is_aborted and each not in gone))
        crowd.add(Guest(), "e")
    assert gone == [never, longer, idle]
    assert not crowd.make_room("e"), "everybody is being served"
    assert not busy.is_aborted


def test_an_address_at_its_limit_gives_up_a_connection_of_its_own() -> None:
    other, own = Guest((False, 0.0)), Guest((True, 1.0))
    crowd = crowd_of(Limits(per_address=1), a=("10.0.0.1", other), b=("10.0.0.2", own))
    assert crowd.make_room("10.0.0.2")
    assert own.is_aborted and not other.is_aborted
    crowd.add(Guest(), "10.0.0.2")
    assert not crowd.make_room("10.0.0.2")
    assert crowd.make_room("10.0.0.3")


def test_a_network_of_ipv6_is_counted_as_one() -> None:
    crowd = Crowd(Limits(per_network=3))
    for last in range(3):
        address = f"2001:db8::{last + 1}"
        assert crowd.make_room(address)
        crowd.add(Guest(), address)
    assert not crowd.make_room("2001:db8::ffff:9")
    assert crowd.make_room("2001:db8:0:1::1")
    crowd.remove(next(iter(crowd.members)))
    assert crowd.make_room("2001:db8::ffff:9")


def test_this_machine_is_bounded_by_the_whole_alone() -> None:
    crowd = Crowd(Limits(connections=3, per_address=1, per_network=1))
    for address in ("127.0.0.1", "::1", "127.0.0.1"):
        assert crowd.make_room(address)
        crowd.add(Guest(), address)
    assert not crowd.make_room("127.0.0.1")


def test_nothing_is_left_of_those_who_left() -> None:
    crowd = Crowd(Limits())
    guests = [Guest() for _ in range(20)]
    for number, guest in enumerate(guests):
        crowd.add(guest, f"2001:db8:{number}::1" if number % 2 else f"10.0.0.{number}")
    for guest in guests:
        crowd.remove(guest)
        crowd.remove(guest)
    assert not crowd.members and not crowd.addresses and not crowd.networks


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
