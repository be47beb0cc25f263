"""Announcing the box by real mDNS, on the loopback interface."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import pytest
import trio
from zeroconf import AddressResolver, ServiceInfo, Zeroconf  # type: ignore[attr-defined]  # public, but not in __all__

from appliance.network import announce
from appliance.network.announce import SERVICE, Announcement, Announcer, addresses_of, run_announcer
from tests.kit.waiting import LIMIT_S

ASK_MS = 300
HERE = "127.0.0.1"


def box(name: str, *, title: str = "Arena", host: str = HERE) -> Announcement:
    return Announcement(title, f"{name}.local", host, 8080)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(announce, "ASK_MS", ASK_MS)
    monkeypatch.setattr(announce, "LOOK_S", 0.1)
    try:
        Zeroconf(interfaces=[HERE]).close()
    except OSError as error:
        pytest.skip(f"no multicast on the loopback interface of this machine: {error}")


@asynccontextmanager
async def announced(announcement: Announcement) -> AsyncIterator[Announcer]:
    async with trio.open_nursery() as nursery:
        announcer = await nursery.start(partial(run_announcer, announcement=announcement))
        yield announcer
        nursery.cancel_scope.cancel()


async def becomes(announcer: Announcer, addresses: tuple[str, ...], trouble: str) -> None:
    with trio.fail_after(LIMIT_S):
        while announcer.addresses != addresses or trouble not in announcer.trouble:  # noqa: ASYNC110
            await trio.sleep(0.02)


def resolved(name: str, within_ms: int) -> list[str]:
    """What another device gets for a name."""
    device = Zeroconf(interfaces=[HERE])
    try:
        asked = AddressResolver(f"{name}.local.")
        asked.request(device, within_ms)
        return asked.parsed_addresses()
    finally:
        device.close()


def listed(title: str) -> ServiceInfo | None:
    device = Zeroconf(interfaces=[HERE])
    try:
        return device.get_service_info(SERVICE, f"{title}.{SERVICE}", 5000)
    finally:
        device.close()


async def test_a_device_finds_the_box_by_its_name_and_in_a_list_until_it_stops() -> None:
    async with announced(box("box-found", title="St. Pauli – Süd")) as announcer:
        await becomes(announcer, (HERE,), "")
        assert await trio.to_thread.run_sync(resolved, "box-found", 5000) == [HERE]
        service = await trio.to_thread.run_sync(listed, "St. Pauli – Süd")
        assert service is not None
        assert (service.server, service.port) == ("box-found.local.", 8080)
        assert service.properties == {b"path": b"/"}
    assert not announcer.addresses
    assert await trio.to_thread.run_sync(resolved, "box-found", ASK_MS) == []


async def test_of_two_boxes_with_one_title_both_are_found() -> None:
    async with announced(box("box-one")) as one:
        await becomes(one, (HERE,), "")
        async with announced(box("box-two")) as two:
            await becomes(two, (HERE,), "")
            for name in ("box-one", "box-two"):
                assert await trio.to_thread.run_sync(resolved, name, 5000) == [HERE]


async def test_a_name_that_another_machine_has_is_not_taken_from_it() -> None:
    other = Zeroconf(interfaces=[HERE])
    theirs = ServiceInfo(
        SERVICE, f"Other.{SERVICE}", port=80, server="box-twice.local.", parsed_addresses=["203.0.113.9"]
    )
    try:
        await trio.to_thread.run_sync(other.register_service, theirs)
        async with announced(box("box-twice")) as announcer:
            await becomes(announcer, (), "another machine in this network is box-twice.local: 203.0.113.9")
            await trio.to_thread.run_sync(other.close)
            await becomes(announcer, (HERE,), "")
            assert not announcer.trouble
    finally:
        await trio.to_thread.run_sync(other.close)


async def test_a_machine_that_comes_later_with_the_same_name_is_noticed() -> None:
    async with announced(box("box-later")) as announcer:
        await becomes(announcer, (HERE,), "")
        other = Zeroconf(interfaces=[HERE])
        theirs = ServiceInfo(
            SERVICE, f"Late.{SERVICE}", port=80, server="box-later.local.", parsed_addresses=["203.0.113.9"]
        )
        try:
            await trio.to_thread.run_sync(other.register_service, theirs)
            await becomes(announcer, (), "another machine in this network is box-later.local")
        finally:
            await trio.to_thread.run_sync(other.close)


async def test_an_address_that_changes_is_announced_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    now: tuple[str, ...] = ()
    monkeypatch.setattr(announce, "addresses_of", lambda host: now)
    async with announced(box("box-moves")) as announcer:
        await becomes(announcer, (), "the machine has no address in a network")
        now = (HERE,)
        await becomes(announcer, (HERE,), "")
        now = ()
        await becomes(announcer, (), "no address")


async def test_an_error_of_the_library_does_not_end_the_announcer(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: Announcer, addresses: tuple[str, ...]) -> None:
        # what zeroconf raises for an address that was just removed
        raise RuntimeError("No adapter found for IP address 2001:db8::1")

    monkeypatch.setattr(Announcer, "_announce", broken)
    async with announced(box("box-stale")) as announcer:
        await becomes(announcer, (), "No adapter found")


async def test_addresses_that_cannot_be_listed_are_no_reason_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sandbox without netlink."""

    def refused() -> list[str]:
        raise OSError(97, "Address family not supported by protocol")

    monkeypatch.setattr(announce, "all_addresses", refused)
    announcer = Announcer(Announcement("Box", "box.local", "0.0.0.0", 8080))
    announcer.renew()
    assert "not supported" in announcer.trouble and announcer.addresses == ()


def test_the_addresses_of_a_server(monkeypatch: pytest.MonkeyPatch) -> None:
    every = ["127.0.0.1", "::1", "fe80::1", "169.254.3.4", "192.168.1.5", "10.0.0.9", "fd00::2"]
    monkeypatch.setattr(announce, "all_addresses", lambda: every)
    assert addresses_of("0.0.0.0") == ("10.0.0.9", "192.168.1.5")
    assert addresses_of("::") == ("10.0.0.9", "192.168.1.5", "fd00::2")
    assert addresses_of("192.168.1.5") == ("192.168.1.5",)
    assert HERE in addresses_of("localhost")
    assert addresses_of("box.invalid") == ()


def test_a_title_is_made_a_label() -> None:
    assert announce._label("St. Pauli\x07 – Süd") == "St. Pauli – Süd"
    assert announce._label("ß" * 40) == "ß" * 31
