"""Ports for what must be told its port beforehand, or gets the same one again after a restart."""

from __future__ import annotations

import itertools
import os
import socket
from typing import Final

_LOWEST: Final = 20_000
_COUNT: Final = 12_000  # up to where the kernel takes ports from by itself (ip_local_port_range)
_APART: Final = 97  # ports of a test process; those of the next one follow
_numbers = itertools.count(os.getpid() * _APART)


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """A port nobody has, of a kind, given once.

    No connection and no server that leaves the choice to the kernel gets it before it is used, nor while what
    had it is started again.
    """
    for number in _numbers:
        port = _LOWEST + number % _COUNT
        with socket.socket(socket.AF_INET, kind) as one:
            try:
                one.bind(("", port))
            except OSError:
                continue
        return port
    raise AssertionError("unreachable: the numbers do not end")


def free_udp_port() -> int:
    """The same, for SRT."""
    return free_port(socket.SOCK_DGRAM)
