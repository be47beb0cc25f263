"""Proxies in front of the server: whose request it is that a trusted one passes on.

Owns: the reading of X-Forwarded-For and X-Forwarded-Proto. Of anybody else the two are not read: a client
could write any address into them. That a request has such headers at all still means that it came through a
proxy, so that it is not of this machine (access/door.py).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping

from appliance.http.api import Scope
from appliance.http.limits import Network, is_in

_FOR, _PROTO = b"x-forwarded-for", b"x-forwarded-proto"


def take_forwarded(scope: Scope, headers: Mapping[bytes, bytes], trusted: tuple[Network, ...]) -> None:
    """Put the client's address and scheme into the scope of a request that a trusted proxy passes on."""
    peer = str((scope.get("client") or ("", 0))[0])
    if not trusted or not is_in(peer, trusted):
        return
    sent = b",".join(value for name, value in scope["headers"] if name.lower() == _FOR)
    client = client_of(sent.decode("latin-1"), trusted)
    if client is not None:
        scope["client"] = (client, 0)
    scheme = headers.get(_PROTO, b"").split(b",")[-1].strip().lower()
    if scheme in (b"http", b"https"):
        secure = {"http": "https", "ws": "wss"} if scheme == b"https" else {"https": "http", "wss": "ws"}
        scope["scheme"] = secure.get(scope["scheme"], scope["scheme"])


def client_of(sent: str, trusted: tuple[Network, ...]) -> str | None:
    """The last address in X-Forwarded-For that is not a trusted proxy: each proxy appends the address that it
    was called from, and what stands before that may be invented. None: there is none that can be read."""
    client = None
    for each in reversed(sent.split(",")):
        address = _address(each.strip())
        if address is None:
            return client
        client = address
        if not is_in(client, trusted):
            return client
    return client


def _address(text: str) -> str | None:
    """Without a port, as some proxies write it."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return None
