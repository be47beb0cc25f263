"""Who goes when it is full, and by what a client is counted."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import trio
import trio.testing

from appliance.web.crowd import GREETING_S, STALLED_S, Crowd, Turns
from appliance.web.limits import Limits, Seldom, network_of


@dataclass(eq=False)
class Guest:
    is_aborted: bool = False
    sent: bool = False

    def abort(self) -> None:
        self.is_aborted = True

    def has_bytes(self) -> bool:
        return self.sent


def guest_of(crowd: Crowd, address: str, state: str = "served") -> Guest:
    guest = Guest()
    crowd.add(guest, address)
    if state != "silent":
        crowd.serve(guest)
    if state == "idle":
        crowd.rest(guest)
    return guest


async def test_the_one_missed_least_goes(autojump_clock: trio.testing.MockClock) -> None:
    crowd = Crowd(Limits(connections=5))
    again = guest_of(crowd, "f", "idle")
    busy, longer, idle = (
        guest_of(crowd, *which) for which in (("a", "served"), ("c", "idle"), ("b", "idle"))
    )
    never = guest_of(crowd, "d", "silent")
    await trio.sleep(GREETING_S)
    crowd.serve(again)
    crowd.rest(again)  # it asked again, so it has been silent for the shortest time
    gone: list[Guest] = []
    for _ in range(4):
        assert crowd.make_room("e")
        gone += [each for each in (idle, longer, never, again) if each.is_aborted and each not in gone]
        guest_of(crowd, "e")
    assert gone == [never, longer, idle, again]
    assert not crowd.make_room("e"), "everybody is being served"
    assert not busy.is_aborted


async def test_who_does_not_read_goes_after_a_second_and_the_longest_first(
    autojump_clock: trio.testing.MockClock,
) -> None:
    crowd = Crowd(Limits(connections=3))
    longest, reads, shorter = (guest_of(crowd, each) for each in "abc")
    crowd.stall(longest, True)
    await trio.sleep(STALLED_S / 2)
    crowd.stall(reads, True)
    crowd.stall(shorter, True)
    assert not crowd.make_room("d")
    await trio.sleep(STALLED_S / 2)
    crowd.stall(reads, False)
    assert crowd.make_room("d") and longest.is_aborted
    guest_of(crowd, "d")
    assert not crowd.make_room("e")
    await trio.sleep(STALLED_S)
    assert crowd.make_room("e") and shorter.is_aborted and not reads.is_aborted
    crowd.stall(longest, True)  # its writer notices later
    assert not crowd.stalled


async def test_an_address_at_its_limit_gives_up_a_connection_of_its_own() -> None:
    crowd = Crowd(Limits(per_address=1))
    other, own = guest_of(crowd, "10.0.0.1", "silent"), guest_of(crowd, "10.0.0.2", "idle")
    assert crowd.make_room("10.0.0.2")
    assert own.is_aborted and not other.is_aborted
    guest_of(crowd, "10.0.0.2")
    assert not crowd.make_room("10.0.0.2")
    assert crowd.make_room("10.0.0.3")


async def test_a_network_of_ipv6_is_counted_as_one() -> None:
    crowd = Crowd(Limits(per_network=3))
    for last in range(3):
        address = f"2001:db8::{last + 1}"
        assert crowd.make_room(address)
        guest_of(crowd, address)
    assert not crowd.make_room("2001:db8::ffff:9")
    assert crowd.make_room("2001:db8:0:1::1")
    crowd.remove(next(iter(crowd.members)))
    assert crowd.make_room("2001:db8::ffff:9")


async def test_this_machine_is_bounded_by_the_whole_alone() -> None:
    crowd = Crowd(Limits(connections=3, per_address=1, per_network=1))
    for address in ("127.0.0.1", "::1", "127.0.0.1"):
        assert crowd.make_room(address)
        guest_of(crowd, address)
    assert not crowd.make_room("127.0.0.1")


async def test_nothing_is_left_of_those_who_left() -> None:
    crowd = Crowd(Limits())
    guests = [
        guest_of(crowd, f"2001:db8:{number}::1" if number % 2 else f"10.0.0.{number}", state)
        for number, state in enumerate(("silent", "idle", "served") * 7)
    ]
    for guest in guests:
        crowd.remove(guest)
        crowd.remove(guest)
        crowd.rest(guest)  # its last answer ends after it was thrown out
    left = (crowd.members, crowd.addresses, crowd.networks, crowd.silent, crowd.idle)
    assert not any(left)


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


async def test_turns_are_one_a_pass_and_in_order() -> None:
    turns, begun = Turns(), []

    async def begin(number: int) -> None:
        await turns.take()
        begun.append(number)

    async with trio.open_nursery() as nursery:
        for number in range(20):
            nursery.start_soon(begin, number)
            await trio.lowlevel.checkpoint()  # so that they come in this order
        steps = []
        while len(begun) < 20:
            before = len(begun)
            await trio.lowlevel.checkpoint()
            steps.append(len(begun) - before)
    assert max(steps) <= 1 and begun == list(range(20))


async def test_who_came_just_now_has_a_moment_to_ask_among_many_that_keep_their_place() -> None:
    crowd = Crowd(Limits(connections=4))
    kept = [guest_of(crowd, "a", "idle") for _ in range(3)]
    newcomer = guest_of(crowd, "b", "silent")
    assert crowd.make_room("c") and kept[0].is_aborted and not newcomer.is_aborted


async def test_who_has_sent_what_the_loop_has_not_read_is_not_silent() -> None:
    crowd = Crowd(Limits(connections=3))
    first, second, third = (guest_of(crowd, each, "silent") for each in "abc")
    first.sent = True
    assert crowd.make_room("d") and second.is_aborted
    assert not first.is_aborted and not third.is_aborted
