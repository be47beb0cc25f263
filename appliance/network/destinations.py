"""Resolves a host name from a setting or an API request once, so that the address that was checked is the one
that is called: a name may resolve to another address a second later (DNS rebinding).

Must not know: protocols, settings. The table of refused addresses is in addresses.py.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Sequence
from contextlib import closing
from typing import Final

import trio

from appliance.network.addresses import (
    Address,
    BadDestination,
    Network,
    is_listed,
    refuse,
    why_not_public,
    why_refused,
)

PORTS: Final = {"http": 80, "https": 443}
"""Where a URL without a port leads, by its scheme."""


async def resolve(
    host: str, port: int, allowed: Sequence[Network], *, public_only: bool = False, may_be_own: bool = False
) -> str:
    """The first of `resolve_all`, for callers that try one address."""
    addresses = await resolve_all(host, port, allowed, public_only=public_only, may_be_own=may_be_own)
    return addresses[0]


async def resolve_all(
    host: str, port: int, allowed: Sequence[Network], *, public_only: bool = False, may_be_own: bool = False
) -> list[str]:
    """The addresses to connect to, as text, in the system's order; one at least. `public_only`: addresses of
    private networks are refused too. `may_be_own`: this machine's addresses in its networks are accepted.
    Raises BadDestination; OSError when the name is not known."""
    check = why_not_public if public_only else why_refused
    targets = await trio.socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    reason: str | None = None
    accepted: dict[str, None] = {}  # a set that keeps the order
    for *_, target in targets:
        address = ipaddress.ip_address(str(target[0]).partition("%")[0])
        refusal = check(address, allowed)
        if refusal is None and not may_be_own:
            refusal = _own_address(address, allowed)
        if refusal is None:
            accepted[str(address)] = None
        reason = reason or refusal
    if accepted:
        return list(accepted)
    refuse(host, reason)
    raise BadDestination(f"{host} has no address")


def _own_address(address: Address, allowed: Sequence[Network]) -> str | None:
    """Whether the address is one of this machine's: only those can be bound."""
    if is_listed(address, allowed):
        return None
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    try:
        with closing(socket.socket(family, socket.SOCK_DGRAM)) as probe:
            probe.bind((str(address), 0))
    except OSError:
        return None
    return "the box itself"
