"""Addresses that the box does not connect to when a setting or an API request names them.

Owns: the table, and the ways in which an address can be written. Pure: names are resolved in destinations.py.

Ordinary addresses of the stadium's network and of the internet are allowed; the box itself, link-local
addresses (which hold cloud metadata services) and addresses without one host behind them are not, unless
the caller's `allowed` networks contain them. The hosted side connects to public addresses only: the same
table, and every network that is not public.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from typing import Final

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_METADATA: Final = frozenset(
    ipaddress.ip_address(each)
    for each in ("169.254.169.254", "168.63.129.16", "100.100.100.200", "fd00:ec2::254", "fd20:ce::254")
)
_NUMBER: Final = re.compile(r"0[xX][0-9a-fA-F]{1,8}|[0-9]{1,11}")
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
# not public, by the registries of special-purpose addresses; written out, because Python's list depends on
# its release. IPv6 that is public lies in 2000::/3
_PRIVATE: Final = tuple(
    ipaddress.IPv4Network(each)
    for each in (
        ["10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24"]
        + ["192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24"]
    )
)
_PUBLIC6: Final = ipaddress.IPv6Network("2000::/3")
_PRIVATE6: Final = tuple(map(ipaddress.IPv6Network, ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")))
_COMPATIBLE: Final = ipaddress.IPv6Network("::/96")
_THIS_NETWORK: Final = ipaddress.IPv4Network("0.0.0.0/8")


class BadDestination(Exception):
    """The box does not connect to this address; the text gives the reason."""


def literal(host: str) -> Address | None:
    """The address that `host` writes out, also as 127.1, 0x7f000001 or 2130706433; None for a name."""
    try:
        return ipaddress.ip_address(host.partition("%")[0].strip("[]"))
    except ValueError:
        pass
    return _numeric(host)


def why_refused(address: Address, allowed: Sequence[Network]) -> str | None:
    """What the address is, when the box must not connect to it; None when it may."""
    meant = _unwrapped(address)
    if is_listed(address, allowed):
        return None
    kinds = (
        ("a cloud's metadata service", meant in _METADATA),
        ("the box itself", meant.is_loopback),
        ("no address of a host", meant.is_unspecified or meant.is_multicast or meant.is_reserved),
        ("no address of a host", meant.version == 4 and meant in _THIS_NETWORK),
        ("a link-local address", meant.is_link_local),
    )
    return next((kind for kind, applies in kinds if applies), None)


def is_listed(address: Address, allowed: Sequence[Network]) -> bool:
    """Whether one of the networks contains the address, also an IPv4 address written as IPv6."""
    meant = _unwrapped(address)
    return any(meant in network or address in network for network in allowed)


def why_not_public(address: Address, allowed: Sequence[Network]) -> str | None:
    """As `why_refused`; in addition, why an address is not one of the public internet. None: it is public."""
    reason = why_refused(address, allowed)
    meant = _unwrapped(address)
    if reason is not None or is_listed(address, allowed):
        return reason
    if meant.version == 4:
        is_private = any(meant in network for network in _PRIVATE)
    else:
        is_private = meant not in _PUBLIC6 or any(meant in network for network in _PRIVATE6)
    return "a private address" if is_private else None


def check_literal(host: str, allowed: Sequence[Network]) -> None:
    """Refuse what can be refused without resolving a name. Raises BadDestination."""
    address = literal(host)
    refuse(host, (why_refused(address, allowed) if address is not None else None) or _own_name(host, allowed))


def refuse(host: str, reason: str | None) -> None:
    """Raises BadDestination when there is a reason."""
    if reason is not None:
        raise BadDestination(f"{host} is {reason}")


def _own_name(host: str, allowed: Sequence[Network]) -> str | None:
    is_localhost = host.lower().rstrip(".").rpartition(".")[2] == "localhost"
    reachable = any(network.is_loopback for network in allowed)
    return "the box itself" if is_localhost and not reachable else None


def _numeric(host: str) -> ipaddress.IPv4Address | None:
    """The address that inet_aton(3) reads from 1 to 4 numbers, decimal, octal or hexadecimal, the last of
    which fills the remaining bytes. Resolvers accept these forms."""
    parts = host.split(".")
    if len(parts) > 4 or not all(_NUMBER.fullmatch(part) for part in parts):
        return None
    try:
        *firsts, last = (_whole(part) for part in parts)
    except ValueError:
        return None  # an octal number with an 8 or 9
    if any(part > 255 for part in firsts) or last >= 256 ** (4 - len(firsts)):
        return None
    high = sum(part << 8 * (3 - place) for place, part in enumerate(firsts))
    return ipaddress.IPv4Address(high + last)


def _whole(text: str) -> int:
    if text[:2] in ("0x", "0X"):
        return int(text, 16)
    return int(text, 8) if text[0] == "0" else int(text)


def _unwrapped(address: Address) -> Address:
    """The IPv4 address inside an IPv6 address that stands for one."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64 or (address in _COMPATIBLE and int(address) > 1):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else address)
