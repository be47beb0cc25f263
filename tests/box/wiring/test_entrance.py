"""Where a new device begins, by the settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from appliance.access.links import Entrance
from appliance.box.settings import Settings, check_settings
from appliance.box.wiring.encryption import open_encryption
from appliance.box.wiring.entrance import addresses_shown, entrance, secure_address

FILES = {"tls": "files", "tls_cert": "a.pem", "tls_key": "b.pem", "tls_port": 443}


def settings(folder: Path, **server: Any) -> Settings:
    storage = {"state_dir": str(folder), "recordings_dir": str(folder / "recordings")}
    server = {"host": "192.168.1.20", **server}
    return check_settings({"site": {"id": "north"}, "storage": storage, "server": server})


def test_without_tls_it_is_the_page_itself(tmp_path: Path) -> None:
    box = settings(tmp_path)
    assert entrance(box) == Entrance("http://192.168.1.20:8080")
    assert addresses_shown(box, entrance(box)) == ["address   http://192.168.1.20:8080/pair"]


def test_with_an_authority_of_its_own_it_is_the_plain_page_with_its_fingerprint(tmp_path: Path) -> None:
    box = settings(tmp_path, tls="auto")
    assert entrance(box) == Entrance("http://192.168.1.20:8080", 8080, b"")  # not started yet
    trust = open_encryption(box).trust
    begin = entrance(box)
    assert begin.fingerprint.hex(":").upper() == trust.fingerprint
    shown = "\n".join(addresses_shown(box, begin))
    assert trust.fingerprint in shown and "https://north.local:8443/pair" in shown


def test_a_damaged_authority_is_left_to_the_daemon(tmp_path: Path) -> None:
    box = settings(tmp_path, tls="auto")
    (tmp_path / "tls").mkdir()
    (tmp_path / "tls" / "authority.pem").write_text("damaged")
    assert entrance(box).fingerprint == b""


@pytest.mark.parametrize(
    ("names", "page"),
    [
        (["box.club.example", "other.example"], "https://box.club.example:443"),
        (["2001:db8::5"], "https://[2001:db8::5]:443"),
        ([], "https://north.local:443"),
    ],
)
def test_with_a_certificate_that_devices_trust_it_is_the_encrypted_page(
    tmp_path: Path, names: list[str], page: str
) -> None:
    box = settings(tmp_path, allowed_hosts=names, **FILES)
    assert entrance(box) == Entrance(page) and secure_address(box) == page
    assert addresses_shown(box, entrance(box)) == [f"address   {page}/pair"]
