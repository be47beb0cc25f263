"""The link that pairs a device, and its QR code. Only this file imports segno."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from urllib.parse import urlsplit

from appliance.kernel.fields import is_loopback

_QUIET_MODULES = 4  # white around a QR code, as its standard asks
_QUIET_MODULES_MIN = 2  # cameras still read it; for codes that would not fit otherwise
_SYMBOL_MODULES = 38  # the largest code that fits a console of 24 lines with _QUIET_MODULES around it


@dataclass(frozen=True, slots=True)
class Entrance:
    """Where a device that is not paired opens this side's page.

    `page`: this side's address for other machines, "http://192.168.1.20:8080"; None: unknown. Set only where
    the certificate is from a private authority, which new devices do not trust: `trust_port`, the port of the
    unencrypted page that offers the authority's certificate, and `fingerprint`, its SHA-256.
    """

    page: str | None = None
    trust_port: int | None = None
    fingerprint: bytes = b""


def pair_link(page: str, code: str, entrance: Entrance) -> str:
    """`page`: the address at which a page of this side was opened, "http://box.local:8080". A loopback
    address, which another device cannot open, is replaced by the host of `entrance`.

    Without encryption the code must not be sent: it follows a "#", and browsers do not send that part.
    """
    address = urlsplit(page)
    scheme, host, port = address.scheme, address.hostname or "", address.port
    if is_loopback(host) and entrance.page is not None:
        host = urlsplit(entrance.page).hostname or host
    words = f"?c={code}"
    if entrance.trust_port is not None:
        scheme, port, words = "http", entrance.trust_port, f"#c={code}{_named(entrance.fingerprint)}"
    authority = f"[{host}]" if ":" in host else host
    return f"{scheme}://{authority}{f':{port}' if port else ''}/pair{words}"


def _named(fingerprint: bytes) -> str:
    return f"&fp={base64.urlsafe_b64encode(fingerprint).decode().rstrip('=')}" if fingerprint else ""


def qr_text(link: str) -> str:
    """The link as a QR code of half-block characters, two modules each, so that it fits 80 x 24."""
    import segno  # imported only when used, as below: few boxes ever draw a code

    out, code = io.StringIO(), segno.make(link, error="l", micro=False)
    is_small = code.symbol_size(border=0)[0] <= _SYMBOL_MODULES
    code.terminal(out, compact=True, border=_QUIET_MODULES if is_small else _QUIET_MODULES_MIN)
    return out.getvalue().rstrip("\n")


def qr_svg(link: str) -> str:
    """The link as a QR code, an SVG document without a size of its own; black on white in any theme."""
    import segno

    out = io.BytesIO()
    segno.make(link, error="m", micro=False).save(
        out, kind="svg", xmldecl=False, nl=False, omitsize=True, border=_QUIET_MODULES, light="#fff"
    )
    return out.getvalue().decode("ascii")
