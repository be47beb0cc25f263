"""TLS for tests: a certificate of an authority that is made for the test, and who trusts it."""

from __future__ import annotations

import base64
import hashlib
import ssl
from pathlib import Path

import trio
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

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


def trusting_flag(port: int) -> str:
    """Makes Chromium take the certificate that is shown on this port of this machine as a trusted one, and no
    other: as after the steps of /trust, so that a service worker is allowed too."""
    shown = x509.load_pem_x509_certificate(ssl.get_server_certificate(("127.0.0.1", port)).encode())
    key = shown.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return f"--ignore-certificate-errors-spki-list={base64.b64encode(hashlib.sha256(key).digest()).decode()}"
