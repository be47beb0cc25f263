"""The limits of the server, and the address by which a client is counted.

Owns: figures and the one rule about addresses. Must not know: sockets, tasks.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from functools import lru_cache

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

LARGE_BYTES = 64 * 1024  # answers of at least this size are not copied for each client that reads them slowly


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """Limits of the server. Times in seconds."""

    first_s: float = 5.0  # from accepting a connection to its first byte
    header_s: float = 5.0  # from the first byte of a request to the end of its header
    body_s: float = 10.0  # from the end of the header to the end of the body, which has at most 64 KiB
    idle_s: float = 75.0  # keep-alive
    stop_s: float = 5.0  # running requests have this long when the server stops
    message_bytes: int = 64 * 1024  # of one WebSocket message from a client
    connections: int = 1000  # in total
    sockets: int = 750  # WebSockets among them: the rest is free for requests
    per_address: int = 64  # from one address that is not this machine: a tablet with four videos has 11
    per_network: int = 256  # from one IPv6 /64: a whole stadium may be in one, an attacker has 2^64 addresses
    proxies: tuple[Network, ...] = ()  # all clients come from their addresses: only `connections` limits them


@lru_cache(maxsize=1024)
def network_of(address: str) -> str | None:
    """The IPv6 /64 of an address; None for IPv4, also when written as IPv6."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return None
    if parsed.version == 4 or parsed.ipv4_mapped is not None:
        return None
    return str(ipaddress.ip_network((parsed, 64), strict=False))


@lru_cache(maxsize=1024)
def is_in(address: str, networks: tuple[Network, ...]) -> bool:
    """Whether the address, IPv4 also when written as IPv6, is in one of the networks."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return any((mapped or parsed) in network for network in networks)


class Seldom:
    """Limits a log message to one line a second, so that a flood of connections does not flood the disk."""

    __slots__ = ("_last_s", "_silent")

    def __init__(self) -> None:
        self._last_s = -1.0
        self._silent = 0

    def take(self, now_s: float) -> int | None:
        """How many times this happened since the last line, including this time; None: log nothing now."""
        self._silent += 1
        if 0 <= now_s - self._last_s < 1:
            return None
        self._last_s, times, self._silent = now_s, self._silent, 0
        return times
