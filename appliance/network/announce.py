"""mDNS (RFC 6762) and DNS-SD (RFC 6763): devices in the stadium's network find the box by its name.

Owns: what is announced on which addresses, and doing it again when an address of the machine changes. Must
not know: settings, what is served. zeroconf needs asyncio, which does not run under trio: it has its own
thread, and each call that waits runs in a thread of ours.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import structlog
import trio

from appliance.kernel.threads import in_thread

if TYPE_CHECKING:
    from zeroconf import Zeroconf

log = structlog.get_logger("network")

LOOK_S: Final = 15.0  # a new DHCP lease is announced within this time
WITHDRAW_S: Final = 2.0  # for announcing to the network that the box has stopped
ASK_MS: Final = 1000
SERVICE: Final = "_http._tcp.local."
NAME_BYTES: Final = 63  # of one label (RFC 1035 section 2.3.4)


@dataclass(frozen=True, slots=True)
class Announcement:
    """`title`: as shown in lists of services. `name`: the box's own, as "stadium.local". `host`: the address
    or name on which the server listens on `port`."""

    title: str
    name: str
    host: str
    port: int


@dataclass(slots=True)
class Announcer:
    """`addresses`: those announced now for the name; empty: none. `trouble`: why none is, for display."""

    announcement: Announcement
    addresses: tuple[str, ...] = ()
    trouble: str = ""
    _zeroconf: Zeroconf | None = None

    def renew(self) -> None:
        """Announce the machine's present addresses, unless they are announced. Blocks for seconds. An error
        is kept in `trouble`; the next call tries again."""
        from zeroconf import Error  # not at the top: it takes 70 ms

        try:
            wanted = addresses_of(self.announcement.host)
            if self._zeroconf is not None and wanted == self.addresses:
                self._check_name_is_free(self._zeroconf)
                return
            self.withdraw()
            if not wanted:
                raise OSError("the machine has no address in a network")
            self._announce(wanted)
            self.trouble = ""
        except (OSError, RuntimeError, ValueError, Error) as error:
            self.withdraw()
            self.trouble = str(error) or type(error).__name__

    def withdraw(self) -> None:
        """Announce that the name is not in use any more. Blocks for a moment."""
        zeroconf, self._zeroconf, self.addresses = self._zeroconf, None, ()
        if zeroconf is None:
            return
        try:
            zeroconf.close()
        except (OSError, RuntimeError) as error:  # its thread hangs: the name ends with its time to live
            log.warning("not_withdrawn", name=self.announcement.name, reason=str(error))

    def _announce(self, addresses: tuple[str, ...]) -> None:
        from zeroconf import ServiceInfo, Zeroconf

        own = self.announcement
        self._zeroconf = zeroconf = Zeroconf(interfaces=list(addresses))
        self._check_name_is_free(zeroconf)
        info = ServiceInfo(
            SERVICE,
            f"{_label(own.title or own.name)}.{SERVICE}",
            port=own.port,
            properties={"path": "/"},
            server=f"{own.name}.",
            parsed_addresses=list(addresses),
        )
        zeroconf.register_service(info, allow_name_change=True)  # the title is shown to people only
        self.addresses = addresses

    def _check_name_is_free(self, zeroconf: Zeroconf) -> None:
        """Raises OSError if another machine announces the box's name. Two boxes that start at the same moment
        detect each other at the next check."""
        from zeroconf import AddressResolver  # type: ignore[attr-defined]  # public, but not in __all__

        name = self.announcement.name
        asked = AddressResolver(f"{name}.")
        asked.request(zeroconf, ASK_MS)
        if others := sorted(set(asked.parsed_addresses()) - set(all_addresses())):
            raise OSError(f"another machine in this network is {name}: {', '.join(others)}")


async def run_announcer(
    *,
    announcement: Announcement,
    task_status: trio.TaskStatus[Announcer] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Announce the box until cancelled, then withdraw it.

    Start: at once; the first announcement takes some seconds and is not waited for. What prevents it is in
    the handle's `trouble`, logged once, and tried again.
    """
    announcer, logged = Announcer(announcement), ""
    task_status.started(announcer)
    try:
        while True:
            await in_thread(announcer.renew)
            if announcer.trouble and announcer.trouble != logged:
                log.warning("not_announced", name=announcement.name, reason=announcer.trouble)
            logged = announcer.trouble
            await trio.sleep(LOOK_S)
    finally:
        with trio.move_on_after(WITHDRAW_S, shield=True):
            await in_thread(announcer.withdraw, abandon_on_cancel=True)


def resolve(name: str) -> list[str]:
    """The addresses that the network gives for a .local name now. Blocks for a second. Raises OSError without
    a network."""
    from zeroconf import AddressResolver, Error, Zeroconf  # type: ignore[attr-defined]  # see above

    try:
        zeroconf = Zeroconf()
        try:
            asked = AddressResolver(f"{name}.")
            asked.request(zeroconf, ASK_MS)
            return list(asked.parsed_addresses())
        finally:
            zeroconf.close()
    except (RuntimeError, Error) as error:
        raise OSError(str(error) or type(error).__name__) from error


def addresses_of(host: str) -> tuple[str, ...]:
    """The addresses at which other machines reach a server that listens on `host`, sorted."""
    try:
        listens_on = ipaddress.ip_address(host)
    except ValueError:
        return tuple(sorted(_resolved(host)))
    if not listens_on.is_unspecified:
        return (host,)
    every = [ipaddress.ip_address(address) for address in all_addresses()]
    reached = [each for each in every if not each.is_loopback and not each.is_link_local]
    if listens_on.version == 4:
        reached = [each for each in reached if each.version == 4]
    return tuple(map(str, sorted(reached, key=lambda each: (each.version, each))))


def all_addresses() -> Sequence[str]:
    """Every address of this machine, loopback and link-local ones included."""
    import ifaddr

    return [
        str(address.ip if address.is_IPv4 else address.ip[0])
        for adapter in ifaddr.get_adapters()
        for address in adapter.ips
    ]


def _resolved(name: str) -> set[str]:
    try:
        return {str(place[4][0]) for place in socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)}
    except OSError:
        return set()


def _label(title: str) -> str:
    """The title as one DNS label: printable, at most 63 bytes of UTF-8, cut between two characters."""
    return "".join(filter(str.isprintable, title)).encode()[:NAME_BYTES].decode(errors="ignore")
