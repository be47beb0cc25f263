"""TLS by the settings, and the certificate in /readyz."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from appliance.box.settings import Settings, SettingsError, check_settings
from appliance.box.wiring.encryption import certificate_part, open_encryption
from appliance.network.tls import now


def settings(folder: Path, **server: Any) -> Settings:
    storage = {"state_dir": str(folder), "recordings_dir": str(folder / "recordings")}
    return check_settings({"site": {"id": "north"}, "storage": storage, "server": server})


def test_auto_makes_an_authority_once(tmp_path: Path) -> None:
    made = open_encryption(settings(tmp_path, tls="auto", tls_port=9443))
    again = open_encryption(settings(tmp_path, tls="auto"))
    assert made.is_own and again.is_own
    assert made.trust.fingerprint == again.trust.fingerprint
    assert made.trust.address == "https://north.local:9443"


def test_a_damaged_authority_is_no_reason_to_make_another(tmp_path: Path) -> None:
    open_encryption(settings(tmp_path, tls="auto"))
    (tmp_path / "tls" / "authority.key").write_text("damaged")
    with pytest.raises(SettingsError, match=r"server\.tls: .*restore the folder"):
        open_encryption(settings(tmp_path, tls="auto"))


def test_files_that_cannot_be_used_are_named_with_their_key(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing.pem")
    with pytest.raises(SettingsError, match=r"server\.tls_cert: .*missing\.pem"):
        open_encryption(settings(tmp_path, tls="files", tls_cert=missing, tls_key=missing))


@pytest.mark.parametrize(
    ("days", "trouble", "status"),
    [(90, "", "ok"), (13, "", "warn"), (-1, "", "bad"), (90, "x", "warn"), (-1, "x", "bad")],
)
def test_an_end_that_comes_near_is_shown(tmp_path: Path, days: int, trouble: str, status: str) -> None:
    tls = open_encryption(settings(tmp_path, tls="auto")).tls
    tls.ends, tls.trouble = now() + timedelta(days=days, hours=1), trouble
    part = certificate_part(tls, is_own=False)
    assert part.status == status
    assert (part.hint is None) == (status == "ok")
