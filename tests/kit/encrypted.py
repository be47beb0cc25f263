"""TLS for tests: a certificate of an authority that is made for the test, and who trusts it."""

from __future__ import annotations

import ssl
from pathlib import Path

import trio

from appliance.network.certificates import AUTHORITY_NAME, open_authority
from appliance.network.tls import OwnCertificate, Tls

NAME = "stadium.local"
Secure = trio.SSLStream[trio.SocketStream]


def own_tls(folder: Path) -> Tls:
    """A box's certificate in `folder`, loaded."""
    made = Tls(OwnCertificate(folder, open_authority(folder, NAME, "Stadium"), NAME, list))
    made.load()
    return made


def over(stream: trio.SocketStream, folder: Path) -> Secure:
    """A client's side; it trusts the authority in `folder`. The handshake is not done yet."""
    context = ssl.create_default_context(cafile=str(folder / AUTHORITY_NAME))
    return trio.SSLStream(stream, context, server_hostname=NAME, https_compatible=True)
