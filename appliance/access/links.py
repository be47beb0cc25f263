"""The link that pairs a device, and its QR code. The one place that knows segno."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from urllib.parse import urlsplit

from appliance.kernel.fields import is_loopback

_QUIET_MODULES = 4  # white around a QR code, as its standard asks
_QUIET_MODULES_MIN = 2  # what cameras still read, where the picture would not fit otherwise
_SYMBOL_MODULES = 38  # the largest with the usual white around it that fits a console of 24 lines


@dataclass(frozen=True, slots=True)
class Entrance:
    """Where a device begins that is not paired yet.

    `page`: this side's address for other machines, "http://192.168.1.20:8080"; None: it knows none. With a
    certificate authority of its own, which new devices do not trust: `trust_port`, of the plain page that
    leads to it, and `fingerprint`, the authority's SHA-256.
    """

    page: str | None = None
    trust_port: int | None = None
    fingerprint: bytes = b""


def pair_link(page: str, code: str, entrance: Entrance) -> str:
    """`page`: the address under which a page of this side was opened, "http://box.local:8080". Where that is
    loopback, which another device cannot open, the host of `entrance` takes its place.

    Without encryption the code must not be sent: it stands behind "#", which stays in the device.
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
    """The link as a QR code in half blocks, two modules a character: it fits 80 x 24."""
    import segno  # here, as below: few boxes ever draw one

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
