"""Certificates as OpenSSL sees them: real handshakes, chains and name constraints."""

from __future__ import annotations

import plistlib
import ssl
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from appliance.kernel.clock import wall_us
from appliance.network import certificates
from appliance.network.certificates import (
    AUTHORITY_KEY,
    AUTHORITY_NAME,
    LEAF_NAME,
    open_authority,
    profile,
    renew_leaf,
)

NAME = "stadium.local"
HERE = ["192.168.1.20", "fd00::20"]
NOW = datetime.fromtimestamp(wall_us() / 1e6, UTC)


def handshake(folder: Path, host: str) -> str:
    """The error of a client that trusts the authority, on connecting to `host`; "" if there is none."""
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    server.load_cert_chain(folder / LEAF_NAME)
    client.load_verify_locations(folder / AUTHORITY_NAME)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = server.wrap_bio(to_server, to_client, server_side=True)
    theirs = client.wrap_bio(to_client, to_server, server_hostname=host)
    for _ in range(4):
        for side in (theirs, ours):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                pass
            except ssl.SSLCertVerificationError as error:
                return error.verify_message
    return ""


def made(folder: Path, addresses: list[str] = HERE) -> certificates.Authority:
    authority = open_authority(folder, NAME, "Stadium")
    renew_leaf(folder, authority, NAME, addresses, NOW)
    return authority


@pytest.mark.parametrize("host", [NAME, *HERE])
def test_a_device_that_trusts_the_authority_reaches_the_box(tmp_path: Path, host: str) -> None:
    made(tmp_path)
    assert handshake(tmp_path, host) == ""


@pytest.mark.parametrize("host", ["192.168.1.21", "bank.example"])
def test_the_certificate_is_the_boxes_alone(tmp_path: Path, host: str) -> None:
    made(tmp_path)
    assert "mismatch" in handshake(tmp_path, host)


@pytest.mark.parametrize(
    ("name", "addresses"), [("bank.example", []), ("other.local", []), (NAME, ["93.184.216.34"])]
)
def test_the_authoritys_key_cannot_sign_for_other_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, addresses: list[str]
) -> None:
    authority = open_authority(tmp_path, NAME, "Stadium")
    monkeypatch.setattr(certificates, "is_private", lambda address: True)
    assert renew_leaf(tmp_path, authority, name, addresses, NOW)
    assert handshake(tmp_path, addresses[0] if addresses else name) == "permitted subtree violation"


def test_public_addresses_are_left_out(tmp_path: Path) -> None:
    made(tmp_path, ["93.184.216.34", "192.168.1.20", "127.0.0.1"])
    assert handshake(tmp_path, "192.168.1.20") == ""
    assert "mismatch" in handshake(tmp_path, "93.184.216.34")


def test_only_the_box_reads_its_keys(tmp_path: Path) -> None:
    folder = tmp_path / "tls"
    made(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for name in (AUTHORITY_KEY, LEAF_NAME):
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600
    assert not [path for path in folder.iterdir() if path.suffix == ".draft"]


def test_the_authority_stays_and_its_certificate_is_made_when_needed(tmp_path: Path) -> None:
    authority = made(tmp_path)
    again = open_authority(tmp_path, NAME, "Stadium")
    assert again.fingerprint == authority.fingerprint
    assert not renew_leaf(tmp_path, again, NAME, HERE, NOW)
    assert not renew_leaf(tmp_path, again, NAME, HERE[:1], NOW), "an address that went away is no reason"
    assert renew_leaf(tmp_path, again, NAME, [*HERE, "10.0.0.7"], NOW)
    (tmp_path / LEAF_NAME).write_bytes(b"damaged")
    assert renew_leaf(tmp_path, again, NAME, HERE, NOW)
    assert open_authority(tmp_path, "renamed.local", "Stadium").fingerprint != authority.fingerprint


@pytest.mark.parametrize(
    ("days", "is_made"), [(0, False), (365, False), (368, True), (500, True), (-2, True)]
)
def test_a_certificate_is_made_again_thirty_days_before_its_end_and_if_the_clock_was_wrong(
    tmp_path: Path, days: int, is_made: bool
) -> None:
    authority = made(tmp_path)
    assert renew_leaf(tmp_path, authority, NAME, HERE, NOW + timedelta(days=days)) == is_made


def test_a_certificate_lasts_as_long_as_tablets_accept(tmp_path: Path) -> None:
    made(tmp_path)
    leaf = x509.load_pem_x509_certificate((tmp_path / LEAF_NAME).read_bytes())
    assert leaf.not_valid_after_utc - leaf.not_valid_before_utc <= timedelta(days=397)


def test_the_profile_holds_the_authority(tmp_path: Path) -> None:
    authority = made(tmp_path)
    content = plistlib.loads(profile(authority, "Stadium"))
    [root] = content["PayloadContent"]
    assert root["PayloadType"] == "com.apple.security.root"
    assert x509.load_der_x509_certificate(root["PayloadContent"]) == authority.certificate
    assert profile(authority, "Stadium") == profile(authority, "Stadium"), "installing it twice replaces it"


def test_the_fingerprint_is_what_devices_show(tmp_path: Path) -> None:
    authority = made(tmp_path)
    assert len(authority.fingerprint.split(":")) == 32
    assert authority.fingerprint == authority.fingerprint.upper()
