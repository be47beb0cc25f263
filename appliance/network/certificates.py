"""The site's private certificate authority, and the box's certificate that it signs.

Owns: the files in one folder, what a certificate contains, when it is made again. Must not know: settings,
listeners. The key of the authority is readable by the box's user alone; a device that trusts the authority
trusts it for the box's .local name and for addresses of private networks, and for nothing else, by critical
name constraints (RFC 5280 section 4.2.1.10).
"""

from __future__ import annotations

import hashlib
import ipaddress
import os
import plistlib
import ssl
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from appliance.kernel.witness import sync_folder

LEAF_DAYS: Final = 397  # iPadOS refuses certificates of over 398 days
RENEW_DAYS: Final = 30  # before the end
AUTHORITY_NAME: Final = "authority.pem"
AUTHORITY_KEY: Final = "authority.key"
LEAF_NAME: Final = "box.pem"  # the certificate, then its key
# The clock of a box may be wrong when it is first started, and a device trusts the authority only once.
AUTHORITY_FROM: Final = datetime(2025, 1, 1, tzinfo=UTC)
AUTHORITY_TO: Final = datetime(2049, 12, 31, tzinfo=UTC)
PRIVATE: Final = tuple(
    ipaddress.ip_network(each) for each in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
)


@dataclass(frozen=True, slots=True)
class Authority:
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def fingerprint(self) -> str:
        """SHA-256 as shown by devices: "AB:CD:..."."""
        return self.certificate.fingerprint(hashes.SHA256()).hex(":").upper()


def known_fingerprint(folder: Path) -> bytes:
    """SHA-256 of the authority in `folder`; empty: there is none yet, or it cannot be read. Blocks."""
    try:
        pem = (folder / AUTHORITY_NAME).read_text("ascii")
        return hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).digest()
    except (OSError, ValueError):
        return b""


def open_authority(folder: Path, name: str, title: str) -> Authority:
    """The authority in `folder`, made if there is none. `name`: the box's, as "stadium.local"; one of another
    name is replaced. Blocks. Raises OSError; ValueError if a file is damaged."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if (folder / AUTHORITY_NAME).exists():
        known = Authority(
            x509.load_pem_x509_certificate((folder / AUTHORITY_NAME).read_bytes()),
            _key((folder / AUTHORITY_KEY).read_bytes()),
        )
        if name in _permitted_names(known.certificate):
            return known
    made = _make_authority(name, title)
    # the key first: a certificate without a key would be trusted and useless
    _write(folder / AUTHORITY_KEY, _pem(made.key), mode=0o600)
    _write(folder / AUTHORITY_NAME, made.certificate.public_bytes(Encoding.PEM), mode=0o644)
    return made


def renew_leaf(
    folder: Path, authority: Authority, name: str, addresses: Sequence[str], now: datetime
) -> bool:
    """Make the box's certificate again if it is missing, ends within 30 days of `now`, is not valid yet, or
    lacks an address; True: it was made. Blocks. Raises OSError."""
    path = folder / LEAF_NAME
    wanted = [each for each in map(ipaddress.ip_address, addresses) if is_private(each)]
    if path.exists() and _serves(path.read_bytes(), authority, name, wanted, now):
        return False
    key = ec.generate_private_key(ec.SECP256R1())
    leaf = (
        x509.CertificateBuilder()
        .subject_name(_named(name))
        .issuer_name(authority.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=LEAF_DAYS - 1))
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName(name), *map(x509.IPAddress, wanted)]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(digital_signature=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(_issuer_id(authority), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(authority.key, hashes.SHA256())
    )
    _write(path, leaf.public_bytes(Encoding.PEM) + _pem(key), mode=0o600)
    return True


def facts_of(pem: bytes) -> tuple[datetime, tuple[str, ...]]:
    """(when it ends, the names and addresses it is for) of the first certificate in `pem`. Raises
    ValueError."""
    leaf = x509.load_pem_x509_certificate(pem)
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return leaf.not_valid_after_utc, ()
    addresses = map(str, names.get_values_for_type(x509.IPAddress))
    return leaf.not_valid_after_utc, (*names.get_values_for_type(x509.DNSName), *addresses)


def is_private(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Whether the authority may sign a certificate for the address: its name constraints permit it."""
    return any(address in network for network in PRIVATE)


def profile(authority: Authority, title: str) -> bytes:
    """The authority as a configuration profile for iPadOS: the file that a person opens and installs."""
    mark = uuid.uuid5(uuid.NAMESPACE_OID, authority.fingerprint)
    root = {
        "PayloadType": "com.apple.security.root",
        "PayloadVersion": 1,
        "PayloadIdentifier": f"box.{mark}.root",
        "PayloadUUID": str(uuid.uuid5(mark, "root")).upper(),
        "PayloadDisplayName": title,
        "PayloadContent": authority.der,
    }
    return plistlib.dumps(
        {
            "PayloadType": "Configuration",
            "PayloadVersion": 1,
            "PayloadIdentifier": f"box.{mark}",
            "PayloadUUID": str(mark).upper(),
            "PayloadDisplayName": title,
            "PayloadDescription": "Lets this device open the box's page over an encrypted connection.",
            "PayloadContent": [root],
        }
    )


def _make_authority(name: str, title: str) -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _named(title or name)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(AUTHORITY_FROM)
        .not_valid_after(AUTHORITY_TO)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(key_cert_sign=True, crl_sign=True), critical=True)
        .add_extension(
            x509.NameConstraints([x509.DNSName(name), *map(x509.IPAddress, PRIVATE)], None), critical=True
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Authority(certificate, key)


def _serves(
    pem: bytes,
    authority: Authority,
    name: str,
    wanted: Sequence[ipaddress.IPv4Address | ipaddress.IPv6Address],
    now: datetime,
) -> bool:
    """Whether the certificate in `pem` is good for the box as it is now."""
    try:
        leaf = x509.load_pem_x509_certificate(pem)
        _key(pem)
        leaf.verify_directly_issued_by(authority.certificate)
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
        return False
    is_timely = leaf.not_valid_before_utc <= now < leaf.not_valid_after_utc - timedelta(days=RENEW_DAYS)
    has_names = name in names.get_values_for_type(x509.DNSName)
    return is_timely and has_names and set(wanted) <= set(names.get_values_for_type(x509.IPAddress))


def _permitted_names(certificate: x509.Certificate) -> list[str]:
    limits = certificate.extensions.get_extension_for_class(x509.NameConstraints).value
    return [each.value for each in limits.permitted_subtrees or () if isinstance(each, x509.DNSName)]


def _issuer_id(authority: Authority) -> x509.AuthorityKeyIdentifier:
    own = authority.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own)


def _usage(**wanted: bool) -> x509.KeyUsage:
    names = (
        "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
        "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
    )  # fmt: skip
    return x509.KeyUsage(**{name: wanted.get(name, False) for name in names})


def _named(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text[:64])])


def _key(pem: bytes) -> ec.EllipticCurvePrivateKey:
    key = load_pem_private_key(pem, None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError("not a key of the box's own making")
    return key


def _write(path: Path, data: bytes, *, mode: int) -> None:
    """The whole file or none, also after a power cut."""
    draft = path.with_name(path.name + ".draft")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with open(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(descriptor)
    os.replace(draft, path)
    sync_folder(path.parent)


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
