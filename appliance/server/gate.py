"""Allowed host names and origins: the Host allow-list and the Origin check.

Owns: the two checks that prevent other sites' pages from using a box inside the stadium network (DNS
rebinding, cross-site requests). Must not know: routes, roles, tokens (appliance/access/).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping

from appliance.http.api import Scope
from appliance.kernel.errors import Refused
from appliance.kernel.fields import is_loopback

_HOST = re.compile(r"(?:\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::\d{1,5})?", re.IGNORECASE)
_REMEMBER = 256  # host headers whose result is cached; a box has a handful


class Gate:
    """`check` raises Refused for a request from another site's page, or with a name that is not allowed."""

    def __init__(self, hosts: Iterable[str]) -> None:
        """`hosts`: the bound host, the box's .local names and [server] allowed_hosts, without ports."""
        self._names = {_bare(each) for each in hosts if each not in ("", "0.0.0.0", "::")}
        self._known: dict[tuple[bytes, str], bool] = {}

    def check(self, scope: Scope, headers: Mapping[bytes, bytes], *, unsafe: bool) -> None:
        host = headers.get(b"host", b"")
        server = scope.get("server") or ("", 0)
        if host and not self._allows(host, str(server[0])):
            shown = host.decode("latin-1")[:100]
            raise Refused(
                421,
                "unknown_host",
                f"this box does not answer to the name {shown}",
                f"use its address, or add {_bare(shown)!r} to server.allowed_hosts",
            )
        if unsafe and (page := _other_page(headers, host)) is not None:
            raise Refused(
                403, "cross_origin", f"a page of {page} may not do this here", "open the box's own page"
            )

    def _allows(self, host: bytes, server: str) -> bool:
        verdict = self._known.get((host, server))
        if verdict is None:
            text = host.decode("latin-1").strip()
            verdict = _HOST.fullmatch(text) is not None and self._decide(_bare(text), server)
            if len(self._known) < _REMEMBER:
                self._known[(host, server)] = verdict
        return verdict

    def _decide(self, name: str, server: str) -> bool:
        """Whether the Host is allowed. An IP address is if the connection arrived at it: DNS rebinding needs
        a name."""
        if name in self._names or is_loopback(name):
            return True
        literal = _address(name)
        return literal is not None and literal == _address(server)


def _other_page(headers: Mapping[bytes, bytes], host: bytes) -> str | None:
    """The origin of the page that sent the request, when that is another site's; None: the box's own page, or
    not a browser.

    Browsers send Origin with every such request; Sec-Fetch-Site is checked where a proxy has removed it.
    """
    origin = headers.get(b"origin")
    if origin is not None:
        return None if is_same_origin(origin, host) else origin.decode("latin-1")[:100]
    return "another site" if headers.get(b"sec-fetch-site") in (b"cross-site", b"same-site") else None


def is_same_origin(origin: bytes, host: bytes) -> bool:
    """Whether a page at `origin` was loaded from `host` (default ports may be left out)."""
    scheme, separator, authority = origin.lower().partition(b"://")
    if not separator or scheme not in (b"http", b"https"):
        return False
    port = b":80" if scheme == b"http" else b":443"
    return authority.removesuffix(port) == host.lower().removesuffix(port)


def _bare(host: str) -> str:
    """The name or address without port and brackets, in lower case."""
    host = host.strip().lower().rstrip(".")
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host if host.count(":") > 1 else host.partition(":")[0].rstrip(".")


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        parsed = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return mapped or parsed
