"""The link that pairs a device, and its QR code. The one place that knows segno."""

from __future__ import annotations

import io
from urllib.parse import urlsplit

import segno

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_QUIET_MODULES = 4  # white around a QR code, as its standard asks


def pair_link(page: str, code: str, network: str | None) -> str:
    """`page`: the address under which a page of this side was opened, "http://box.local:8080". Where that is
    loopback, which another device cannot open, the host of the address `network` takes its place."""
    address = urlsplit(page)
    host, port = address.hostname or "", f":{address.port}" if address.port else ""
    if host in LOOPBACK and network is not None:
        host = urlsplit(network).hostname or host
    return f"{address.scheme}://{f'[{host}]' if ':' in host else host}{port}/pair?c={code}"


def qr_text(link: str) -> str:
    """The link as a QR code in half blocks, two modules a character: it fits 80 x 24."""
    out = io.StringIO()
    segno.make(link, error="l", micro=False).terminal(out, compact=True)
    return out.getvalue().rstrip("\n")


def qr_svg(link: str) -> str:
    """The link as a QR code, an SVG document without a size of its own; black on white in any theme."""
    out = io.BytesIO()
    segno.make(link, error="m", micro=False).save(
        out, kind="svg", xmldecl=False, nl=False, omitsize=True, border=_QUIET_MODULES, light="#fff"
    )
    return out.getvalue().decode("ascii")
