"""The bounds of the server, and by what a client is counted.

Owns: figures and the one rule about addresses. Must not know: sockets, tasks.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

LARGE_BYTES = 64 * 1024  # answers from here on are not copied for each client that reads them slowly


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of the server. Times in seconds."""

    first_s: float = 5.0  # from accepting a connection to its first byte
    header_s: float = 5.0  # from the first byte of a request to the end of its header
    body_s: float = 10.0  # from there to the end of its body: 64 KiB at most
    idle_s: float = 75.0  # keep-alive
    stop_s: float = 5.0  # running requests get this long when the server stops
    message_bytes: int = 64 * 1024  # of one WebSocket message from a client
    connections: int = 1000  # together
    sockets: int = 750  # of these at most WebSockets, so that a request always finds a place
    per_address: int = 64  # from one address that is not this machine: a tablet with four videos has 11
    per_network: int = 256  # from one IPv6 /64: a whole stadium may be in one, an attacker has 2^64 addresses


def is_loopback(address: str) -> bool:
    return address.startswith("127.") or address in ("::1", "::ffff:127.0.0.1")


def network_of(address: str) -> str | None:
    """The IPv6 /64 an address belongs to; None for IPv4, also where it is written as IPv6."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return None
    if found.version == 4 or found.ipv4_mapped is not None:
        return None
    return str(ipaddress.ip_network((found, 64), strict=False))


class Seldom:
    """Lets one log line a second through, so that a flood of connections is not a flood of the disk."""

    __slots__ = ("_last_s", "_silent")

    def __init__(self) -> None:
        self._last_s = -1.0
        self._silent = 0

    def take(self, now_s: float) -> int | None:
        """How many times this happened since the last line, this time included; None: say nothing now."""
        self._silent += 1
        if 0 <= now_s - self._last_s < 1:
            return None
        self._last_s, times, self._silent = now_s, self._silent, 0
        return times
