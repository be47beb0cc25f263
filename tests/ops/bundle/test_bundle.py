"""The support bundle: what a helper needs, and no secret, wherever it was planted."""

from __future__ import annotations

import base64
import json
import stat
import tarfile
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest

from appliance.box.channels.configured import apply_config
from appliance.box.channels.settings import ChannelSettings
from appliance.box.mediamtx.login import make_login
from appliance.box.mediamtx.settings import MediamtxSettings
from appliance.box.settings import Settings, check_settings
from appliance.kernel.clock import BoxClock
from appliance.kernel.store import open_store
from appliance.ops.bundle.bundle import write_bundle
from appliance.ops.bundle.scrub import Scrubber
from appliance.ops.health import HealthPart

PASSWORD = 'Pa55 w"rd&x'
PASSPHRASE = "first camera/secret+1"
ADDED = "second-camera-secret"
CREDENTIAL = "credential-of-the-cloud"
TOKEN = "bx1_0123_abcdefghijklmnop"
CAMERA = "q7w3e9r5t1z2u8i4o6p0"  # of a camera at MediaMTX: known by its form only
PLANTED = [PASSWORD, PASSPHRASE, ADDED, CREDENTIAL, TOKEN, CAMERA]


def settings_of(folder: Path) -> Settings:
    return check_settings(
        {
            "site": {"id": "north", "name": "North Stand"},
            "server": {"port": 1, "local_port": 0},  # nothing listens there
            "storage": {"state_dir": str(folder / "state"), "recordings_dir": str(folder / "recordings")},
            "mediamtx": {"read_user": "appliance", "read_password": PASSWORD},
            "channels": [
                {"id": "cam1", "input_url": f"srt://:8891?latency=80&passphrase={quote(PASSPHRASE)}"}
            ],
        }
    )


def log_with_secrets() -> str:
    basic = base64.b64encode(f"appliance:{PASSWORD}".encode()).decode()
    return f"""
plain {PASSWORD} and {PASSPHRASE} and {ADDED} and {CREDENTIAL}
address srt://10.0.0.9:9000?passphrase={quote_plus(PASSPHRASE)}&latency=80
address srt://10.0.0.9:9000?passphrase={quote(ADDED, safe="")}
json {json.dumps({"event": "x", "read_password": PASSWORD})}
Authorization: Basic {basic}
Authorization: Bearer {TOKEN}
Sec-WebSocket-Protocol: bearer, {TOKEN}
GET /clips/1/stream?k={TOKEN}&x=1
conn closed: authentication failed: streamid publish:cam1:cam1:{CAMERA}
http://appliance:{quote(PASSWORD)}@127.0.0.1:9997/v3
"""


@pytest.fixture
async def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A box with secrets everywhere, and a journalctl that shows them."""
    settings = settings_of(tmp_path)
    settings.storage.state_dir.mkdir()
    (tmp_path / "recordings" / "cam1").mkdir(parents=True)
    (tmp_path / "recordings" / "cam1" / "2026-11-29_10-00-00.mp4").write_bytes(b"never copied")
    async with open_store(settings.storage.state_dir / "box.db", BoxClock.start(None, None)) as store:
        url = f"srt://10.0.0.9:9000?passphrase={ADDED}"
        sql = "INSERT INTO meta VALUES ('planted', ?)"
        await store.write(lambda tx: tx.run(sql, (TOKEN,)))
        added = (ChannelSettings(id="c2", input_url=url),)
        await store.write(lambda tx: apply_config(tx, added, footage_from_outside=False))
    (tmp_path / "credentials").mkdir()
    (tmp_path / "credentials" / "cloud").write_text(f"{CREDENTIAL}\n")
    (tmp_path / "bin").mkdir()
    (tmp_path / "log").write_text(log_with_secrets())
    script = tmp_path / "bin" / "journalctl"
    script.write_text(f"#!/bin/sh\n/bin/cat {tmp_path / 'log'}\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return settings


def bundled(settings: Settings, tmp_path: Path) -> dict[str, str]:
    parts = {"clock": HealthPart("warn", f"an error quoting {PASSWORD}", "check chrony")}
    file = tmp_path / "bundle.tar.gz"
    size = write_bundle(settings, parts, file, tmp_path / "credentials")
    assert size == file.stat().st_size
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with tarfile.open(file) as archive:
        opened = {each.name.removeprefix("support/"): archive.extractfile(each) for each in archive}
        return {name: part.read().decode() for name, part in opened.items() if part is not None}


async def test_no_planted_secret_is_in_it_in_any_spelling(box: Settings, tmp_path: Path) -> None:
    files = bundled(box, tmp_path)
    whole = "\n".join(files.values())
    for secret in PLANTED:
        basic = base64.b64encode(f"appliance:{secret}".encode()).decode()
        for spelling in (
            secret,
            quote(secret),
            quote_plus(secret),
            quote(secret, safe=""),
            json.dumps(secret)[1:-1],
            basic,
        ):
            assert spelling not in whole, spelling
    assert "never copied" not in whole


async def test_what_a_helper_needs_is_in_it(box: Settings, tmp_path: Path) -> None:
    files = bundled(box, tmp_path)
    assert json.loads(files["doctor.json"])["clock"]["hint"] == "check chrony"
    settings = json.loads(files["settings.json"])
    assert settings["site"]["name"] == "North Stand"
    assert settings["mediamtx"] == {**settings["mediamtx"], "read_user": "appliance", "read_password": "***"}
    assert settings["channels"][0]["input_url"].startswith("srt://:8891?latency=80&passphrase=***")
    assert json.loads(files["database.json"])["rows"]["channels"] == 1
    assert "cam1/2026-11-29_10-00-00.mp4" in files["files.txt"]
    assert "srt://10.0.0.9:9000" in files["log.txt"] and "GET /clips/1/stream" in files["log.txt"]
    assert files["readyz.json"].startswith("not collected: ")  # the box does not run; the rest is there


async def test_an_existing_file_is_not_overwritten(box: Settings, tmp_path: Path) -> None:
    (tmp_path / "bundle.tar.gz").write_text("mine")
    with pytest.raises(FileExistsError):
        bundled(box, tmp_path)
    assert (tmp_path / "bundle.tar.gz").read_text() == "mine"


def test_a_machine_without_a_box_has_a_bundle_too(tmp_path: Path) -> None:
    files = bundled(settings_of(tmp_path), tmp_path)
    assert files["database.json"].startswith("not collected: ")
    assert "version" in files["machine.json"]


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("cam1 ready in 0.3 s, 12 clips", "cam1 ready in 0.3 s, 12 clips"),
        ("srt://10.0.0.9:9000?latency=80", "srt://10.0.0.9:9000?latency=80"),
        ("-----BEGIN PRIVATE KEY-----\nabc\n-----END PRIVATE KEY-----\nafter", "***\nafter"),
        ("POST /channels/cam1/whep/AbC-12", "POST /channels/cam1/whep/***"),
        ("password = hunter2 next", "password = *** next"),
        ("the ab of a short secret stays", "the ab of a short secret stays"),
    ],
)
def test_by_its_form_a_secret_is_found_and_other_text_is_kept(text: str, kept: str) -> None:
    assert Scrubber(["ab"]).text(text) == kept


async def test_the_boxs_own_login_at_mediamtx_is_a_secret(box: Settings, tmp_path: Path) -> None:
    own = box.model_copy(update={"mediamtx": MediamtxSettings()})
    _, password, _ = make_login(own.mediamtx, own.storage.state_dir)
    (tmp_path / "log").write_text(f"refused: {password}\n")
    assert password not in "\n".join(bundled(own, tmp_path).values())
