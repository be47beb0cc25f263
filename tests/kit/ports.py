"""Ports for programs that need a fixed port beforehand, or the same one again after a restart."""

from __future__ import annotations

import itertools
import os
import socket
from typing import Final

_LOWEST: Final = 20_000
_COUNT: Final = 12_000  # up to the range from which the kernel assigns ports itself (ip_local_port_range)
_APART: Final = 97  # ports per test process; those of the next process follow
_numbers = itertools.count(os.getpid() * _APART)


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """A free port of a kind, returned only once.

    No connection, and no server that lets the kernel choose, gets it before it is used, or while its program
    is being restarted.
    """
    for number in _numbers:
        port = _LOWEST + number % _COUNT
        with socket.socket(socket.AF_INET, kind) as probe:
            try:
                probe.bind(("", port))
            except OSError:
                continue
        return port
    raise AssertionError("unreachable: the numbers do not end")


def free_udp_port() -> int:
    """The same, for SRT (UDP)."""
    return free_port(socket.SOCK_DGRAM)
