"""A provider's server without a network, for tests."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable

import httpx

from appliance.network.outbound import Outbound

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)


def outbound(answer: Callable[[httpx.Request], httpx.Response]) -> Outbound:
    return Outbound(LOOPBACK, below=httpx.MockTransport(answer))
